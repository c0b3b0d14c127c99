"""What Starlette and FastAPI do beside, before and after a job; the rest is the
contract."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager

import pytest
from fastapi import Depends, FastAPI, HTTPException
from gateways import asgi_request, in_uvicorn
from processes import run_python
from servers import get, wait_for
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from cronsched._cronsched import sign_headers
from cronsched.base import clock
from cronsched.errors import ConfigurationError, OptionError
from cronsched.fastapi import Cron as FastAPICron
from cronsched.fastapi import Run
from cronsched.starlette import Cron as StarletteCron
from cronsched.testing import VirtualClock
from cronsched.testing import run as run_job
from cronsched.web import start

FRAMEWORKS = {'starlette': (Starlette, StarletteCron), 'fastapi': (FastAPI, FastAPICron)}


@pytest.fixture(params=FRAMEWORKS)
def framework(request, monkeypatch):
    """Application and `Cron`; nothing starts unless a test says so."""
    monkeypatch.setenv('CRONSCHED_ENABLED', 'no')
    return FRAMEWORKS[request.param]


@pytest.fixture
def app(framework):
    return framework[0]()


@pytest.fixture
def cron(framework, app):
    cron = framework[1]('shop', timezone='UTC')
    cron.mount(app)
    return cron


def signed(cron, name):
    second = int(clock.now()) // 60 * 60
    key = cron.site.key('shop')
    return sign_headers('shop', name, second, key=key, now=int(clock.now()), attempt=1)


def call(app, cron, name, path=None):
    headers = [*signed(cron, name).items()]
    return asyncio.run(asgi_request(app, 'POST', path or cron.url_of(name), headers, b''))


def outcome_of(reply):
    return reply.status, reply.outcome


def states(cron):
    rows = cron.site.ledger.history(application_id='shop', oldest_first=True)
    return [(row.state, row.detail) for row in rows]


async def pass_on(request, call_next):
    return await call_next(request)


# -- the client goes away -------------------------------------------------------------


@pytest.mark.parametrize('kind', ['def', 'async def'])
def test_a_job_does_not_end_with_its_client_behind_middlewares(app, cron, kind):
    """BaseHTTPMiddleware cancels what is below it at a disconnect."""
    for _ in range(2):
        app.add_middleware(BaseHTTPMiddleware, dispatch=pass_on)
    inside, go_on = threading.Event(), threading.Event()
    if kind == 'def':
        @cron.job('* * * * *')
        def refresh():
            inside.set()
            assert go_on.wait(20)
    else:
        @cron.job('* * * * *')
        async def refresh():
            inside.set()
            await asyncio.to_thread(go_on.wait, 20)

    async def serve():
        gone = asyncio.Event()
        request = asyncio.create_task(request_that_goes_away(app, cron, 'refresh', gone))
        assert await asyncio.to_thread(inside.wait, 20)
        gone.set()
        await asyncio.sleep(0.05)
        request.cancel()     # as a server does that has waited long enough
        await asyncio.wait({request})
        assert states(cron) == [('running', None)]
        go_on.set()
        while states(cron) == [('running', None)]:
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(serve(), 60))
    assert states(cron) == [('ok', None)]


async def request_that_goes_away(app, cron, name, gone):
    path = cron.url_of(name)
    scope = {
        'type': 'http', 'asgi': {'version': '3.0'}, 'http_version': '1.1', 'method': 'POST',
        'scheme': 'http', 'path': path, 'raw_path': path.encode(), 'query_string': b'',
        'root_path': '', 'client': ('127.0.0.1', 1), 'server': ('localhost', 80),
        'headers': [(key.lower().encode(), text.encode())
                    for key, text in signed(cron, name).items()],
    }
    messages = [{'type': 'http.request', 'body': b'', 'more_body': False}]

    async def receive():
        if messages:
            return messages.pop()
        await gone.wait()
        return {'type': 'http.disconnect'}

    async def send(message):
        pass

    await app(scope, receive, send)


# -- mounted ----------------------------------------------------------------------------


def in_another(app, told, path='/admin'):
    """An application that mounts this one, whose own lifespan never runs."""

    @asynccontextmanager
    async def lifespan(app):
        told.append('started')
        yield

    return Starlette(routes=[Mount(path, app=app), Route('/', page)], lifespan=lifespan)


async def page(request):
    return PlainTextResponse('page')


def test_a_mounted_application_has_jobs_although_its_lifespan_never_runs(
    framework, monkeypatch
):
    monkeypatch.setenv('CRONSCHED_ENABLED', 'true')
    told, ran = [], []

    @asynccontextmanager
    async def never(app):
        told.append('never')
        yield

    app = framework[0](lifespan=never)
    cron = framework[1]('shop', timezone='UTC')
    cron.mount(app, path='/admin')
    cron.add(lambda run: ran.append(str(run.request.url)), name='tick', expression='* * * * * *',
             timezone='UTC', max_offset=0)
    try:
        with in_uvicorn(in_another(app, told)) as url:     # nobody visits it
            wait_for(lambda: len(ran) >= 2, 60)
            assert ran[0] == f'{url}/admin/cronjobs/tick'
            assert get(f'{url}/') == (200, 'page')
    finally:
        cron.stop()
    assert told == ['started']


def test_where_it_is_mounted_is_where_a_test_finds_it(framework):
    app, told, seen = framework[0](), [], []
    cron = framework[1]('shop', timezone='UTC')
    cron.mount(app, path='/admin/')
    cron.add(lambda run: seen.append(run.request.url.path), name='tick', expression='0 8 * * *',
             timezone='UTC')
    assert cron.url_of('tick') == '/admin/cronjobs/tick'
    run_job(in_another(app, told), 'tick', path='/admin')
    run_job(app, 'tick')
    with VirtualClock(in_another(app, told), '/admin') as clock:
        clock.advance(days=1)
    assert seen == ['/admin/cronjobs/tick'] * 3
    with pytest.raises(ConfigurationError, match='write a path like'):
        cron.mount(app, path='admin')


@pytest.mark.parametrize('root', ['', '/shop'])
def test_a_root_path_does_not_matter(app, cron, root):
    paths = []
    cron.add(lambda run: paths.append(run.request.scope['root_path']), name='tick',
             expression='* * * * *', timezone='UTC')

    async def behind(scope, receive, send):
        await app({**scope, 'root_path': root}, receive, send)

    assert outcome_of(call(behind, cron, 'tick', path=f'{root}/cronjobs/tick')) == (200, 'ok')
    assert paths == [root]


def test_a_slash_is_never_added_or_removed(app, cron):
    """Starlette redirects to a path with one where there is a route for it."""
    ran = []
    cron.job('* * * * *', name='tick')(lambda: ran.append(1))
    app.add_route('/cronjobs/tick/', page, methods=['POST'])
    assert outcome_of(call(app, cron, 'tick')) == (200, 'ok')
    assert call(app, cron, 'tick', path='/cronjobs/tick/').status == 401
    assert ran == [1]


# -- what others see --------------------------------------------------------------------


def test_in_a_test_of_the_application_nothing_starts(framework, monkeypatch, own_directories):
    monkeypatch.delenv('CRONSCHED_ENABLED')
    app = framework[0]()
    cron = framework[1]('shop', timezone='UTC')
    cron.mount(app)
    cron.job('* * * * * *')(lambda: None)
    app.add_route('/page', page)

    async def visit():
        async with app.router.lifespan_context(app):
            assert (await asgi_request(app, 'GET', '/page', [], b'')).body == b'page'
            await asyncio.sleep(0.1)

    asyncio.run(visit())
    assert not start.is_started('shop')
    assert list((own_directories / 'state').iterdir()) == []


SENTRY = """
    import asyncio
    import logging
    import sys
    sys.path[:0] = ['.']
    import sentry_sdk
    from sentry_sdk.integrations.{framework} import {integration}
    from sentry_sdk.integrations.starlette import StarletteIntegration
    from sentry_sdk.transport import Transport

    class Kept(Transport):
        events = []

        def capture_envelope(self, envelope):
            event = envelope.get_event()
            if event is not None:
                self.events.append(event)

    sentry_sdk.init(
        dsn='http://key@127.0.0.1:9/1', transport=Kept, default_integrations=False,
        integrations=[StarletteIntegration(), {integration}()],
    )
    from cronsched.{framework} import Cron
    from cronsched.testing import run
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.responses import PlainTextResponse
    {make}

    async def pass_on(request, call_next):
        return await call_next(request)

    app.add_middleware(BaseHTTPMiddleware, dispatch=pass_on)
    cron = Cron('shop', timezone='UTC')
    cron.mount(app)

    @cron.job('* * * * *')
    def sync():
        raise LookupError('sync')

    @cron.job('* * * * *')
    async def asynchronous():
        raise LookupError('async')

    for name in ('sync', 'asynchronous'):
        try:
            run(app, name)
        except LookupError:
            print('raised')
    for event in Kept.events:
        last = event['exception']['values'][-1]
        print(last['type'], last['value'])
