"""`Cron` with real servers, and what is not the same for every adapter."""

from __future__ import annotations

import asyncio
import importlib
import socket
import threading
import time
from urllib.parse import urlsplit

import gateways
import pytest
from processes import run_python
from servers import get, served, wait_for

from cronsched import Cron
from cronsched._cronsched import seeded_offset, sign_headers
from cronsched.errors import ConfigurationError, CronWarning, DuplicateJobError, OptionError
from cronsched.web import start

ALWAYS = {'expression': '* * * * * *', 'timezone': 'UTC', 'max_offset': 0}


def nothing():
    pass


def path_and_headers(cron, name, **changed):
    options = {'key': cron.site.key(cron.application_id), 'now': int(time.time()), 'attempt': 1}
    headers = sign_headers(cron.application_id, name, 1_792_000_000, **options | changed)
    return cron.url_of(name), headers


@pytest.fixture(autouse=True)
def only_what_is_to_start(monkeypatch):
    """No application of another test is looked for at this one's sockets."""
    monkeypatch.delenv('CRONSCHED_ENABLED', raising=False)


# -- started where the address is known -------------------------------------------


@pytest.mark.parametrize('gateway', ['wsgi', 'asgi'])
def test_jobs_are_called_on_time_until_they_are_stopped(gateway):
    cron, runs = Cron('shop', enabled=True), []
    cron.add(runs.append, name='each_second', **ALWAYS)
    is_wsgi = gateway == 'wsgi'
    app = cron.wsgi(gateways.wsgi_page) if is_wsgi else cron.asgi(gateways.asgi_page)
    with (served if is_wsgi else gateways.in_uvicorn)(app) as url:
        cron.start(url)
        cron.start(url)   # changes nothing
        wait_for(lambda: len(runs) >= 3)
        assert len({run.id for run in runs}) == len(runs)
        assert runs[1].previous == runs[0].scheduled
        cron.stop()
        assert not start.is_started('shop')


def test_two_applications_of_one_process_start_both():
    runs = []
    with served(gateways.wsgi_page):   # a socket, so that this process serves
        crons = [Cron(name, enabled=True) for name in ('shop', 'blog')]
        apps = [cron.wsgi(gateways.wsgi_page) for cron in crons]
        for cron in crons:
            cron.add(lambda run: runs.append(run.application_id), name='tick', **ALWAYS)
        with served(apps[0]) as one, served(apps[1]) as other:
            crons[0].start(one)
            crons[1].start(other)
            wait_for(lambda: {*runs} == {'shop', 'blog'})
            crons[0].stop()
            crons[1].stop()


def test_starting_needs_an_address():
    with pytest.raises(ConfigurationError, match=r"start\('http://127\.0\.0\.1:8080'\)"):
        Cron('shop').start()
    with pytest.raises(ConfigurationError, match=r"base_url='nowhere'"):
        Cron('shop').start('nowhere')


def test_a_changed_address_moves_no_job():
    cron = Cron('shop', timezone='UTC')
    cron.job('0 8 * * *')(nothing)
    one, other = (start._bound(cron, f'http://127.0.0.1:{port}') for port in (1, 2))
    assert one.urls == ['http://127.0.0.1:1/cronjobs/nothing']
    assert one.offset_of(0) == other.offset_of(0) == seeded_offset('shop/nothing')


# -- what the application is --------------------------------------------------------


def test_it_has_to_have_a_name(monkeypatch):
    with pytest.raises(ConfigurationError, match=r"write Cron\('shop'\)"):
        Cron().wsgi(gateways.wsgi_page)
    monkeypatch.setenv('CRONSCHED_APPLICATION_ID', 'staging')
    assert Cron().application_id == Cron('shop').application_id == 'staging'


def test_the_environment_wins(monkeypatch):
    monkeypatch.setenv('CRONSCHED_BASE_URL', 'http://127.0.0.1:9')
    monkeypatch.setenv('CRONSCHED_ENABLED', 'off')
    settings = Cron('shop', base_url='http://127.0.0.1:8', enabled=True).settings
    assert (settings.base_url, settings.enabled) == ('http://127.0.0.1:9', False)
    monkeypatch.setenv('CRONSCHED_ENABLED', 'perhaps')
    with pytest.raises(ConfigurationError, match="enabled='perhaps'"):
        Cron('shop')


