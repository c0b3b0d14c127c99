from __future__ import annotations

import time
from urllib.parse import quote

import dectate
import morepath
import pytest
from framework import make_app, make_framework
from servers import get, served, wait_for
from webtest import TestApp as Client

from cronsched._cronsched import sign_headers
from cronsched.onegov import Job, mount


def cronjob(App, **options):
    runs = []

    @App.cronjob(**({'expression': '* * * * * *', 'timezone': 'UTC', 'max_offset': 0} | options))
    def each_second(request):
        runs.append(request.cron_run)

    return runs


def path_of(app):
    (job,) = app.config.cronjob_registry.cronjobs.values()
    job.app = app
    return f'/cronjobs/{quote(job.id)}'


def test_jobs_are_called_by_get_and_claimed():
    App = make_app()
    runs = cronjob(App)
    App.commit()
    app = App()
    with served(app) as url:
        get(url)
        wait_for(lambda: len(runs) >= 2)
        rows = wait_for(lambda: [r for r in app.cronjob_site.ledger.history() if r.state == 'ok'])
    assert app.cronjob_site.method == 'GET'
    assert rows[0].run.application_id == 'municipalities/new-york'
    assert len({run.id for run in runs}) == len(runs)


def test_each_application_id_of_one_app_object_starts_by_itself():
    App = make_app()
    runs = []

    @App.cronjob('* * * * * *', timezone='UTC', max_offset=0)
    def each_second(request):
        runs.append(request.app.application_id)

    class Hosting(App):
        """As OneGov's server: one object, told who it is before a request."""

        def request(self, environ):
            town = environ['PATH_INFO'].split('/')[1]
            environ['SCRIPT_NAME'] = f'/{town}'
            environ['PATH_INFO'] = environ['PATH_INFO'][len(town) + 1:] or '/'
            self.application_id = f'municipalities/{town}'
            return super().request(environ)

    Hosting.commit()
    app = Hosting()
    with served(app) as url:
        get(f'{url}/zug')
        get(f'{url}/uri')
        wait_for(lambda: {*runs} == {'municipalities/zug', 'municipalities/uri'})
    assert sorted(app.config.cronjob_registry.cronjob_threads) == [
        'municipalities/uri', 'municipalities/zug',
    ]


def test_permissions_of_the_framework_do_not_stop_a_job():
    App = make_app()
    runs = cronjob(App)
    App.setting(section='cronjobs', name='enabled')(lambda: False)
    App.commit()
    app = App()
    assert Client(app).get(path_of(app)).headers['Cronsched-Outcome'] == 'ok'
    assert len(runs) == 1


def test_the_permission_is_that_which_was_given():
    class Nobody:
        pass

    class Framework(morepath.App):
        application_id = 'x'
        sign = unsign = lambda self, text, salt: text

    mount(Framework, permission=Nobody)
    runs = cronjob(Framework)
    Framework.setting(section='cronjobs', name='enabled')(lambda: False)
    Framework.commit()
    app = Framework()
    Client(app).get(path_of(app), status=403)
    assert runs == []


def test_strict_refuses_who_only_knows_the_address():
    App = make_app(strict=True)
    runs = cronjob(App)
    App.setting(section='cronjobs', name='enabled')(lambda: False)
    App.commit()
    app = App()
    (job,) = app.config.cronjob_registry.cronjobs.values()
    client = Client(app)
    client.get(path_of(app), status=401)
    headers = sign_headers(
        app.application_id, job.name, 1_792_000_000,
        key=app.cronjob_site.key(app.application_id), now=int(time.time()), attempt=1,
    )
    client.get(path_of(app), headers=headers, status=200)
    assert len(runs) == 1


def test_without_a_ledger_no_file_is_made(own_directories):
    App = make_app()
    runs = cronjob(App)
    App.setting(section='cronjobs', name='enabled')(lambda: False)
    App.setting(section='cronjobs', name='ledger')(lambda: None)
    App.commit()
    app = App()
    Client(app).get(path_of(app))
    assert len(runs) == 1
    assert list((own_directories / 'state').iterdir()) == []


def test_a_transaction_around_it_repeats_a_run_and_it_ends_once():
    Framework = make_framework()
    attempts = []

    @Framework.tween_factory(under=morepath.core.excview_tween_factory)
    def make_transaction(app, handler):
        def transaction(request):
            try:
                return handler(request)
            except LookupError:
                request.reset()
                return handler(request)

        return transaction

    class App(Framework):
        pass

    @App.cronjob(hour=8, minute=0, timezone='UTC')
    def conflicting(request):
        attempts.append(request.cron_run.id)
        if len(attempts) == 1:
            raise LookupError('could not serialize access')

    App.setting(section='cronjobs', name='enabled')(lambda: False)
    App.commit()
    app = App()
    (job,) = app.config.cronjob_registry.cronjobs.values()
    headers = sign_headers(
        app.application_id, job.name, 1_792_000_000,
        key=app.cronjob_site.key(app.application_id), now=int(time.time()), attempt=1,
    )
    answer = Client(app).get(path_of(app), headers=headers)
    assert answer.headers['Cronsched-Outcome'] == 'ok'
    assert len(attempts) == 2
    assert [row.state for row in app.cronjob_site.ledger.history()] == ['ok']


def test_a_wrong_use_is_reported_with_its_line():
    App = make_app()
    cronjob(App, expression=None, hour=25, minute=0)
    with pytest.raises(dectate.DirectiveReportError, match='use 0-23'):
        App.commit()


def test_the_path_belongs_to_the_class_that_permission_rules_name():
    App = make_app()
    cronjob(App)
    App.commit()
    app = App()
    (job,) = app.config.cronjob_registry.cronjobs.values()
    assert type(job) is Job
