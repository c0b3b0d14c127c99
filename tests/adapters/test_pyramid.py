"""What Pyramid does beside, before and after a job; the rest is the contract."""

from __future__ import annotations

import importlib
import logging
import textwrap
import time
from contextlib import nullcontext

import pytest
import sentry_sdk.transport
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationConflictError
from pyramid.httpexceptions import HTTPNotFound
from pyramid.response import Response
from sentry_sdk.integrations.dedupe import DedupeIntegration
from sentry_sdk.integrations.pyramid import PyramidIntegration
from webtest import TestApp as Client

from cronsched._cronsched import sign_headers
from cronsched.errors import ConfigurationError, ExpressionError, OptionError
from cronsched.pyramid import cronjob
from cronsched.web import start

SCHEDULED = int(time.time()) // 60 * 60


@pytest.fixture
def config():
    config = Configurator(settings={'cronsched.application_id': 'shop'})
    config.include('cronsched.pyramid')
    return config


def signed(config, name, scheduled=SCHEDULED):
    key = config.registry.cronsched.site.key('shop')
    return sign_headers('shop', name, scheduled, key=key, now=int(time.time()), attempt=1)


def call(config, app, name, scheduled=SCHEDULED):
    host = config.registry.cronsched
    headers = signed(config, name, scheduled)
    return Client(app).post(host.url_of(name), headers=headers, expect_errors=True)


def outcome_of(reply):
    return reply.status_int, reply.headers.get('Cronsched-Outcome')


def states(config):
    rows = config.registry.cronsched.site.ledger.history(application_id='shop')
    return [(row.state, row.detail) for row in rows]


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Makes a module of a text."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(text):
        name = f'shop_jobs_{len(list(tmp_path.glob("*.py")))}_{tmp_path.name.replace("-", "_")}'
        (tmp_path / f'{name}.py').write_text(textwrap.dedent(text))
        return importlib.import_module(name)

    return make


def test_a_scan_finds_what_is_decorated(config, module):
    jobs = module("""
        from cronsched.pyramid import cronjob
        ran = []

        @cronjob('* * * * *', timezone='UTC')
        def cleanup(run):
            ran.append(run.request.registry.cronsched.name)
    """)
    config.scan(jobs)
    app = config.make_wsgi_app()
    assert outcome_of(call(config, app, 'cleanup')) == (200, 'ok')
    assert jobs.ran == ['shop']
    (found,) = config.introspector.get_category('cronjobs')
    assert found['introspectable'].title == 'cleanup'


def test_two_jobs_of_one_name_are_a_conflict_that_names_both_places(config, module):
    jobs = module("""
        from cronsched.pyramid import cronjob

        @cronjob('* * * * *', timezone='UTC')
        def one():
            pass

        @cronjob('* * * * *', timezone='UTC', name='one')
        def two():
            pass
    """)
    config.scan(jobs)
    with pytest.raises(ConfigurationConflictError) as caught:
        config.commit()
    assert str(caught.value).count(jobs.__file__) == 2


def test_a_wrong_expression_is_an_error_at_decoration():
    with pytest.raises(ExpressionError, match='FIR is not a weekday'):
        cronjob('0 8 * * FIR')(lambda: None)
    with pytest.raises(OptionError, match=__file__):
        cronjob('0 8 * * *')(lambda one, two: None)


def test_the_zone_and_the_settings_are_in_the_ini_file(monkeypatch):
    monkeypatch.delenv('CRONSCHED_ENABLED')
    config = Configurator(settings={
        'cronsched.timezone': 'Europe/Zurich', 'cronsched.retries': '2',
        'cronsched.catch_up': 'none', 'cronsched.enabled': 'false',
        'cronsched.allowed_hosts': 'a.example b.example', 'cronsched.prefix': '/-/jobs',
    })
    config.include('cronsched.pyramid')
    config.add_cronjob(lambda: None, '0 8 * * *', name='daily')
    config.commit()
    host = config.registry.cronsched
    assert host.settings.options == {'retries': 2, 'catch_up': None}
    assert host.settings.enabled is False
    assert list(host.settings.allowed_hosts) == ['a.example', 'b.example']
    assert host.url_of('daily') == '/-/jobs/daily'
    assert host.jobs['daily'].schedule.zone.name == 'Europe/Zurich'


