"""A job's request in a Django project: what acts, what is passed by, and when
its run has ended."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import contextmanager

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings as project
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import got_request_exception
from django.db import connection, connections, transaction
from django.http import Http404
from django_site import Swallowed, history, run_job, set_up, signed, site
from processes import run_python
from servers import get, served

set_up()

from cronsched.django import cronjob, views  # noqa: E402

EACH_MINUTE = '* * * * *'
OK = [('ok', None)]


@pytest.fixture(autouse=True)
def _project():
    """The project, without jobs."""
    with site():
        yield


@contextmanager
def atomic(*aliases):
    """Those databases have ATOMIC_REQUESTS."""
    for alias in aliases:
        connections[alias].settings_dict['ATOMIC_REQUESTS'] = True
    try:
        yield
    finally:
        for alias in aliases:
            connections[alias].settings_dict['ATOMIC_REQUESTS'] = False


@pytest.fixture
def table():
    for alias in ('default', 'other'):
        with connections[alias].cursor() as cursor:
            cursor.execute('DROP TABLE IF EXISTS sent')
            cursor.execute('CREATE TABLE sent (what TEXT)')
    yield
    for each in connections.all():
        each.close()


def insert(what, using='default'):
    with connections[using].cursor() as cursor:
        cursor.execute('INSERT INTO sent VALUES (%s)', [what])


def rows(using='default'):
    with connections[using].cursor() as cursor:
        cursor.execute('SELECT what FROM sent')
        return [what for what, in cursor.fetchall()]


# -- transactions -------------------------------------------------------------------


@pytest.mark.usefixtures('table')
def test_what_a_job_wrote_is_rolled_back_with_atomic_requests_on_any_database():
    @cronjob(EACH_MINUTE)
    def job():
        for alias in ('default', 'other'):
            assert connections[alias].in_atomic_block
            insert('invoice', alias)
        raise LookupError('no')

    with atomic('default', 'other'):
        answer = run_job('job')
    assert (answer.status_code, answer.headers['Cronsched-Outcome']) == (500, 'failed')
    assert rows() == rows('other') == []
    assert history() == [('failed', 'LookupError: no')]


@pytest.mark.usefixtures('table')
def test_a_database_without_atomic_requests_is_not_atomic():
    @cronjob(EACH_MINUTE)
    def job():
        assert connections['other'].in_atomic_block
        assert not connection.in_atomic_block
        insert('default')
        insert('other', 'other')
        raise LookupError('no')

    with atomic('other'):
        run_job('job')
    assert (rows(), rows('other')) == (['default'], [])


@pytest.mark.usefixtures('table')
def test_a_run_is_recorded_after_the_commit():
    seen = []

    @cronjob(EACH_MINUTE)
    def job():
        insert('invoice')
        transaction.on_commit(lambda: seen.append((rows(), [state for state, _ in history()])))

    with atomic('default'):
        assert run_job('job').status_code == 200
    assert seen == [(['invoice'], ['running'])]
    assert history() == OK


@pytest.mark.usefixtures('table')
def test_what_on_commit_raises_is_a_failure_that_says_what_is_saved():
    @cronjob(EACH_MINUTE)
    def job():
        insert('invoice')
        transaction.on_commit(lambda: 1 / 0)

    with atomic('default', 'other'):
        assert run_job('job').status_code == 500
    assert rows() == ['invoice']
    [(state, detail)] = history()
    assert state == 'failed'
    assert 'committed on' in detail
    assert detail.endswith('then ZeroDivisionError: division by zero')


@pytest.mark.usefixtures('table')
def test_an_async_job_runs_where_requests_are_atomic_and_has_no_transaction():
    @cronjob(EACH_MINUTE)
    async def job():
        await sync_to_async(insert)('invoice')
        raise LookupError('no')

    with atomic('default', 'other'):
        assert run_job('job').headers['Cronsched-Outcome'] == 'failed'
    assert rows() == ['invoice']


@pytest.mark.usefixtures('table')
def test_a_connection_that_a_job_opened_is_closed():
    opened = []

    @cronjob(EACH_MINUTE)
    def job():
        insert('invoice')
        opened.append(connections['default'].connection)

    path, headers = signed('job')
    with served(WSGIHandler()) as url:
        assert get(f'{url}{path}', 'POST', headers)[0] == 200
    with pytest.raises(sqlite3.ProgrammingError, match='closed'):
        opened[0].execute('SELECT 1')


# -- errors -------------------------------------------------------------------------


KIN = [Http404, PermissionDenied, SuspiciousOperation, BadRequest, LookupError, Swallowed]


@pytest.mark.parametrize('kind', ['sync', 'async'])
@pytest.mark.parametrize('error', KIN)
def test_whatever_a_job_raises_is_a_failure_and_reported_once(error, kind):
    if kind == 'sync':
        @cronjob(EACH_MINUTE)
        def job():
            raise error('so')
    else:
        @cronjob(EACH_MINUTE)
        async def job():
            raise error('so')

    reported = []

    def report(sender, **_):
        import sys
        reported.append(sys.exc_info()[1])

    got_request_exception.connect(report)
    try:
        answer = run_job('job')
    finally:
        got_request_exception.disconnect(report)
    assert (answer.status_code, answer.headers['Cronsched-Outcome']) == (500, 'failed')
    assert history() == [('failed', f'{error.__name__}: so')]
    assert [type(each) for each in reported] == [error]


@pytest.mark.parametrize('error', [Http404, LookupError])
def test_the_test_client_raises_what_a_job_raised(error):
    @cronjob(EACH_MINUTE)
    def job():
        raise error('so')

    with pytest.raises(error, match='so'):
        run_job('job', raises=True)


SENTRY = """
    import logging
    import sys
    sys.path[:0] = ['.']
    import sentry_sdk
    from sentry_sdk.integrations.django import DjangoIntegration
    from sentry_sdk.transport import Transport
    from django_site import run_job, set_up, site

    class Kept(Transport):
        events = []

        def capture_envelope(self, envelope):
            event = envelope.get_event()
            if event is not None:
                self.events.append(event)

    sentry_sdk.init(
        dsn='http://key@127.0.0.1:9/1', transport=Kept, default_integrations=False,
        integrations=[DjangoIntegration()],
    )
    logging.getLogger('django.request').propagate = False
    logging.getLogger('django.request').addHandler(logging.NullHandler())
    set_up()
    with site():
        from cronsched.django import cronjob
        from django.http import Http404

        for error in (Http404, LookupError):
            @cronjob('* * * * *', name=error.__name__)
            def job(*, error=error):
                raise error('sync')

            @cronjob('* * * * *', name=f'a{error.__name__}')
            async def job(*, error=error):
                raise error('async')

            for name in (error.__name__, f'a{error.__name__}'):
                assert run_job(name).status_code == 500
    for event in Kept.events:
        last = event['exception']['values'][-1]
        print(last['type'], last['value'])