@pytest.mark.parametrize('given', [
    {'base_ulr': 'http://x'}, {'prefix': 'cronjobs'}, {'prefix': '/'}, {'name': ''},
    {'name': 5}, {'timeout': -1},
])
def test_a_wrong_setting_is_an_error_at_once(given):
    with pytest.raises(ConfigurationError, match=r'write|did you mean'):
        Cron(**{'name': 'shop'} | given)


def test_importing_the_package_loads_no_web():
    assert run_python("""
        import sys, cronsched
        print('cronsched.web' in sys.modules, 'asyncio' in sys.modules)
        cronsched.Cron('shop')
        print('cronsched.web' in sys.modules, 'asyncio' in sys.modules)
    """) == 'False False\nTrue False\n'
    with pytest.raises(AttributeError, match='Corn'):
        importlib.import_module('cronsched').Corn  # noqa: B018


# -- jobs -----------------------------------------------------------------------------


def test_jobs_have_readable_paths_below_the_prefix():
    cron = Cron('shop', prefix='/internal/cron/', timezone='UTC', enabled=False)

    @cron.job('0 8 * * *')
    def send_digest():
        pass

    assert [*cron.jobs] == ['send_digest']   # not the function it is written in
    assert cron.url_of('send_digest') == '/internal/cron/send_digest'
    transport = gateways.wsgi_transport(cron.wsgi(gateways.wsgi_page))
    path, headers = path_and_headers(cron, 'send_digest')
    assert transport('POST', path, [*headers.items()], b'').outcome == 'ok'
    assert transport('POST', '/cronjobs/send_digest', [], b'').status == 200


def test_the_zone_is_that_of_the_job_or_of_the_application():
    cron = Cron('shop', timezone='Asia/Tokyo')
    cron.add(print, name='a', hour=8, minute=0, **{'timezone': 'UTC'})
    cron.job('0 8 * * *', name='b')(print)
    cron.job('0 8 * * *', name='c', timezone='Europe/Zurich')(print)
    cron.add(print, name='d', expression='0 8 * * *')
    assert [str(job.timezone) for job in cron.jobs.values()] == [
        'UTC', 'Asia/Tokyo', 'Europe/Zurich', 'Asia/Tokyo']
    with pytest.raises(OptionError, match='timezone is missing'):
        Cron('shop').job('0 8 * * *')(nothing)


def test_a_second_schedule_needs_a_name_of_its_own():
    cron = Cron('shop', timezone='UTC')

    def tidy():
        pass

    cron.job('0 8 * * *')(tidy)
    with pytest.raises(DuplicateJobError, match='tidy'):
        cron.job('0 20 * * *')(tidy)
    cron.job('0 20 * * *', name='tidy in the evening')(tidy)
    assert len(cron.jobs) == 2


def test_what_its_author_may_not_have_meant_is_a_warning_at_its_line():
    with pytest.warns(CronWarning) as caught:
        Cron('shop', timezone='UTC').job('*/25 * * * *')(test_it_has_to_have_a_name)
    assert caught[0].filename == __file__


def test_an_async_job_that_was_there_before_is_found_by_wsgi():
    cron = Cron('shop', timezone='UTC')

    @cron.job('0 8 * * *')
    async def poll():
        pass

    with pytest.raises(OptionError, match='poll is async'):
        cron.wsgi(gateways.wsgi_page)


# -- ASGI -----------------------------------------------------------------------------


def test_a_client_that_goes_away_does_not_end_the_job():
    cron, ran = Cron('shop', timezone='UTC', enabled=False), []
    inside = threading.Event()

    @cron.job('0 8 * * *')
    async def slow():
        inside.set()
        await asyncio.sleep(0.5)
        ran.append(1)

    with gateways.in_uvicorn(cron.asgi(gateways.asgi_page)) as url:
        path, headers = path_and_headers(cron, 'slow')
        lines = [f'POST {path} HTTP/1.1', 'Host: x', *(f'{k}: {v}' for k, v in headers.items())]
        place = urlsplit(url)
        with socket.create_connection((place.hostname, place.port)) as client:
            client.sendall('\r\n'.join([*lines, '', '']).encode())
            assert inside.wait(20)
        wait_for(lambda: [row.state for row in cron.site.ledger.history()] == ['ok'])
    assert ran == [1]


