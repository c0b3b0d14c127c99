"""What Flask does beside, before and after a job; the rest is the contract."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import flask
import flask_login
import flask_wtf
import pytest
import sentry_sdk.transport
from sentry_sdk.integrations.flask import FlaskIntegration

from cronsched._cronsched import sign_headers
from cronsched.errors import ConfigurationError, DuplicateJobError, OptionError
from cronsched.flask import Cron
from cronsched.web import start

SCHEDULED = int(time.time()) // 60 * 60


@pytest.fixture
def cron():
    return Cron('shop', timezone='UTC')


@pytest.fixture
def app(tmp_path):
    app = flask.Flask('shop')
    app.config.update(SECRET_KEY='a secret of this test', PROPAGATE_EXCEPTIONS=False)
    return app


def call(app, name, scheduled=SCHEDULED, path=None, **environ):
    host = app.extensions['cronsched']
    headers = sign_headers(
        host.application_id, name, scheduled, key=host.site.key(host.application_id),
        now=int(time.time()), attempt=1,
    )
    return app.test_client().post(
        path or f'/cronjobs/{name}', headers=headers, environ_overrides=environ
    )


def outcome_of(reply):
    return reply.status_code, reply.headers.get('Cronsched-Outcome')


def states(app):
    host = app.extensions['cronsched']
    rows = host.site.ledger.history(application_id=host.application_id, oldest_first=True)
    return [(row.state, row.detail) for row in rows]


def test_application_and_request_context_are_there_and_the_run_has_the_request(cron, app):
    seen = []

    @cron.job('* * * * *')
    def digest(run):
        seen.append((flask.current_app.name, flask.request.path, run.request.path, run.job))

    cron.init_app(app)
    assert outcome_of(call(app, 'digest')) == (200, 'ok')
    assert seen == [('shop', '/cronjobs/digest', '/cronjobs/digest', 'digest')]


def test_a_csrf_check_and_a_login_do_not_see_a_job_whoever_came_first(cron, app):
    flask_wtf.CSRFProtect(app)
    manager = flask_login.LoginManager(app)
    manager.request_loader(lambda request: None)

    @app.before_request
    def everybody_logs_in():
        if not flask_login.current_user.is_authenticated:
            flask.abort(401)

    @cron.job('* * * * *')
    def digest():
        pass

    cron.init_app(app)
    assert outcome_of(call(app, 'digest')) == (200, 'ok')
    assert app.test_client().post('/page').status_code in (400, 401)


def test_after_request_and_teardown_act_as_ever(cron, app):
    told = []

    @cron.job('* * * * *')
    def breaks():
        raise LookupError('no recipients')

    app.after_request(lambda response: told.append('after') or response)
    app.teardown_request(lambda error: told.append(f'request {error!r}'))
    app.teardown_appcontext(lambda error: told.append('application'))
    cron.init_app(app)
    assert outcome_of(call(app, 'breaks')) == (500, 'failed')
    assert told[0] == 'after'
    assert sorted(told[1:]) == ["application", "request LookupError('no recipients')"]
    assert states(app) == [('failed', 'LookupError: no recipients')]


@pytest.mark.parametrize('status', [404, 403, 302])
def test_what_a_job_aborts_with_is_a_failure(cron, app, status):
    @cron.job('* * * * *')
    def gives_up():
        flask.abort(status) if status != 302 else flask.abort(flask.redirect('/login'))

    app.register_error_handler(404, lambda error: ('not here', 200))
    cron.init_app(app)
    assert outcome_of(call(app, 'gives_up')) == (500, 'failed')
    assert [state for state, _ in states(app)] == ['failed']


@pytest.mark.parametrize('config', [
    {'SERVER_NAME': 'shop.example'}, {'APPLICATION_ROOT': '/shop'},
    {'TRUSTED_HOSTS': ['shop.example']},
])
def test_it_is_found_whatever_host_flask_expects(cron, app, config):
    app.config.update(config)

    @cron.job('* * * * *')
    def digest():
        pass

    cron.init_app(app)
    assert outcome_of(call(app, 'digest')) == (200, 'ok')


def test_it_is_found_under_host_matching_and_where_a_page_takes_every_path(cron):
    app = flask.Flask('shop', host_matching=True, static_host='shop.example')
    app.add_url_rule('/<path:path>', view_func=lambda path: path, host='shop.example')

    @cron.job('* * * * *')
    def digest():
        pass

    cron.init_app(app)
    assert outcome_of(call(app, 'digest')) == (200, 'ok')


def test_a_hook_that_redirects_to_https_does_not_see_a_job(cron, app):
    """As Flask-Talisman has it, whichever came first."""
    app.before_request(lambda: flask.redirect(
        flask.request.url.replace('http://', 'https://'), 301))
    ran = []
    cron.job('* * * * *', name='digest')(lambda: ran.append(1))
    cron.init_app(app)
    assert outcome_of(call(app, 'digest')) == (200, 'ok')
    assert app.test_client().get('/page').status_code == 301
    assert ran == [1]


def test_a_slash_is_never_added_or_removed(cron, app):
    """Flask redirects to a path with one where there is a rule for it."""
    app.add_url_rule('/cronjobs/digest/', view_func=lambda: 'page', methods=['POST'])
    ran = []
    cron.job('* * * * *', name='digest')(lambda: ran.append(1))
    cron.init_app(app)
    assert outcome_of(call(app, 'digest')) == (200, 'ok')
    assert call(app, 'digest', path='/cronjobs/digest/').status_code == 401
    assert ran == [1]


def test_it_may_be_added_after_the_first_request_and_be_mounted(cron, app):
    app.test_client().get('/')

    @cron.job('* * * * *')
    def digest():
        links.append(flask.url_for('static', filename='x.css', _external=True))

    links = []
    cron.init_app(app)
    assert outcome_of(call(app, 'digest', SCRIPT_NAME='/shop')) == (200, 'ok')
    assert links == ['http://localhost/shop/static/x.css']


def test_links_are_those_of_the_public_url(cron, app):
    links = []

    @cron.job('* * * * *')
    def digest():
        links.append(flask.url_for('static', filename='x.css', _external=True))

    app.config['CRONSCHED_PUBLIC_URL'] = 'https://shop.example'
    cron.init_app(app)
    assert outcome_of(call(app, 'digest')) == (200, 'ok')
    assert links == ['https://shop.example/static/x.css']


def test_no_cookie_of_the_sender_opens_a_session(cron, app):
    seen = []

    @cron.job('* * * * *')
    def digest():
        seen.append((dict(flask.session), dict(flask.request.cookies)))

    cron.init_app(app)
    with app.test_client().session_transaction() as session:
        session['user'] = 'admin'
    cookie = app.session_interface.get_signing_serializer(app).dumps({'user': 'admin'})
    reply = call(app, 'digest', HTTP_COOKIE=f'session={cookie}')
    assert outcome_of(reply) == (200, 'ok')
    assert seen == [({}, {})]


def test_an_async_job_has_a_loop_and_ends_at_its_timeout(cron, app):
    import asyncio

    ran = []

    @cron.job('* * * * *', timeout=0.05)
    async def slow(run):
        ran.append(flask.request.path)
        await asyncio.sleep(30)
        ran.append('never')

    cron.init_app(app)
    assert outcome_of(call(app, 'slow')) == (500, 'timed_out')
    assert ran == ['/cronjobs/slow']


def test_an_async_job_without_asgiref_is_an_error_at_decoration(cron, monkeypatch):
    monkeypatch.setattr('cronsched.flask.find_spec', lambda name: None)
    with pytest.raises(OptionError, match=r"pip install 'flask\[async\]'"):
        @cron.job('* * * * *')
        async def poll():
            pass


def test_one_cron_serves_several_applications_each_with_its_own_runs(cron):
    ran = []

    @cron.job('* * * * *')
    def digest(run):
        ran.append(run.application_id)

    apps = []
    for name in ('shop', 'blog'):
        app = flask.Flask(name)
        app.config['CRONSCHED_APPLICATION_ID'] = name
        cron.init_app(app)
        apps.append(app)
    for app in apps:
        assert outcome_of(call(app, 'digest')) == (200, 'ok')
    assert ran == ['shop', 'blog']


def test_the_application_name_is_its_id_unless_told(app):
    cron = Cron(timezone='UTC')
    cron.init_app(app)
    assert app.extensions['cronsched'].application_id == 'shop'


@pytest.mark.parametrize(('config', 'message'), [
    ({'CRONSCHED_BASE_URL': 'shop.example'}, 'base_url'),
    ({'CRONSCHED_BAS_URL': 'http://127.0.0.1:1'}, 'did you mean'),
    ({'CRONSCHED_RETRIES': -1}, 'retries'),
])
def test_a_mistake_in_a_setting_is_an_error_at_init_app(cron, app, config, message):
    app.config.update(config)
    with pytest.raises(ConfigurationError, match=message):
        cron.init_app(app)


def test_init_app_twice_and_two_jobs_of_a_name_are_errors(cron, app):
    cron.init_app(app)
    with pytest.raises(ConfigurationError, match='once'):
        cron.init_app(app)
    cron.job('* * * * *', name='digest')(lambda: None)
    with pytest.raises(DuplicateJobError, match='digest'):
        cron.job('* * * * *', name='digest')(lambda: None)


class Nowhere(sentry_sdk.transport.Transport):
    def capture_envelope(self, envelope):
        pass


@pytest.mark.filterwarnings('ignore:.*pkg_resources')   # Sentry asks it for versions
def test_sentry_hears_of_an_exception_once(cron, app):
    events = []
    sentry_sdk.init(
        dsn='http://key@127.0.0.1:1/1', integrations=[FlaskIntegration()],
        transport=Nowhere, before_send=lambda event, hint: events.append(event),
        default_integrations=False,
    )
    try:
        @cron.job('* * * * *')
        def breaks():
            raise LookupError('no recipients')

        cron.init_app(app)
        assert outcome_of(call(app, 'breaks')) == (500, 'failed')
    finally:
        sentry_sdk.init()
    assert [event['exception']['values'][0]['type'] for event in events] == ['LookupError']


def test_a_test_client_sees_what_a_job_raises(cron, app):
    app.config['TESTING'] = True
    app.config['PROPAGATE_EXCEPTIONS'] = None

    @cron.job('* * * * *')
    def breaks():
        raise LookupError('no recipients')

    cron.init_app(app)
    with pytest.raises(LookupError):
        call(app, 'breaks')
    assert states(app) == [('failed', 'LookupError: no recipients')]


PROJECT = '''
import time
import flask
from cronsched.flask import Cron

cron = Cron(timezone='UTC')

@cron.job('0 8 * * *')
def digest():
    pass

def create_app():
    app = flask.Flask('shop')
    cron.init_app(app)
    app.cli.command('migrate')(lambda: time.sleep(1))   # as Flask-Migrate has one
    return app
'''


def flask_command(tmp_path, *arguments):
    (tmp_path / 'project.py').write_text(PROJECT)
    return subprocess.run(
        [sys.executable, '-m', 'flask', '--app', 'project', *arguments],
        cwd=tmp_path, env={**os.environ, 'PYTHONDONTWRITEBYTECODE': '1'},
        capture_output=True, text=True, timeout=60,
    )


def test_the_command_line_knows_the_ledger_of_the_application(tmp_path, own_directories):
    app = flask.Flask('shop')
    Cron(timezone='UTC').init_app(app)
    ledger = app.extensions['cronsched'].site.ledger
    ledger.seen('shop', 'http://127.0.0.1:1', ['digest'], time.time())
    ledger.close()
    done = flask_command(tmp_path, 'cron', 'status')
    assert done.returncode == 0, done.stderr
    assert 'digest' in done.stdout


def test_in_a_test_of_the_application_nothing_starts(cron, app, monkeypatch, own_directories):
    monkeypatch.delenv('CRONSCHED_ENABLED')
    cron.job('* * * * * *')(lambda: None)
    cron.init_app(app)
    assert app.test_client().get('/').status_code == 404
    assert not start.is_started('shop')
    assert list((own_directories / 'state').iterdir()) == []


@pytest.mark.parametrize('command', [
    ['routes'], ['shell', '--help'], ['migrate'],
])
def test_commands_that_serve_nobody_start_nothing(tmp_path, own_directories, command):
    done = flask_command(tmp_path, *command)
    assert done.returncode == 0, done.stderr
    assert list((own_directories / 'state').iterdir()) == []