def test_a_mistake_in_the_ini_file_is_an_error_at_include():
    config = Configurator(settings={'cronsched.bas_url': 'http://127.0.0.1:1'})
    with pytest.raises(ConfigurationError, match='did you mean'):
        config.include('cronsched.pyramid')


def test_a_route_prefix_is_in_its_path():
    config = Configurator(settings={'cronsched.application_id': 'shop'})
    config.include('cronsched.pyramid', route_prefix='internal')
    config.add_cronjob(lambda: None, '* * * * *', name='daily', timezone='UTC')
    app = config.make_wsgi_app()
    assert config.registry.cronsched.url_of('daily') == '/internal/cronjobs/daily'
    assert outcome_of(call(config, app, 'daily')) == (200, 'ok')


def test_permissions_and_csrf_tokens_are_not_asked_for(config):
    class Policy:
        def identity(self, request):
            raise AssertionError('who asks is not of interest')

        def permits(self, request, context, permission):
            raise AssertionError('no permission is asked for')

    config.set_security_policy(Policy())
    config.set_default_permission('view')
    config.set_default_csrf_options(require_csrf=True)
    config.add_cronjob(lambda: None, '* * * * *', name='daily', timezone='UTC')
    assert outcome_of(call(config, config.make_wsgi_app(), 'daily')) == (200, 'ok')


def test_a_slash_is_never_added_or_removed(config):
    """Pyramid redirects to a path with one, where a view for 404 says so."""
    ran = []
    config.add_notfound_view(lambda request: HTTPNotFound(), append_slash=True)
    config.add_route('page', '/cronjobs/daily/')
    config.add_view(lambda request: Response('page'), route_name='page')
    config.add_cronjob(lambda: ran.append(1), '* * * * *', name='daily', timezone='UTC')
    app = config.make_wsgi_app()
    assert outcome_of(call(config, app, 'daily')) == (200, 'ok')
    assert Client(app).post('/cronjobs/daily/', expect_errors=True).status_int == 401
    assert ran == [1]


def test_it_is_found_where_the_server_has_a_script_name(config):
    links = []
    config.add_cronjob(
        lambda run: links.append(run.request.application_url), '* * * * *', name='daily',
        timezone='UTC',
    )
    app = config.make_wsgi_app()
    headers = signed(config, 'daily')
    reply = Client(app, extra_environ={'SCRIPT_NAME': '/shop'}).post(
        '/shop/cronjobs/daily', headers=headers)
    assert outcome_of(reply) == (200, 'ok')
    assert links == ['http://localhost/shop']


def test_what_is_to_be_done_at_the_end_of_a_request_is_done(config):
    """So a connection that a request has opened is closed."""
    told = []

    def daily(run):
        run.request.add_finished_callback(lambda request: told.append('closed'))
        run.request.add_response_callback(lambda request, response: told.append('answered'))

    config.add_cronjob(daily, '* * * * *', timezone='UTC')
    assert outcome_of(call(config, config.make_wsgi_app(), 'daily')) == (200, 'ok')
    assert told == ['answered', 'closed']


def test_in_a_test_of_the_application_nothing_starts(monkeypatch, own_directories):
    monkeypatch.delenv('CRONSCHED_ENABLED')
    config = Configurator(settings={'cronsched.application_id': 'shop'})
    config.include('cronsched.pyramid')
    config.add_cronjob(lambda: None, '* * * * * *', name='tick', timezone='UTC')
    app = config.make_wsgi_app()
    assert Client(app).get('/', expect_errors=True).status_int == 404
    assert not start.is_started('shop')
    assert list((own_directories / 'state').iterdir()) == []


class Nowhere(sentry_sdk.transport.Transport):
    def capture_envelope(self, envelope):
        pass


