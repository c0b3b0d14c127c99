"""What Pyramid does beside, before and after a job; the rest is the contract."""

from __future__ import annotations

import importlib
import logging
import textwrap
import time

import pytest
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationConflictError
from pyramid.httpexceptions import HTTPNotFound
from pyramid.response import Response
from webtest import TestApp as Client

from cronsched._cronsched import sign_headers
from cronsched.errors import ConfigurationError, ExpressionError, OptionError
from cronsched.pyramid import cronjob

SCHEDULED = int(time.time()) // 60 * 60


@pytest.fixture
def config():
    config = Configurator(settings={'cronsched.application_id': 'shop'})
    config.include('cronsched.pyramid')
    return config


def call(config, app, name, scheduled=SCHEDULED):
    host = config.registry.cronsched
    headers = sign_headers(
        'shop', name, scheduled, key=host.site.key('shop'), now=int(time.time()), attempt=1
    )
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