"""


@pytest.mark.parametrize(('framework', 'integration', 'make'), [
    ('starlette', 'StarletteIntegration',
     'from starlette.applications import Starlette; app = Starlette()'),
    ('fastapi', 'FastApiIntegration', 'from fastapi import FastAPI; app = FastAPI()'),
])
def test_sentry_hears_of_an_exception_once(framework, integration, make):
    written = run_python(SENTRY.format(framework=framework, integration=integration, make=make))
    assert written.splitlines() == [
        'raised', 'raised', 'LookupError sync', 'LookupError async',
    ]


# -- FastAPI ------------------------------------------------------------------------------


@pytest.fixture
def shop(monkeypatch):
    """An application where everybody has to log in."""
    monkeypatch.setenv('CRONSCHED_ENABLED', 'no')

    def login():
        raise HTTPException(401)

    app = FastAPI(dependencies=[Depends(login)])
    cron = FastAPICron('shop', timezone='UTC')
    cron.mount(app)
    return app, cron


def test_a_login_of_the_whole_application_is_for_visitors(shop):
    app, cron = shop
    app.add_api_route('/page', lambda: 'page')
    cron.job('* * * * *', name='refresh')(lambda: None)
    assert outcome_of(call(app, cron, 'refresh')) == (200, 'ok')
    assert asyncio.run(asgi_request(app, 'GET', '/page', [], b'')).status == 401


def test_dependencies_are_closed_before_the_run_has_ended(shop):
    app, cron = shop
    told = []

    def session():
        yield 'session'
        told.append(states(cron))

    @cron.job('* * * * *')
    def refresh(run: Run, db: str = Depends(session)):
        told.append(db)

    assert outcome_of(call(app, cron, 'refresh')) == (200, 'ok')
    assert told == ['session', [('running', None)]]
    assert states(cron) == [('ok', None)]


def test_a_commit_that_fails_is_a_run_that_failed(shop):
    app, cron = shop

    async def session():
        yield 'session'
        raise RuntimeError('the commit failed')

    @cron.job('* * * * *')
    async def refresh(db: str = Depends(session)):
        pass

    assert outcome_of(call(app, cron, 'refresh')) == (500, 'failed')
    assert states(cron) == [('failed', 'RuntimeError: the commit failed')]


@pytest.mark.parametrize('where', ['the job', 'a dependency'])
def test_an_http_exception_is_a_failure(shop, where):
    app, cron = shop

    def gone():
        raise HTTPException(404)

    if where == 'the job':
        cron.job('* * * * *', name='refresh')(gone)
    else:
        @cron.job('* * * * *')
        def refresh(run: Run, missing: str = Depends(gone)):
            pass

    assert outcome_of(call(app, cron, 'refresh')) == (500, 'failed')
    assert [state for state, _ in states(cron)] == ['failed']


def test_what_a_visitor_would_have_to_send_is_an_error_at_decoration(shop):
    _, cron = shop

    def paged(page: int):
        return page

    with pytest.raises(OptionError, match='no request for a job brings limit'):
        @cron.job('* * * * *')
        def refresh(run: Run, limit: int):
            pass
    with pytest.raises(OptionError, match='brings page'):
        @cron.job('* * * * *')
        def read(pages: int = Depends(paged)):
            pass


def test_dependencies_are_overridden_for_a_test(shop):
    app, cron = shop
    seen = []

    def session():
        raise AssertionError('the real one')

    @cron.job('* * * * *')
    def refresh(run: Run, db: str = Depends(session)):
        seen.append(db)

    app.dependency_overrides[session] = lambda: 'another'
    assert run_job(app, 'refresh').status_code == 200
    assert seen == ['another']


def test_jobs_are_not_in_the_schema(shop):
    app, cron = shop
    cron.job('* * * * *', name='refresh')(lambda: None)
    assert app.openapi()['paths'] == {}