def test_a_request_that_its_server_cancels_does_not_end_the_job():
    cron, ran = Cron('shop', timezone='UTC', enabled=False), []

    @cron.job('0 8 * * *')
    async def slow():
        await asyncio.sleep(0.2)
        ran.append(1)

    app = cron.asgi(gateways.asgi_page)
    path, headers = path_and_headers(cron, 'slow')

    async def main():
        request = asyncio.create_task(
            gateways.asgi_request(app, 'POST', path, [*headers.items()], b''))
        await asyncio.sleep(0.1)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        while not (rows := cron.site.ledger.history()) or rows[0].state == 'running':
            await asyncio.sleep(0.01)
        return rows[0].state

    assert asyncio.run(asyncio.wait_for(main(), 20)) == 'ok'
    assert ran == [1]


def test_a_loop_that_ends_ends_its_jobs_as_failed():
    cron = Cron('shop', timezone='UTC', enabled=False)

    @cron.job('0 8 * * *')
    async def endless():
        await asyncio.sleep(1000)

    app = cron.asgi(gateways.asgi_page)
    path, headers = path_and_headers(cron, 'endless')

    async def main():
        request = asyncio.create_task(
            gateways.asgi_request(app, 'POST', path, [*headers.items()], b''))
        while not cron.site.ledger.history():
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        request.cancel()   # the loop ends, and with it all of its tasks

    asyncio.run(main())
    rows = cron.site.ledger.history()
    assert [(row.state, row.detail) for row in rows] == [('failed', 'CancelledError: ')]


def test_jobs_run_in_the_loop_of_the_server():
    cron, loops, asked = Cron('shop', timezone='UTC', enabled=False), [], []

    async def page(scope, receive, send):
        loops.append(asyncio.get_running_loop())
        asked.append((scope['type'], scope.get('path')))
        await gateways.asgi_page(scope, receive, send)

    @cron.job('0 8 * * *')
    async def poll():
        loops.append(asyncio.get_running_loop())

    with gateways.in_uvicorn(cron.asgi(page)) as url:   # with its lifespan
        path, headers = path_and_headers(cron, 'poll')
        assert get(url + path, 'POST', headers)[0] == 200
        assert get(f'{url}/page') == (200, 'page /page')
    assert asked == [('lifespan', None), ('http', '/page')]
    assert len(loops) == 3
    assert len({*map(id, loops)}) == 1


@pytest.mark.parametrize('kind', ['lifespan', 'websocket'])
def test_what_is_not_http_is_passed_on(kind):
    seen = []

    async def page(scope, receive, send):
        seen.append((scope['type'], await receive(), send))

    async def receive():
        return {'type': f'{kind}.startup'}

    app = Cron('shop', enabled=False).asgi(page)
    scope = {'type': kind, 'path': '/cronjobs/x', 'headers': []}
    asyncio.run(app(scope, receive, 'send'))
    assert seen == [(kind, {'type': f'{kind}.startup'}, 'send')]


@pytest.mark.parametrize(('root', 'path'), [
    ('', '/cronjobs/tidy'), ('/shop', '/shop/cronjobs/tidy'), ('/shop', '/cronjobs/tidy'),
])
def test_it_is_found_below_a_root_path(root, path):
    cron, ran = Cron('shop', enabled=False), []
    cron.add(ran.append, name='tidy', expression='0 8 * * *', timezone='UTC')
    app = cron.asgi(gateways.asgi_page)
    _, headers = path_and_headers(cron, 'tidy')

    async def rooted(scope, receive, send):
        await app({**scope, 'root_path': root}, receive, send)

    reply = asyncio.run(gateways.asgi_request(rooted, 'POST', path, [*headers.items()], b''))
    assert reply.outcome == 'ok'
    assert len(ran) == 1


def test_a_page_with_the_prefix_in_its_path_is_the_applications():
    app = Cron('shop', enabled=False).asgi(gateways.asgi_page)
    reply = asyncio.run(gateways.asgi_request(app, 'GET', '/help/cronjobs/x', [], b''))
    assert reply.body == b'page /help/cronjobs/x'


def test_a_body_that_no_header_tells_of_is_refused():
    cron, ran = Cron('shop', enabled=False), []
    cron.add(ran.append, name='tidy', expression='0 8 * * *', timezone='UTC')
    app = cron.asgi(gateways.asgi_page)
    path, headers = path_and_headers(cron, 'tidy')

    async def with_body(scope, receive, send):
        async def receive_one():
            return {'type': 'http.request', 'body': b'x', 'more_body': True}   # as over HTTP/2

        await app(scope, receive_one, send)

    reply = asyncio.run(gateways.asgi_request(with_body, 'POST', path, [*headers.items()], b''))
    assert (reply.status, ran) == (401, [])
