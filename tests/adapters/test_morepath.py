from __future__ import annotations

import logging
import sys
import time
import warnings
from urllib.parse import quote

import dectate
import morepath
import pytest
from servers import get, served, serving_process, wait_for
from webtest import TestApp as Client

from cronsched._cronsched import sign_headers
from cronsched.errors import ConfigurationError, CronWarning
from cronsched.ledger import LedgerError
from cronsched.morepath import CronApp, directives

# Due now, and once a second after.
ALWAYS = {'expression': '* * * * * *', 'timezone': 'UTC', 'max_offset': 0}


def make(settings=None, base=CronApp):
    """A fresh application class with a page, and a list of what ran."""

    class App(base):
        runs: list = []  # noqa: RUF012

    @App.path(path='')
    class Root:
        pass

    @App.view(model=Root)
    def view_root(self, request):
        return 'hello'

    for name, value in (settings or {}).items():
        App.setting(section='cronjobs', name=name)(lambda value=value: value)
    return App


def cronjob(App, function=None, **options):
    def each_second(request):
        App.runs.append(request.cron_run)

    App.cronjob(**(ALWAYS | options))(function or each_second)


def path_of(app, name):
    job = app.config.cronjob_registry.cronjobs[name]
    job.app = app
    return f'/cronjobs/{quote(job.id)}'


def signed(app, name, scheduled=1_792_000_000, **changed):
    options = {
        'key': app.cronjob_site.key(app.application_id), 'now': int(time.time()), 'attempt': 1,
    } | changed
    return sign_headers(app.application_id, name, scheduled, **options)


@pytest.fixture
def app_and_name():
    App = make({'enabled': False})
    cronjob(App)
    App.commit()
    app = App()
    return app, next(iter(app.config.cronjob_registry.cronjobs))


# -- the whole way --------------------------------------------------------------


def test_the_first_request_starts_the_jobs_and_they_are_called_on_time():
    App = make()
    cronjob(App)
    App.commit()
    app = App()
    with served(app) as url:
        assert get(url) == (200, 'hello')
        wait_for(lambda: len(App.runs) >= 2)
        first, second = App.runs[:2]
        assert second.previous == first.scheduled
        assert second.last_success == first.scheduled
        assert 0 <= time.time() - App.runs[-1].scheduled.timestamp() < 1.5
        rows = wait_for(lambda: [r for r in ledger_of(app).history() if r.state == 'ok'])
        assert rows[0].run.application_id == app.application_id


def ledger_of(app):
    return app.cronjob_site.ledger


def test_a_failing_job_is_recorded_and_called_again(caplog):
    App = make()

    def failing(request):
        App.runs.append(request.cron_run)
        raise LookupError('no such town')

    cronjob(App, failing)
    App.commit()
    app = App()
    with served(app) as url, caplog.at_level(logging.INFO, 'cronsched'):
        get(url)
        wait_for(lambda: len(App.runs) >= 2)
        wait_for(lambda: 'failed: status 500' in caplog.text)
    rows = [row for row in ledger_of(app).history() if row.state == 'failed']
    assert rows[0].detail == 'LookupError: no such town'


def test_the_lines_name_the_job_and_not_its_signed_path(caplog):
    App = make()
    cronjob(App)
    App.commit()
    app = App()
    with served(app) as url, caplog.at_level(logging.INFO, 'cronsched'):
        get(url)
        wait_for(lambda: 'finished in' in caplog.text)
    assert f'Started cronjob thread for {app.application_id}' in caplog.text
    assert f'each_second of {app.application_id}, due ' in caplog.text
    assert 'Executing ' in caplog.text
    assert url.partition('://')[2] not in caplog.text   # nor the signed path


def test_a_job_runs_once_if_it_says_so():
    App = make()
    cronjob(App, once=True)
    App.commit()
    with served(App()) as url:
        get(url)
        wait_for(lambda: App.runs)
        time.sleep(1.5)   # would run again within one second
        assert len(App.runs) == 1


def test_each_mounted_application_has_its_own_jobs_and_application_id():
    Town = make()
    Server = make()

    def init(self, name):
        super(Town, self).__init__()
        self.name = name

    Town.__init__ = init
    Town.application_id = property(lambda self: f'towns/{self.name}')
    Server.mount(path='towns/{name}', app=Town)(lambda name: Town(name))

    def each_second(request):
        Town.runs.append(request.app.application_id)

    cronjob(Town, each_second)
    Server.commit()
    with served(Server()) as url:
        assert get(f'{url}/towns/zug') == (200, 'hello')
        assert get(f'{url}/towns/uri') == (200, 'hello')
        wait_for(lambda: {*Town.runs} == {'towns/zug', 'towns/uri'})


