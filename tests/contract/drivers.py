"""One small driver for each adapter, so that the contract is written once.

Example::

    driver = DRIVERS['asgi']
    with driver.serve([JobSpec(cleanup, retries=1)], application_id='shop') as served:
        reply = served.send(served.path('cleanup'), served.signed('cleanup'))
        assert (reply.status, reply.outcome) == (200, 'ok')
        assert [row.state for row in served.ledger.history()] == ['ok']

A new adapter brings one more `Driver`, and its lines in NOT_APPLICABLE.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import quote

import flask
import morepath
from django_driver import DjangoDriver
from fastapi import FastAPI
from framework import make_framework
from gateways import (
    Reply,
    Send,
    asgi_page,
    asgi_transport,
    http_transport,
    in_uvicorn,
    wsgi_page,
    wsgi_transport,
)
from pyramid.config import Configurator
from pyramid.response import Response as PyramidResponse
from servers import served as waitress
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from cronsched import Cron
from cronsched._cronsched import sign_headers
from cronsched.fastapi import Cron as FastAPICron
from cronsched.flask import Cron as FlaskCron
from cronsched.ledger import Ledger
from cronsched.morepath import CronApp
from cronsched.pyramid import cronjob
from cronsched.scheduler.site import Site
from cronsched.starlette import Cron as StarletteCron

# A minute of the past that every schedule of these tests has.
SCHEDULED = int(time.time()) // 60 * 60


@dataclass(frozen=True)
class JobSpec:
    """A job to be: its function takes the run; `bare` ones are as they are."""

    function: Callable[..., Any]
    name: str | None = None
    bare: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)

    def keywords(self) -> dict[str, Any]:
        given = {'expression': '* * * * *', 'timezone': 'UTC', **self.options}
        name = self.name or getattr(self.function, '__name__', None)
        return given | ({'name': name} if name else {})


@dataclass
class Served:
    """An application with jobs, within reach. `find` gives the path of a job."""

    application_id: str
    site: Site
    transport: Send
    find: Callable[[str], str]
    app: Any = None
    url: str = ''

    @property
    def ledger(self) -> Ledger:
        assert self.site.ledger is not None
        return self.site.ledger

    @property
    def method(self) -> str:
        return self.site.method

    def path(self, name: str) -> str:
        return self.find(name)

    def signed(self, name: str, scheduled: int = SCHEDULED, **changed: Any) -> dict[str, str]:
        application_id = changed.pop('application_id', self.application_id)
        options = {
            'key': self.site.key(self.application_id), 'now': int(time.time()), 'attempt': 1,
        } | changed
        return sign_headers(application_id, name, scheduled, **options)

    def send(
        self, path: str, headers: Mapping[str, str] | list[tuple[str, str]] = (),   # type: ignore[assignment]
        method: str | None = None, body: bytes = b'',
    ) -> Reply:
        pairs = [*headers.items()] if isinstance(headers, Mapping) else [*headers]
        return self.transport(method or self.method, path, pairs, body)

    def run(self, name: str, scheduled: int = SCHEDULED, **changed: Any) -> Reply:
        """A job by its path, with a right signature unless it is `changed`."""
        return self.send(self.path(name), self.signed(name, scheduled, **changed))

    def states(self) -> list[tuple[str, int]]:
        """Outcome and attempt of each run, by scheduled time."""
        rows = self.ledger.history(application_id=self.application_id, oldest_first=True)
        return [(row.state, row.attempt) for row in rows]


class Driver(Protocol):
    """How the contract talks to one adapter."""

    name: str

    def serve(
        self, jobs: list[JobSpec], application_id: str = 'shop', **settings: Any
    ) -> Any:
        """A context manager that gives a `Served`. Nothing is started."""

    def declare(self, *arguments: Any, **options: Any) -> Any:
        """The bare decorator of a fresh application: `declare()` gives what is
        written as `@cron.job`. Faults may come when `commit` is called."""


# -- applications ---------------------------------------------------------------


def make_cron(jobs: list[JobSpec], application_id: str, settings: dict[str, Any]) -> Cron:
    cron = Cron(application_id, **settings)
    for spec in jobs:
        cron.add(spec.function, **spec.keywords())
    return cron


class CronDriver:
    """`Cron`, under WSGI or ASGI, called in place or by a real server."""

    def __init__(self, name: str, gateway: str, server: bool) -> None:
        self.name, self.gateway, self.server = name, gateway, server

    @contextmanager
    def serve(
        self, jobs: list[JobSpec], application_id: str = 'shop', **settings: Any
    ) -> Iterator[Served]:
        cron = make_cron(jobs, application_id, settings)
        is_wsgi = self.gateway == 'wsgi'
        app = cron.wsgi(wsgi_page) if is_wsgi else cron.asgi(asgi_page)
        if not self.server:
            transport = (wsgi_transport if is_wsgi else asgi_transport)(app)
            yield Served(application_id, cron.site, transport, cron.url_of, cron)
            return
        with (waitress if is_wsgi else in_uvicorn)(app) as url:
            yield Served(application_id, cron.site, http_transport(url), cron.url_of, cron, url)

    def declare(self) -> tuple[Any, Callable[[], None]]:
        cron = Cron('shop')
        gateway = cron.wsgi if self.gateway == 'wsgi' else cron.asgi
        return cron.job, lambda: gateway(wsgi_page)


class Flask(flask.Flask):
    class Swallowed(Exception):
        pass


class FlaskDriver:
    """`cronsched.flask`, among hooks and handlers that would be in the way."""

    def __init__(self, name: str, server: bool) -> None:
        self.name, self.server = name, server

    @contextmanager
    def serve(
        self, jobs: list[JobSpec], application_id: str = 'shop', **settings: Any
    ) -> Iterator[Served]:
        cron = FlaskCron(application_id, **settings)
        for spec in jobs:
            cron.add(spec.function, **spec.keywords())
        app = Flask('served')
        app.before_request(lambda: 'log in' if flask.request.method == 'POST' else None)
        app.register_error_handler(Flask.Swallowed, lambda error: 'all is well')
        app.add_url_rule('/page', view_func=lambda: f'page {flask.request.path}', endpoint='page')
        app.add_url_rule('/', view_func=lambda: f'page {flask.request.path}', endpoint='root')
        cron.init_app(app)
        host = app.extensions['cronsched']
        if not self.server:
            yield Served(application_id, host.site, wsgi_transport(app), host.url_of, app)
            return
        with waitress(app) as url:
            yield Served(application_id, host.site, http_transport(url), host.url_of, app, url)

    def declare(self) -> tuple[Any, Callable[[], None]]:
        cron = FlaskCron('shop')
        return cron.job, lambda: cron.init_app(flask.Flask('declared'))


class StarletteDriver:
    """`cronsched.starlette` and `.fastapi`, under a middleware of the kind that
    has a task of its own, called in place or by a real server."""

    def __init__(self, name: str, cron: Any, make: Any, server: bool) -> None:
        self.name, self.cron, self.make, self.server = name, cron, make, server

    @contextmanager
    def serve(
        self, jobs: list[JobSpec], application_id: str = 'shop', **settings: Any
    ) -> Iterator[Served]:
        cron = self.cron(application_id, **settings)
        for spec in jobs:
            cron.add(spec.function, **spec.keywords())
        app = self.make(exception_handlers={Swallowed: _starlette_page})
        app.add_middleware(BaseHTTPMiddleware, dispatch=_pass_on)
        app.router.routes.append(Route('/{path:path}', _starlette_page, methods=['GET', 'POST']))
        cron.mount(app)
        if not self.server:
            yield Served(application_id, cron.site, asgi_transport(app), cron.url_of, _Holder())
            return
        with in_uvicorn(app) as url:
            yield Served(
                application_id, cron.site, http_transport(url), cron.url_of, _Holder(), url
            )

    def declare(self) -> tuple[Any, Callable[[], None]]:
        cron = self.cron('shop')
        return cron.job, lambda: cron.mount(self.make())


async def _pass_on(request: Any, call_next: Any) -> Any:
    return await call_next(request)


async def _starlette_page(request: Any, error: Any = None) -> Any:
    return PlainTextResponse(f'page {request.url.path}')


class PyramidDriver:
    """`cronsched.pyramid`, with a default permission and an exception view."""

    name = 'pyramid'

    @contextmanager
    def serve(
        self, jobs: list[JobSpec], application_id: str = 'shop', **settings: Any
    ) -> Iterator[Served]:
        given = {f'cronsched.{name}': value for name, value in settings.items()}
        config = Configurator(settings={**given, 'cronsched.application_id': application_id})
        config.set_default_csrf_options(require_csrf=True)
        config.include('cronsched.pyramid')
        for spec in jobs:
            options = spec.keywords()
            config.add_cronjob(spec.function, options.pop('expression'), **options)
        for pattern in ('/', '/page'):
            config.add_route(pattern, pattern)
            config.add_view(_pyramid_page, route_name=pattern)
        config.add_exception_view(_pyramid_page, context=Swallowed)
        app = config.make_wsgi_app()
        host = config.registry.cronsched
        yield Served(application_id, host.site, wsgi_transport(app), host.url_of, _Holder())

    def declare(self) -> tuple[Any, Callable[[], None]]:
        declared: list[Any] = []

        def declare(*given: Any, **options: Any) -> Any:
            decorate, caller = cronjob(*given, **options), sys._getframe(1)
            info = caller.f_code.co_filename, caller.f_lineno, '', ''

            def note(function: Any) -> Any:
                declared.append((function, given, {**options, '_info': info}))
                return decorate(function)

            return note

        def commit() -> None:
            config = Configurator()
            config.include('cronsched.pyramid')
            for function, given, options in declared:
                config.add_cronjob(function, *given, **options)
            config.commit()

        return declare, commit


class Swallowed(Exception):
    pass


class _Holder:
    Swallowed = Swallowed


def _pyramid_page(request: Any) -> Any:
    return PyramidResponse(f'page {request.path}')


class MorepathDriver:
    """`CronApp`, and OneGov's mount with strict=True."""

    def __init__(self, name: str, make: Callable[[], Any]) -> None:
        self.name, self.make = name, make

    @contextmanager
    def serve(
        self, jobs: list[JobSpec], application_id: str = 'shop', **settings: Any
    ) -> Iterator[Served]:
        App = self._app(application_id, settings)
        for spec in jobs:
            App.cronjob(**spec.keywords())(_by_request(spec))
        App.commit()
        app = App()

        def find(name: str) -> str:
            return f'/cronjobs/{quote(quote(app.sign(name, "cronjob-id"), safe=""))}'

        yield Served(application_id, app.cronjob_site, wsgi_transport(app), find, app)

    def _app(self, application_id: str, settings: dict[str, Any]) -> Any:
        class App(self.make()):  # type: ignore[misc]
            pass

        class Page:
            pass

        class Swallowed(Exception):
            pass

        App.application_id = application_id
        App.Swallowed = Swallowed
        App.path(path='page')(Page)
        App.path(path='')(type('Root', (Page,), {}))
        App.view(model=Page)(lambda self, request: f'page {request.path}')
        App.view(model=Swallowed)(lambda self, request: 'all is well')
        for name, value in ({'enabled': False} | settings).items():
            App.setting(section='cronjobs', name=name)(lambda value=value: value)
        return App

    def declare(self) -> tuple[Any, Callable[[], None]]:
        class App(self.make()):  # type: ignore[misc]
            pass

        return App.cronjob, App.commit


