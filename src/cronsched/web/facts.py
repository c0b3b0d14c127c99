"""Facts about this process: may it start anything, and may its sockets be
knocked at? Determined on each call, never cached.

Example::

    reason_not_to_start('auto')     # 'pytest is loaded', or '' for none
    may_knock()

A knock is an HTTP request, and a server that expects another protocol may die
of it (a mod_wsgi daemon does). So only those are knocked at that are known to
speak HTTP on their sockets. Elsewhere the jobs start with the first visitor,
once `base_url` says where.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal
from urllib.parse import quote, urlsplit

from cronsched._cronsched import Knock
from cronsched.scheduler import uwsgi

__all__ = ['Enabled', 'is_test', 'may_knock', 'own_address', 'reason_not_to_start', 'server']

Enabled = bool | Literal['auto']

# By a module that is loaded where the server runs. A library that the
# application imports as well is none of them.
SERVERS: Final = {
    'gunicorn.arbiter': 'gunicorn',
    'uvicorn.server': 'uvicorn',
    'hypercorn.config': 'hypercorn',
    'granian': 'granian',
    'waitress.server': 'waitress',
    'daphne.server': 'daphne',
    'cheroot.server': 'cheroot',
    'bjoern': 'bjoern',
    'django.core.servers.basehttp': "Django's runserver",
}

# What the environment says wins over a setting that says nothing.
FORCED: Final = {
    **dict.fromkeys(('1', 'true', 'yes', 'on'), True),
    **dict.fromkeys(('0', 'false', 'no', 'off'), False),
}

# By which a proxy says where it shows the application; so can a visitor.
PREFIX_HEADERS: Final = ('HTTP_SCRIPT_NAME', 'HTTP_X_SCRIPT_NAME', 'HTTP_X_FORWARDED_PREFIX')

# Flask imports werkzeug's server wherever it runs; it says where it serves.
WERKZEUG: Final = 'werkzeug.serving'
WERKZEUG_SERVES: Final = 'WERKZEUG_SERVER_FD'


def server() -> str | None:
    """The server of this process, if its sockets may be knocked at."""
    addresses = uwsgi.addresses()
    if addresses is not None:
        return 'uWSGI' if addresses else None
    if 'mod_wsgi' in sys.modules:
        return None
    for module, name in SERVERS.items():
        if module in sys.modules:
            return name
    if WERKZEUG in sys.modules and WERKZEUG_SERVES in os.environ:
        return 'werkzeug'
    return None


def own_address(environ: Mapping[str, Any]) -> str | None:
    """Where this process is reached, by the port that its server says a WSGI
    request came in at. What the visitor says (a host, `X-Forwarded-Proto`)
    decides nothing. None where the server is not known to speak HTTP there."""
    port = str(environ.get('SERVER_PORT', ''))
    if server() is None or not port.isdecimal():
        return None
    for address in Knock.listening():
        if urlsplit(address).port == int(port):
            return address + quote(_own_prefix(environ).rstrip('/'))
    return None


def _own_prefix(environ: Mapping[str, Any]) -> str:
    """SCRIPT_NAME without what a header has made of it: gunicorn and some
    middlewares believe one, which our own requests do not bring."""
    prefix = str(environ.get('SCRIPT_NAME', ''))
    for header in PREFIX_HEADERS:
        given = str(environ.get(header, '')).rstrip('/')
        if given and f'{prefix}/'.startswith(f'{given}/'):
            return os.environ.get('SCRIPT_NAME', '') + prefix.removeprefix(given)
    return prefix


def may_knock() -> bool:
    return server() is not None and not is_test()


def reason_not_to_start(enabled: Enabled, *, serving: bool = True) -> str:
    """Why nothing is started in this process; '' if it may be. `serving`: it
    is to have a listening socket by now."""
    if enabled == 'auto':
        enabled = FORCED.get(os.environ.get('CRONSCHED_ENABLED', '').lower(), 'auto')
    if enabled != 'auto':
        return '' if enabled else 'it is switched off (enabled=False)'
    for is_so, reason in REASONS:
        if is_so():
            return f'{reason} (enabled=True starts it all the same)'
    if serving and not Knock.listening():
        return 'this process listens at no socket (enabled=True starts it all the same)'
    return ''


def is_test() -> bool:
    return any(is_so() for is_so, _ in REASONS[:-1])


def _is_pytest() -> bool:
    return 'pytest' in sys.modules


def _is_unittest() -> bool:
    spec: Any = getattr(sys.modules.get('__main__'), '__spec__', None)
    return getattr(spec, 'name', None) == 'unittest.__main__'


def _is_django_test() -> bool:
    # Set by setup_test_environment(), as late as that: `ready()` runs before.
    utils = sys.modules.get('django.test.utils')
    return hasattr(getattr(utils, '_TestState', None), 'saved_data')


def _is_interactive() -> bool:
    return hasattr(sys, 'ps1') or bool(sys.flags.interactive)


REASONS: Final[tuple[tuple[Callable[[], bool], str], ...]] = (
    (_is_pytest, 'pytest is loaded'),
    (_is_unittest, 'unittest runs'),
    (_is_django_test, "Django's tests run"),
    (_is_interactive, 'this is an interactive session'),
)
