"""Whose jobs an application has: what a test gives becomes a `Target`.

Example::

    target_of(app)      # of Flask, FastAPI, Starlette, Pyramid, Morepath, WSGI, ASGI
    target_of(cron)     # a `Cron`
    target_of(DJANGO)   # the Django project of this process

No framework is imported that the application is not of.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from typing import Any, Final

from cronsched.errors import SchedulerError
from cronsched.testing.asgi import AsgiTarget
from cronsched.testing.target import DJANGO, Target
from cronsched.testing.wsgi import WsgiTarget
from cronsched.web import functions
from cronsched.web.asgi import make_asgi
from cronsched.web.cron import Cron
from cronsched.web.wsgi import ANSWERED_BY, make_wsgi

__all__ = ['target_of']

#: Where our own middleware, Flask and Pyramid keep the jobs.
NAME: Final = ANSWERED_BY
#: What a middleware calls the application that it is around.
INNER: Final = ('app', 'application', 'wsgi_app', 'wrapped', 'inner')
MOST: Final = 32


def target_of(app: Any) -> Target:
    """Raises `SchedulerError` for what has no jobs."""
    if app is DJANGO:
        from cronsched.testing.django import DjangoTarget

        return DjangoTarget()
    if isinstance(app, Cron):
        app = _application_of(app)
    morepath = sys.modules.get('morepath')
    if morepath is not None and isinstance(app, morepath.App):
        from cronsched.testing.morepath import MorepathTarget

        return MorepathTarget(app)
    for inner in _unwrapped(app):
        target = _found_in(inner, app)
        if target is not None:
            return target
    raise SchedulerError(
        f'{app!r} has no jobs: give the application that init_app(), mount(), wsgi() or asgi() '
        'was called for, or the Cron'
    )


def _unwrapped(app: Any) -> Iterator[Any]:
    """The application, and what middlewares are around."""
    for _ in range(MOST):
        yield app
        found = [getattr(app, name) for name in INNER if callable(getattr(app, name, None))]
        if not found:
            return
        app = found[0]


def _found_in(inner: Any, app: Any) -> Target | None:
    """`app` is what is asked, `inner` what it is made of."""
    extensions = getattr(inner, 'extensions', None)
    if isinstance(extensions, dict) and NAME in extensions:
        from cronsched.testing.flask import FlaskTarget

        return FlaskTarget(app, extensions[NAME], inner)
    host = getattr(getattr(inner, 'registry', None), NAME, None)
    if isinstance(host, Cron):
        return WsgiTarget(app, host)
    host = getattr(inner, NAME, None)
    if isinstance(host, Cron) and not inspect.iscoroutinefunction(inner):
        return WsgiTarget(app, host)
    hosts = dict(_mounted_in(inner, ''))
    return AsgiTarget(app, hosts) if hosts else None


def _mounted_in(app: Any, path: str) -> Iterator[tuple[str, Cron]]:
    """The jobs of an ASGI application, and of those that Starlette mounts in it."""
    for inner in _unwrapped(app):
        host = getattr(inner, NAME, None)
        if isinstance(host, Cron):
            yield path, host
        for route in getattr(getattr(inner, 'router', inner), 'routes', ()):
            cron = getattr(route, 'cron', None)
            if isinstance(cron, Cron):
                yield path, cron
            elif hasattr(route, 'routes') and hasattr(route, 'path'):
                yield from _mounted_in(route.app, path + route.path)


def _application_of(cron: Cron) -> Any:
    """What the jobs were given to, or for a bare `Cron` one without pages."""
    if cron._served is not None:
        return cron._served
    if type(cron) is not Cron:
        raise SchedulerError(f'give the application that has the jobs of {cron!r}')
    if any(functions.is_async(job.function) for job in cron.jobs.values()):
        return make_asgi(_no_pages_async, cron, cron.prefix, lambda: True)
    return make_wsgi(_no_pages, cron, cron.prefix, lambda: True)


def _no_pages(environ: Any, start_response: Any) -> list[bytes]:
    start_response('404 Not Found', [])
    return []


async def _no_pages_async(scope: Any, receive: Any, send: Any) -> None:
    if scope['type'] == 'http':
        await send({'type': 'http.response.start', 'status': 404, 'headers': []})
        await send({'type': 'http.response.body', 'body': b''})