def test_jobs_start_without_a_visitor_where_the_address_is_known():
    App = make()
    with served(App()) as url:
        App.setting(section='cronjobs', name='base_url')(lambda: url)
        cronjob(App)
        App.commit()
        App().start_cronjobs()
        wait_for(lambda: App.runs)


def test_starting_without_a_visitor_commits_the_application():
    Town = make()
    Town.application_id = 'towns/zug'
    Server = make()
    Server.mount(path='zug', app=Town)(Town)
    server = Server()
    with served(server) as url:
        for App in (Server, Town):
            App.setting(section='cronjobs', name='base_url')(lambda: url)
        cronjob(Town)
        server.start_cronjobs('/zug')
        wait_for(lambda: Town.runs)


def test_application_ids_that_were_seen_are_started_again():
    Town = make()
    Server = make()
    Town.__init__ = lambda self, name: setattr(self, 'name', name)
    Town.application_id = property(lambda self: f'towns/{self.name}')
    Server.mount(path='towns/{name}', app=Town)(lambda name: Town(name))

    def each_second(request):
        Town.runs.append(request.app.application_id)

    server = Server()
    with served(server) as url:
        for App in (Server, Town):
            App.setting(section='cronjobs', name='base_url')(lambda: url)
        cronjob(Town, each_second)
        Server.commit()
        ledger_of(server).seen('towns/zug', f'{url}/towns/zug', ['each_second'], time.time())
        ledger_of(server).seen('elsewhere', f'{url}/towns/uri', ['each_second'], time.time())
        server.start_cronjobs()
        wait_for(lambda: Town.runs)
        assert {*Town.runs} == {'towns/zug'}


def test_starting_without_a_visitor_needs_an_address():
    App = make()
    App.commit()
    with pytest.raises(ConfigurationError, match=r'cronjobs\.base_url'):
        App().start_cronjobs()


# -- what does not start --------------------------------------------------------


def test_nothing_starts_where_it_is_switched_off():
    App = make({'enabled': False, 'base_url': 'http://127.0.0.1:1'})
    cronjob(App)
    App.commit()
    app = App()
    Client(app).get('/')
    app.start_cronjobs()
    assert app.config.cronjob_registry.cronjob_threads == {}


@pytest.mark.parametrize('host', [
    'www.example.org', 'localhost.example.org', '10.0.0.1:80', 'localhost:51761', '[::1]:8081',
])
def test_a_strangers_host_starts_nothing_and_is_reported_once(host, caplog):
    App = make()
    cronjob(App)
    App.commit()
    app = App()
    for _ in range(2):
        Client(app, extra_environ={'HTTP_HOST': host}).get('/')
    assert app.config.cronjob_registry.cronjob_threads == {}
    assert caplog.text.count('cronjobs.base_url') == 1
    assert host in caplog.text


@pytest.mark.parametrize(
    ('host', 'settings', 'expected'),
    [
        ('localhost:80', {}, 'http://localhost/cronjobs/'),
        ('127.0.0.2:8080', {}, 'http://127.0.0.2:8080/cronjobs/'),
        ('[::1]:8080', {}, 'http://[::1]:8080/cronjobs/'),
        ('town.example', {'allowed_hosts': ['town.example']}, 'http://town.example/cronjobs/'),
        ('evil.example', {'base_url': 'http://127.0.0.1:9/x'}, 'http://127.0.0.1:9/x/cronjobs/'),
    ],
)
def test_the_address_that_is_called_can_be_trusted(host, settings, expected):
    App = make(settings)
    App.cronjob('0 0 1 1 *', timezone='UTC')(lambda request: None)
    App.commit()
    app = App()
    port = host.rpartition(':')[2]
    came_in = {'SERVER_PORT': port} if port.isdecimal() else {}
    Client(app, extra_environ={'HTTP_HOST': host, **came_in}).get('/')
    bound = app.config.cronjob_registry.cronjob_threads[app.application_id]
    assert bound.urls[0].startswith(expected)


def test_a_visitor_is_answered_even_if_the_jobs_cannot_start(tmp_path, caplog):
    (tmp_path / 'file').touch()
    App = make({'runtime_directory': str(tmp_path / 'file')})
    cronjob(App)
    App.commit()
    assert Client(App()).get('/').text == 'hello'
    assert 'could not be started' in caplog.text


def test_jobs_that_could_not_start_are_tried_again_later(tmp_path, caplog, monkeypatch):
    place = tmp_path / 'file'
    place.touch()
    App = make({'runtime_directory': str(place)})
    cronjob(App)
    App.commit()
    app = App()
    for _ in range(3):
        Client(app).get('/')
    assert caplog.text.count('could not be started') == 1
    place.unlink()
    monkeypatch.setattr(directives, '_is_resting', lambda registry, app: False)
    Client(app).get('/')
    assert app.application_id in app.config.cronjob_registry.cronjob_threads