"""


def test_an_error_reaches_sentry_once():
    assert run_python(SENTRY).splitlines() == [
        'Http404 sync', 'Http404 async', 'LookupError sync', 'LookupError async',
    ]


def test_a_page_for_errors_that_says_200_is_no_success(monkeypatch):
    import django_site
    from django.http import HttpResponse

    @cronjob(EACH_MINUTE)
    def job():
        raise LookupError('so')

    monkeypatch.setattr(
        django_site, 'handler500', lambda request: HttpResponse('sorry'), raising=False
    )
    answer = run_job('job')
    assert (answer.status_code, answer.content) == (500, b'sorry')


# -- what stands in the way of others -------------------------------------------------


def job_that_says_where():
    said = []

    @cronjob(EACH_MINUTE)
    def job(run):
        said.append(run.request.build_absolute_uri('/pay'))

    return said


def with_middleware(*names):
    return site(MIDDLEWARE=[*project.MIDDLEWARE, *names])


def test_a_login_for_everything_passes_jobs_by():
    from django.contrib.auth import middleware
    from django.test import Client

    if not hasattr(middleware, 'LoginRequiredMiddleware'):
        pytest.skip('Django 5.1 has it')
    with with_middleware('django.contrib.auth.middleware.LoginRequiredMiddleware'):
        job_that_says_where()
        assert Client().get('/page').status_code == 302
        assert run_job('job').status_code == 200


def test_csrf_passes_jobs_by_and_nothing_else():
    from django.test import Client

    job_that_says_where()
    assert Client(enforce_csrf_checks=True).post('/page').status_code == 403
    assert run_job('job').status_code == 200


def test_a_redirect_to_https_is_met_by_the_headers_of_a_proxy():
    with site(SECURE_SSL_REDIRECT=True):
        job_that_says_where()
        assert run_job('job').status_code == 301
    secure = ('HTTP_X_FORWARDED_PROTO', 'https')
    with site(
        SECURE_SSL_REDIRECT=True, SECURE_PROXY_SSL_HEADER=secure, ALLOWED_HOSTS=['.shop.example'],
    ):
        said = job_that_says_where()
        assert run_job('job').status_code == 200
    assert said == ['https://shop.example/pay']
    with site(SECURE_SSL_REDIRECT=True, SECURE_REDIRECT_EXEMPT=[r'(^|/)cronjobs/']):
        job_that_says_where()
        assert run_job('job').status_code == 200
        assert run_job('job', 1, path='/shop/cronjobs/job').status_code == 404


@pytest.mark.parametrize(('allowed', 'www', 'said'), [
    (['shop.example'], False, 'http://shop.example/pay'),
    (['*', '.shop.example'], False, 'http://shop.example/pay'),
    (['*'], False, 'http://testserver/pay'),
    (['.shop.example'], True, 'http://www.shop.example/pay'),
])
def test_the_host_is_one_that_is_allowed(allowed, www, said):
    with site(ALLOWED_HOSTS=allowed, PREPEND_WWW=www):
        where = job_that_says_where()
        assert run_job('job').status_code == 200
        assert where == [said]


def test_the_public_url_is_the_name_that_links_have():
    with site(
        ALLOWED_HOSTS=['*'], SECURE_PROXY_SSL_HEADER=('HTTP_X_SCHEME', 'https'),
        CRONSCHED={'PUBLIC_URL': 'https://shop.example:8443'},
    ):
        said = job_that_says_where()
        assert run_job('job').status_code == 200
    assert said == ['https://shop.example:8443/pay']


@pytest.mark.parametrize('path', ['/cronjobs/job/', '/cronjobs/job//', '/cronjobs/', '/cronjobs'])
def test_a_slash_is_never_added_or_removed(path):
    said = job_that_says_where()
    assert run_job('job', path=path).status_code in (401, 404)
    assert said == []


def test_the_path_is_that_which_answered_and_not_the_one_of_links():
    with site(FORCE_SCRIPT_NAME='/shop'):
        said = job_that_says_where()
        from cronsched.django.host import HOST

        assert HOST.url_of('job') == '/cronjobs/job'
        assert run_job('job').status_code == 200
        assert said == ['http://localhost/pay']


def test_no_session_is_made_and_none_is_taken():
    seen = []

    def job(run):
        seen.append((run.request.COOKIES, run.request.session.session_key))

    with site(
        SESSION_SAVE_EVERY_REQUEST=True,
        SESSION_ENGINE='django.contrib.sessions.backends.signed_cookies',
    ):
        cronjob(EACH_MINUTE, name='job')(job)
        answer = run_job('job', headers={'Cookie': 'sessionid=mine; other=1'})
    assert answer.status_code == 200
    assert not answer.cookies
    assert seen == [({}, None)]


def test_the_global_authentication_of_drf_leaves_jobs_alone():
    pytest.importorskip('rest_framework')
    with site(REST_FRAMEWORK={
        'DEFAULT_AUTHENTICATION_CLASSES': ['rest_framework.authentication.BasicAuthentication'],
        'DEFAULT_PERMISSION_CLASSES': ['rest_framework.permissions.IsAuthenticated'],
    }):
        from django.http import HttpResponse
        from django.test import RequestFactory
        from rest_framework.views import APIView

        class Page(APIView):
            def get(self, request):
                return HttpResponse('never')

        assert Page.as_view()(RequestFactory().get('/')).status_code == 401
        job_that_says_where()
        assert run_job('job').status_code == 200


# -- loops ----------------------------------------------------------------------------


async def request_that_goes_away(path, headers, gone):
    """An ASGI request whose client disconnects once `gone` is set."""
    scope = {
        'type': 'http', 'asgi': {'version': '3.0'}, 'http_version': '1.1', 'method': 'POST',
        'scheme': 'http', 'path': path, 'raw_path': path.encode(), 'query_string': b'',
        'root_path': '', 'client': ('127.0.0.1', 1), 'server': ('localhost', 80),
        'headers': [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    messages = iter([{'type': 'http.request', 'body': b'', 'more_body': False}])

    async def receive():
        for message in messages:
            return message
        await gone.wait()
        return {'type': 'http.disconnect'}

    async def send(message):
        pass

    await ASGIHandler()(scope, receive, send)


@pytest.mark.usefixtures('table')
def test_an_async_job_does_not_end_with_its_client():
    ended = threading.Event()

    async def serve():
        gone, inside, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

        @cronjob(EACH_MINUTE)
        async def job():
            inside.set()
            await go_on.wait()
            await sync_to_async(insert)('invoice')
            ended.set()

        request = asyncio.create_task(request_that_goes_away(*signed('job'), gone))
        await asyncio.wait_for(inside.wait(), 20)
        gone.set()
        await asyncio.wait({request}, timeout=20)
        assert not ended.is_set()
        go_on.set()
        for _ in range(2000):
            if history() == OK:
                break
            await asyncio.sleep(0.01)
        # The end is recorded before the connections are closed.
        await asyncio.gather(*views._tasks)

    asyncio.run(serve())
    assert ended.is_set()
    assert rows() == ['invoice']
    assert history() == OK


def test_an_async_job_runs_in_the_loop_that_serves():
    loops = []

    @cronjob(EACH_MINUTE)
    async def job(run):
        loops.append(asyncio.get_running_loop())

    async def serve():
        loops.append(asyncio.get_running_loop())
        await request_that_goes_away(*signed('job'), asyncio.Event())

    asyncio.run(serve())
    assert loops[0] is loops[1]
    assert history() == OK