@pytest.mark.filterwarnings('ignore:.*pkg_resources')   # Sentry asks it for versions
@pytest.mark.parametrize('handled', [False, True])
def test_sentry_hears_of_an_exception_once(config, handled):
    events = []

    def breaks():
        raise LookupError('no recipients')

    sentry_sdk.init(
        dsn='http://key@127.0.0.1:1/1', integrations=[PyramidIntegration(), DedupeIntegration()],
        transport=Nowhere, before_send=lambda event, hint: events.append(event) or event,
        default_integrations=False,
    )
    try:
        if handled:   # a page for errors
            config.add_exception_view(
                lambda error, request: Response('sorry', 500), context=LookupError)
        config.add_cronjob(breaks, '* * * * *', timezone='UTC')
        app = config.make_wsgi_app()
        with nullcontext() if handled else pytest.raises(LookupError):
            call(config, app, 'breaks')
    finally:
        sentry_sdk.init()
    assert [event['exception']['values'][-1]['type'] for event in events] == ['LookupError']
    assert [state for state, _ in states(config)] == ['failed']


@pytest.mark.parametrize('answer', [
    lambda error, request: Response('all is well'),
    lambda error, request: Response('not here', 404),
])
def test_what_an_exception_view_makes_of_it_is_a_failure(config, answer):
    def breaks():
        raise LookupError('no recipients')

    config.add_exception_view(answer, context=LookupError)
    config.add_cronjob(breaks, '* * * * *', name='breaks', timezone='UTC')
    app = config.make_wsgi_app()
    assert outcome_of(call(config, app, 'breaks')) == (500, 'failed')
    assert states(config) == [('failed', 'LookupError: no recipients')]


def test_an_http_exception_is_a_failure(config):
    def gone():
        raise HTTPNotFound()

    config.add_cronjob(gone, '* * * * *', name='gone', timezone='UTC')
    assert outcome_of(call(config, config.make_wsgi_app(), 'gone')) == (500, 'failed')


class Transaction:
    """A tween where pyramid_tm is, that commits after the view."""

    fails = False

    def __call__(self, handler, registry):
        def tween(request):
            response = handler(request)
            if self.fails:
                raise RuntimeError('the commit failed')
            return response

        return tween


def commit_that_fails(handler, registry):
    transaction = Transaction()
    transaction.fails = True
    return transaction(handler, registry)


def test_a_commit_that_fails_is_a_run_that_failed(config):
    config.add_tween(f'{__name__}.commit_that_fails', over='pyramid.tweens.excview_tween_factory')
    config.add_cronjob(lambda: None, '* * * * *', name='daily', timezone='UTC')
    app = config.make_wsgi_app()
    with pytest.raises(RuntimeError):
        call(config, app, 'daily')
    assert states(config) == [('failed', 'RuntimeError: the commit failed')]


def test_without_our_tween_the_view_ends_the_run_and_that_is_told(caplog):
    config = Configurator(settings={
        'cronsched.application_id': 'shop',
        'pyramid.tweens': 'pyramid.tweens.excview_tween_factory',
    })
    config.include('cronsched.pyramid')
    config.add_cronjob(lambda: None, '* * * * *', name='daily', timezone='UTC')
    with caplog.at_level(logging.WARNING, 'cronsched'):
        app = config.make_wsgi_app()
    assert 'pyramid.tweens does not name cronsched.pyramid.tween_factory' in caplog.text
    assert outcome_of(call(config, app, 'daily')) == (200, 'ok')
    assert [state for state, _ in states(config)] == ['ok']


def test_no_cookie_of_the_sender_reaches_the_job(config):
    seen = []
    config.add_cronjob(
        lambda run: seen.append((dict(run.request.cookies), run.request.authorization)),
        '* * * * *', name='daily', timezone='UTC',
    )
    app = config.make_wsgi_app()
    host = config.registry.cronsched
    headers = sign_headers(
        'shop', 'daily', SCHEDULED, key=host.site.key('shop'), now=int(time.time()), attempt=1
    )
    headers |= {'Cookie': 'session=admin', 'Authorization': 'Basic YWRtaW46'}
    assert outcome_of(Client(app).post('/cronjobs/daily', headers=headers)) == (200, 'ok')
    assert seen == [({}, None)]