def test_an_application_serves_though_its_ledger_is_damaged(tmp_path, caplog):
    ledger = tmp_path / 'ledger.sqlite3'
    ledger.write_bytes(b'no ledger' * 1000)
    ledger.chmod(0o600)
    App = make({'base_url': 'http://127.0.0.1:9', 'ledger': f'sqlite://{ledger}'})
    App.cronjob('0 0 1 1 *', timezone='UTC')(lambda request: None)
    App.commit()
    app = App()
    app.start_cronjobs()
    assert f'could not all be started: the ledger {ledger} is damaged' in caplog.text
    assert Client(app).get('/').text == 'hello'


def test_a_run_that_cannot_be_claimed_is_to_be_sent_again(app_and_name, caplog, monkeypatch):
    app, name = app_and_name

    def refuse(*arguments, **options):
        raise LedgerError('stays locked')

    monkeypatch.setattr(type(ledger_of(app)), 'claim', refuse)
    answer = Client(app).post(path_of(app, name), headers=signed(app, name), status=503)
    assert answer.headers['Retry-After'] == '1'
    assert app.runs == []
    assert 'did not run: stays locked' in caplog.text
    monkeypatch.undo()


# -- who may start a run --------------------------------------------------------


def test_a_signed_request_runs_the_job_once(app_and_name):
    app, name = app_and_name
    headers = signed(app, name)
    client = Client(app)
    assert client.post(path_of(app, name), headers=headers).headers['Cronsched-Outcome'] == 'ok'
    again = client.post(path_of(app, name), headers=headers)
    assert (again.status_code, again.headers['Cronsched-Outcome']) == (200, 'duplicate')
    assert len(app.runs) == 1


@pytest.mark.parametrize('method', ['GET', 'HEAD', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])
def test_the_wrong_method_is_refused_without_a_word(app_and_name, method):
    app, name = app_and_name
    answer = Client(app).request(
        path_of(app, name), method=method, headers=signed(app, name), expect_errors=True
    )
    assert (answer.status_code, answer.body) == (401, b'')
    assert app.runs == []


def test_who_has_no_signature_is_refused_without_a_word(app_and_name):
    app, name = app_and_name
    answer = Client(app).post(path_of(app, name), expect_errors=True)
    assert (answer.status_code, answer.body) == (401, b'')
    assert app.runs == []


def test_a_request_signed_for_another_application_id_is_refused(app_and_name):
    app, name = app_and_name
    headers = sign_headers(
        'another', name, 1_792_000_000, key=app.cronjob_site.key('another'),
        now=int(time.time()), attempt=1,
    )
    assert Client(app).post(path_of(app, name), headers=headers, status=401).body == b''
    assert app.runs == []


def test_a_path_cannot_be_guessed(app_and_name):
    app, name = app_and_name
    client = Client(app)
    for guess in (name, f'{name}.', path_of(app, name)[:-1]):
        path = guess if guess.startswith('/') else f'/cronjobs/{quote(guess)}'
        client.post(path, headers=signed(app, name), status=404)
    assert app.runs == []


def test_the_path_is_signed_for_one_application_id(app_and_name):
    app, _ = app_and_name
    text = app.sign('each_second', 'cronjob-id')
    assert app.unsign(text, 'cronjob-id') == 'each_second'
    assert app.unsign(text, 'another salt') is None
    assert app.unsign('ü', 'cronjob-id') is None
    type(app).application_id = property(lambda self: 'another')
    assert app.unsign(text, 'cronjob-id') is None


def test_a_rotated_secret_is_still_good_for_what_was_signed_before():
    before, after = 'the old one of this test', 'the new one of this test'
    old = make({'secret': before, 'enabled': False})
    new = make({'secret': after, 'previous_secret': before, 'enabled': False})
    for App in (old, new):
        App.application_id = 'same'
        App.commit()
    assert new().unsign(old().sign('x', 's'), 's') == 'x'
    assert old().unsign(new().sign('x', 's'), 's') is None


def test_a_view_with_an_identity_policy_needs_no_identity_for_jobs(app_and_name):
    class Rules(make({'enabled': False})):
        pass

    @Rules.identity_policy()
    def get_identity_policy():
        class Policy:
            def identify(self, request):
                raise AssertionError('nobody asks who the scheduler is')

            remember = forget = identify

        return Policy()

    cronjob(Rules)
    Rules.commit()
    app = Rules()
    name = next(iter(app.config.cronjob_registry.cronjobs))
    Client(app).post(path_of(app, name), headers=signed(app, name), status=200)


# -- wrong uses -----------------------------------------------------------------


