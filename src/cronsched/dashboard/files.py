"""The templates, and the files that are served as they are.

Example::

    rendered('job.html', data={...}, now=now)
    served('/static/dashboard.css')      # a Response, or None
"""

from __future__ import annotations

import hashlib
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from cronsched.dashboard.messages import Response, link
from cronsched.dashboard.words import FILTERS

__all__ = ['rendered', 'served']

KINDS: Final = {
    'css': 'text/css; charset=utf-8', 'js': 'text/javascript; charset=utf-8',
    'svg': 'image/svg+xml',
}
NAMES: Final = ('dashboard.css', 'dashboard.js', 'icon.svg')
PREFIX: Final = '/static/'


def rendered(template: str, **values: Any) -> str:
    """Everything is escaped; a name that is not there is an error."""
    return _environment().get_template(template).render(values)


def served(path: str) -> Response | None:
    """Nothing in them is a secret, so they are for everybody, and for long:
    their address has their content in it."""
    name = path.removeprefix(PREFIX)
    if name == path or name not in NAMES:
        return None
    body = _content(name)
    return Response(200, (
        ('Content-Type', KINDS[name.rpartition('.')[2]]),
        ('Content-Length', str(len(body))),
        ('Cache-Control', 'public, max-age=31536000, immutable'),
        ('X-Content-Type-Options', 'nosniff'),
        ('Cross-Origin-Resource-Policy', 'same-origin'),
    ), body)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader('cronsched.dashboard'), autoescape=True, auto_reload=False,
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )
    environment.filters |= FILTERS
    environment.globals |= {'link': link, 'static': _address}
    return environment


@cache
def _content(name: str) -> bytes:
    return files('cronsched.dashboard').joinpath('static', name).read_bytes()


def _address(name: str) -> str:
    digest = hashlib.sha256(_content(name)).hexdigest()[:12]
    return f'static/{name}?{digest}'