def _by_request(spec: JobSpec) -> Callable[..., Any]:
    if spec.bare:
        return spec.function

    def function(request: Any) -> Any:
        return spec.function(request.cron_run)

    return function


def onegov() -> Any:
    return make_framework(strict=True)


DRIVERS: dict[str, Any] = {
    driver.name: driver
    for driver in (
        CronDriver('wsgi', 'wsgi', server=False),
        CronDriver('wsgi-waitress', 'wsgi', server=True),
        CronDriver('asgi', 'asgi', server=False),
        CronDriver('asgi-uvicorn', 'asgi', server=True),
        FlaskDriver('flask', server=False),
        FlaskDriver('flask-waitress', server=True),
        StarletteDriver('starlette', StarletteCron, Starlette, server=False),
        StarletteDriver('starlette-uvicorn', StarletteCron, Starlette, server=True),
        StarletteDriver('fastapi', FastAPICron, FastAPI, server=False),
        StarletteDriver('fastapi-uvicorn', FastAPICron, FastAPI, server=True),
        PyramidDriver(),
        MorepathDriver('morepath', lambda: CronApp),
        MorepathDriver('onegov', onegov),
        DjangoDriver('django', 'wsgi', Served, wsgi_transport),
        DjangoDriver('django-asgi', 'asgi', Served, asgi_transport),
    )
}

assert issubclass(CronApp, morepath.App)