@pytest.mark.parametrize(
    ('options', 'says'),
    [
        ({'hour': 25, 'minute': 0, 'timezone': 'UTC'}, 'use 0-23'),
        ({'hour': '*/2', 'timezone': 'UTC'}, "minute='\\*'"),
        ({'hour': 8, 'minute': 0, 'timezone': 'Europe/Zurch'}, 'Europe/Zurich'),
        ({'hour': 8, 'minute': 0}, 'timezone is missing'),
        ({'hour': 8, 'minute': 0, 'timezone': 'UTC', 'retrys': 1}, "did you mean 'retries'"),
        ({'expression': '0 9 * * MON-FIR', 'timezone': 'UTC'}, 'FRI'),
    ],
)
def test_a_wrong_use_names_file_and_line(options, says):
    App = make()

    @App.cronjob(**options)
    def job(request):
        pass

    with pytest.raises(dectate.DirectiveReportError, match=says) as caught:
        App.commit()
    assert f'File "{__file__}", line' in str(caught.value)


def test_two_jobs_of_one_name_are_an_error_that_names_both_lines():
    App = make()
    cronjob(App)
    cronjob(App)
    with pytest.raises(dectate.DirectiveReportError) as caught:
        App.commit()
    assert str(caught.value).count(f'File "{__file__}"') == 2


def test_a_subclass_may_say_otherwise_when_a_job_runs():
    App = make()
    cronjob(App, name='tidy')
    Sub = make(base=App)
    cronjob(Sub, name='tidy', expression='0 8 * * *')
    morepath.commit(App, Sub)
    assert Sub.config.cronjob_registry.cronjobs['tidy'].schedule.expression == '0 8 * * *'
    assert App.config.cronjob_registry.cronjobs['tidy'].schedule.expression == '* * * * * *'


def test_what_its_author_may_not_have_meant_is_a_warning_at_its_line():
    App = make()
    App.cronjob('*/25 * * * *', timezone='UTC')(lambda request: None)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        App.commit()
    assert [each.category for each in caught] == [CronWarning]
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ('settings', 'says'),
    [
        ({'base_ulr': 'http://x'}, r'did you mean cronjobs\.base_url'),
        ({'base_url': 'x.org'}, r'cronjobs\.base_url'),
        ({'timeout': 0}, r'cronjobs\.timeout'),
        ({'secret': ''}, r'cronjobs\.secret is shorter than 16'),
        ({'allowed_hosts': 'x.org'}, 'a list'),
        ({'max_concurrency': 0}, '1 to 10000'),
        ({'enabled': 'no'}, 'True or False'),
    ],
)
def test_a_wrong_setting_is_found_when_the_application_is_committed(settings, says):
    with pytest.raises(ConfigurationError, match=says):
        make(settings).commit()


def test_a_setting_is_the_default_for_all_jobs():
    App = make({'retries': 3, 'enabled': False})
    cronjob(App, timeout=5)
    App.commit()
    app = App()
    (job,) = app.config.cronjob_registry.cronjobs.values()
    policy = app.cronjob_site.policy(job)
    assert (policy.retries, policy.timeout) == (3, 5.0)


# -- two processes --------------------------------------------------------------

TWO = """
    import os
    from cronsched.morepath import CronApp

    class App(CronApp):
        pass

    @App.path(path='')
    class Root:
        pass

    @App.view(model=Root)
    def view_root(self, request):
        return 'hello'

    @App.cronjob('* * * * * *', timezone='UTC', max_offset=0, coalesce=False)
    def each_second(request):
        pass

    def make():
        App.commit()
        return App()
"""


@pytest.mark.skipif(sys.platform == 'win32', reason='there are no leases')
def test_of_two_processes_one_calls_and_the_other_takes_over_within_a_second(tmp_path):
    from cronsched.ledger import open_ledger

    with (
        serving_process(TWO, tmp_path) as (first_url, first),
        serving_process(TWO, tmp_path) as (second_url, second),
    ):
        assert get(first_url)[0] == 200
        ledger = open_ledger(f'sqlite://{tmp_path}/state/cronsched/ledger.sqlite3')
        wait_for(lambda: len(ok_rows(ledger)) >= 2)
        assert get(second_url)[0] == 200
        time.sleep(1)
        assert {row.pid for row in ledger.history()} == {first.pid}
        killed = time.time()
        first.kill()
        wait_for(lambda: any(row.pid == second.pid for row in ok_rows(ledger)))
        wait_for(lambda: len([r for r in ok_rows(ledger) if r.pid == second.pid]) >= 3)
        rows = ok_rows(ledger)
        taken = min(row.started for row in rows if row.pid == second.pid)
        assert taken - killed < 2.1   # a second to take over, one until a job is due
        scheduled = sorted(row.run.scheduled for row in rows)
        assert scheduled == list(range(scheduled[0], scheduled[-1] + 1))
        ledger.close()


def ok_rows(ledger):
    return [row for row in ledger.history(limit=1000) if row.state == 'ok']
