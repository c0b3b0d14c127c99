from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import freezegun
import morepath
import pytest
import time_machine
from framework import make_app
from morepath.core import excview_tween_factory
from webob.exc import HTTPServiceUnavailable
from webtest import TestApp as Client

from cronsched.errors import SchedulerError
from cronsched.morepath import CronApp
from cronsched.scheduler import process as scheduler
from cronsched.testing import VirtualClock, run

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def make(*jobs, **settings):
    """A fresh application class with `jobs`: pairs of options and function."""

    class App(CronApp):
        pass

    for name, value in settings.items():
        App.setting(section='cronjobs', name=name)(lambda value=value: value)
    for options, function in jobs:
        App.cronjob(**({'timezone': 'UTC'} | options))(function)
    App.path(path='page', model=dict)(lambda: {})
    App.view(model=dict)(lambda self, request: 'here')
    App.commit()
    return App


def outcomes(clock):
    return [run.outcome for run in clock.runs]


def times(clock):
    return [f'{run.scheduled:%d %H:%M}' for run in clock.runs]


# -- the clock ------------------------------------------------------------------


def test_a_year_of_a_daily_job_takes_less_than_a_second():
    days = []

    def daily(request):
        days.append(request.cron_run.scheduled.date())

    App = make(({'hour': 8, 'minute': 0, 'timezone': 'Europe/Zurich'}, daily))
    begun = time.process_time()
    with VirtualClock(App(), start=NEW_YEAR) as clock:
        clock.advance(days=365)
    assert time.process_time() - begun < 1
    assert days == [NEW_YEAR.date() + timedelta(days=day) for day in range(365)]
    assert outcomes(clock) == ['ok'] * 365


def test_a_run_is_as_late_as_its_offset_says():
    App = make(({'hour': 8, 'minute': 0}, lambda request: None), base_url='https://example.org')
    with VirtualClock(App(), start=NEW_YEAR) as clock:
        offset = clock.next - NEW_YEAR - timedelta(hours=8)
        assert timedelta() < offset < timedelta(seconds=30)
        clock.advance_to(clock.next - timedelta(milliseconds=1))
        assert clock.runs == []
        clock.advance(milliseconds=1)
        (run,) = clock.runs
    assert run.at - run.scheduled == offset


def test_the_view_knows_its_moment_and_what_ran_before():
    seen = []
    App = make(({'hour': 8, 'minute': 0}, lambda request: seen.append(request.cron_run)))
    with VirtualClock(App(), start=NEW_YEAR) as clock:
        clock.advance(days=2)
    first, second = seen
    assert first.scheduled == NEW_YEAR.replace(hour=8)
    assert first.previous is None
    assert second.previous == second.last_success == first.scheduled


@pytest.mark.parametrize('freeze', [
    lambda at: time_machine.travel(at, tick=False), freezegun.freeze_time,
])
def test_python_is_shown_the_time_by_who_can_hold_it(freeze):
    seen = []
    options = {'hour': 8, 'minute': 0, 'max_offset': 0}
    App = make((options, lambda request: seen.append(time.time())))
    with VirtualClock(App(), start=NEW_YEAR, freeze=freeze) as clock:
        clock.advance(days=1)
        clock.run('<lambda>')
    assert seen == [(NEW_YEAR + timedelta(hours=hours)).timestamp() for hours in (8, 24)]
    assert outcomes(clock) == ['ok']


def test_a_start_without_a_time_zone_is_refused():
    with pytest.raises(ValueError, match='has no time zone'):
        VirtualClock(make()(), start=datetime(2026, 1, 1))


def test_a_clock_outside_of_its_block_stands():
    clock = VirtualClock(make()(), start=NEW_YEAR)
    with pytest.raises(SchedulerError, match='inside a `with` block'):
        clock.advance(days=1)


def test_nothing_is_ever_due_without_jobs():
    with VirtualClock(make()(), start=NEW_YEAR) as clock:
        assert clock.next is None
        clock.advance(days=3650)
        assert clock.now == NEW_YEAR + timedelta(days=3650)


# -- what may happen to a run -----------------------------------------------------


def test_a_job_that_fails_is_recorded_with_its_error():
    def failing(request):
        raise LookupError('no such town')

    with VirtualClock(make(({'hour': 8, 'minute': 0}, failing))(), start=NEW_YEAR) as clock:
        clock.advance(days=2)
        assert outcomes(clock) == ['failed', 'failed']
        assert repr(clock.runs[0].error) == "LookupError('no such town')"
        assert clock.ledger.history()[0].detail == 'LookupError: no such town'


def test_a_job_is_tried_again_as_often_as_it_says():
    attempts = []

    def flaky(request):
        attempts.append(request.cron_run.attempt)
        if len(attempts) < 3:
            raise OSError

    options = {'hour': 8, 'minute': 0, 'retries': 5, 'backoff': 10, 'max_offset': 0}
    with VirtualClock(make((options, flaky))(), start=NEW_YEAR) as clock:
        clock.advance(days=1)
    assert attempts == [1, 2, 3]
    assert [(run.outcome, run.attempt) for run in clock.runs] == [('ok', 3)]
    assert clock.runs[0].at - clock.runs[0].scheduled >= timedelta(seconds=10)


def test_a_view_that_says_when_is_tried_again_then_as_often_as_it_may():
    attempts = []

    def busy(request):
        attempts.append(clock.now)
        raise HTTPServiceUnavailable(headers={'Retry-After': '1200'})

    options = {'hour': 8, 'minute': 0, 'retries': 1, 'max_offset': 0}
    with VirtualClock(make((options, busy))(), start=NEW_YEAR) as clock:
        clock.advance(days=1)
        assert [row.attempt for row in clock.ledger.history()] == [2]
    assert [(run.outcome, run.attempt) for run in clock.runs] == [('failed', 2)]
    assert attempts[1] - attempts[0] == timedelta(seconds=1200)


def test_somebody_before_the_view_that_says_when_costs_no_attempt():
    def gate(app, handler):
        def refuse(request):
            if clock.now < NEW_YEAR + timedelta(hours=8, minutes=20):
                response = morepath.Response(status=503)
                response.headers['Retry-After'] = '1200'
                return response
            return handler(request)

        return refuse

    attempts = []
    options = {'hour': 8, 'minute': 0, 'max_offset': 0}
    App = make()
    App = type('Guarded', (App,), {})
    App.cronjob(timezone='UTC', **options)(lambda request: attempts.append(request.cron_run))
    App.tween_factory(under=excview_tween_factory)(gate)
    with VirtualClock(App(), start=NEW_YEAR) as clock:
        clock.advance(days=1)
    assert outcomes(clock) == ['ok']
    assert [run.attempt for run in attempts] == [1]


@pytest.mark.parametrize(('overlap', 'expected'), [
    ('skip', ['ok 00', 'ok 03', 'skipped_overlap 01', 'skipped_overlap 02']),
    ('queue', ['ok 00', 'ok 01', 'ok 03', 'skipped_overlap 02']),
    ('allow', ['ok 00', 'ok 01', 'ok 02', 'ok 03']),
])
def test_a_view_that_takes_its_time_overlaps_with_the_next_run(overlap, expected):
    def slow(request):
        if request.cron_run.scheduled.hour == 0:
            clock.advance(hours=2, minutes=30)

    options = {'hour': '*', 'minute': 0, 'overlap': overlap, 'max_offset': 0, 'timeout': 86400}
    app = make((options, slow))()
    with VirtualClock(app, start=NEW_YEAR - timedelta(seconds=1)) as clock:
        clock.advance(hours=3, minutes=30)
    assert sorted(f'{run.outcome} {run.scheduled:%H}' for run in clock.runs) == expected


def test_a_view_that_takes_too_long_has_timed_out():
    options = {'hour': 8, 'minute': 0, 'timeout': 60}
    app = make((options, lambda request: clock.advance(seconds=61)))()
    with VirtualClock(app, start=NEW_YEAR) as clock:
        clock.advance(days=1)
    assert outcomes(clock) == ['timed_out']


def test_a_paused_job_is_skipped_until_it_is_resumed():
    with VirtualClock(make(({'hour': 8, 'minute': 0}, print))(), start=NEW_YEAR) as clock:
        clock.ledger.pause(None, 'print')
        clock.advance(days=1)
        clock.ledger.resume(None, 'print')
        clock.advance(days=1)
    assert outcomes(clock) == ['skipped_paused', 'ok']


def test_a_job_runs_once_if_it_says_so():
    app = make(({'hour': 8, 'minute': 0, 'once': True}, print))()
    with VirtualClock(app, start=NEW_YEAR) as clock:
        clock.advance(days=3)
    assert times(clock) == ['01 08:00']


def test_what_was_missed_is_told_however_it_is_found():
    app = make(({'minute': '*', 'catch_up': 60, 'max_offset': 0}, lambda request: None))()
    with VirtualClock(app, start=NEW_YEAR) as clock:
        for pass_by in (clock.restart, clock.suspend, clock.set):
            clock.runs.clear()
            pass_by(seconds=300)
            clock.advance(seconds=10)
            missed = [run for run in clock.runs if run.outcome == 'missed']
            assert missed[-1].until - missed[0].scheduled == timedelta(minutes=missed[0].count - 1)
            assert sum(run.count for run in clock.runs) == 5, pass_by


def test_a_deploy_loses_no_run_within_catch_up():
    app = make(({'hour': 8, 'minute': 0, 'max_offset': 0}, lambda request: None))()
    with VirtualClock(app, start=NEW_YEAR) as clock:
        clock.advance(days=1, hours=7, minutes=59)
        clock.restart(minutes=2)
        assert clock.runs[-1].scheduled == NEW_YEAR + timedelta(days=1, hours=8)
        clock.restart(minutes=2)
        clock.advance(days=1)
        assert times(clock) == ['01 08:00', '02 08:00', '03 08:00']
        clock.advance_to(NEW_YEAR + timedelta(days=3, hours=7))
        clock.restart(hours=2)   # longer than the usual 10 minutes
        clock.advance(days=1)
        states = {f'{row.run.scheduled}': row.state for row in clock.ledger.history()}
    assert times(clock) == ['01 08:00', '02 08:00', '03 08:00', '04 08:00', '05 08:00']
    assert [run.outcome for run in clock.runs] == ['ok', 'ok', 'ok', 'missed', 'ok']
    missed = NEW_YEAR + timedelta(days=3, hours=8)
    assert states[f'{missed.timestamp():.0f}'] == 'missed'


# -- one run ----------------------------------------------------------------------


def test_a_job_is_run_as_its_request():
    seen = []

    def cleanup(request):
        seen.append((request.method, request.cron_run))

    app = make(({'hour': 8, 'minute': 0}, cleanup))()
    for name in ('cleanup', cleanup, f'{__name__}.cleanup'.rpartition('.')[2]):
        response = run(app, name)
        assert response.headers['Cronsched-Outcome'] == 'ok'
    assert [method for method, _ in seen] == ['POST'] * 3
    run(app, 'cleanup', scheduled=NEW_YEAR, attempt=2)
    assert seen[-1][1].scheduled == NEW_YEAR
    assert seen[-1][1].attempt == 2


def test_what_a_view_raises_is_seen_by_the_test():
    def failing(request):
        raise LookupError('no such town')

    with pytest.raises(LookupError, match='no such town'):
        run(make(({'hour': 8, 'minute': 0}, failing))(), 'failing')


def test_who_asks_for_an_unknown_job_is_told_the_names():
    with pytest.raises(LookupError, match="'cleanup' names 0 jobs of this application: print"):
        run(make(({'hour': 8, 'minute': 0}, print))(), 'cleanup')


def test_a_run_by_hand_is_one_of_its_own():
    seen = []
    app = make(({'hour': 8, 'minute': 0}, lambda request: seen.append(request.cron_run.id)))()
    with VirtualClock(app, start=NEW_YEAR) as clock:
        assert [clock.run('<lambda>').headers['Cronsched-Outcome'] for _ in range(3)] == ['ok'] * 3
        assert len({*seen}) == len(clock.ledger.history()) == 3


# -- the application is left as it was ----------------------------------------------


@pytest.mark.parametrize('enabled', [True, False])
def test_nothing_is_left_behind(own_directories, enabled):
    app = make(({'hour': 8, 'minute': 0}, print), enabled=enabled)()
    registry = app.config.cronjob_registry
    before, threads = dict(vars(registry)), len(os.listdir('/proc/self/task'))
    descriptors = os.listdir('/proc/self/fd')
    with VirtualClock(app, start=NEW_YEAR) as clock:
        clock.advance(days=2)
        assert len(os.listdir('/proc/self/task')) == threads
    run(app, 'print')
    assert vars(registry) == before
    assert os.listdir('/proc/self/fd') == descriptors
    assert list((own_directories / 'state').iterdir()) == []
    assert list((own_directories / 'run').iterdir()) == []
    assert list(Path(scheduler.__file__).parent.glob('cronsched-*')) == []


def test_an_application_whose_jobs_are_called_really_is_refused():
    app = make(({'hour': 8, 'minute': 0}, print))()
    Client(app).get('/page')   # a first request, and nothing disabled
    with pytest.raises(SchedulerError, match=r'write the setting cronjobs\.enabled = False'):
        run(app, 'print')


def test_a_visitor_starts_the_real_scheduler_again_after_the_test():
    app = make(({'hour': 8, 'minute': 0}, print))()
    with VirtualClock(app, start=NEW_YEAR):
        Client(app).get('/page')
        assert 'cronsched' not in names_of_threads()
    Client(app).get('/page')
    assert 'cronsched' in names_of_threads()


def names_of_threads():
    return [thread.name for thread in threading.enumerate()]


# -- other applications -------------------------------------------------------------


def make_towns(runs, base=morepath.App):
    Town = make(({'hour': 8, 'minute': 0}, lambda request: runs.append(request.app.name)))
    Town.__init__ = lambda self, name: setattr(self, 'name', name)
    Town.application_id = property(lambda self: f'towns/{self.name}')
    Page = type('Page', (), {})
    Town.path(path='')(Page)
    Town.view(model=Page)(lambda self, request: 'hello')

    class Server(base):
        pass

    Server.mount(path='towns/{name}', app=Town)(lambda name: Town(name))
    Server.commit()
    return Server()


def test_applications_mounted_in_another_have_their_own_runs():
    runs = []
    with VirtualClock(make_towns(runs), '/towns/zug', '/towns/uri', start=NEW_YEAR) as clock:
        clock.advance(days=2)
        assert {run.application_id for run in clock.runs} == {'towns/zug', 'towns/uri'}
        clock.run('<lambda>', '/towns/bern')
    assert sorted(runs) == ['bern', 'uri', 'uri', 'zug', 'zug']
    run(make_towns(runs), '<lambda>', path='/towns/chur')
    assert runs[-1] == 'chur'


def test_an_application_id_starts_with_its_first_request_too():
    runs = []
    server = make_towns(runs, CronApp)
    with VirtualClock(server, '/towns/zug', start=NEW_YEAR) as clock:
        clock.advance(days=1)
        Client(server).get('/towns/uri')
        clock.advance(days=1)
    assert sorted(runs) == ['uri', 'zug', 'zug']


@pytest.mark.parametrize('strict', [True, False])
def test_a_framework_like_that_of_onegov_is_driven_too(strict):
    App = make_app(strict=strict)
    seen = []

    @App.cronjob(hour=8, minute=0, timezone='Europe/Zurich')
    def daily(request):
        seen.append((request.method, request.cron_run.scheduled.hour))

    App.commit()
    app = App()
    with VirtualClock(app, start=NEW_YEAR) as clock:
        clock.advance(days=30)
        assert len(clock.ledger.history()) == 30
    assert seen == [('GET', 8)] * 30
    assert run(app, daily).status_code == 200


# -- pytest --------------------------------------------------------------------------

A_TEST = '''
from datetime import UTC, datetime
from cronsched.morepath import CronApp

class App(CronApp):
    pass

@App.cronjob(hour=8, minute=0, timezone='UTC')
def daily(request):
    pass

def test_it_runs_daily(virtual_clock):
    clock = virtual_clock(App(), start=datetime(2026, 1, 1, tzinfo=UTC))
    clock.advance(days=7)
    assert len(clock.runs) == 7
'''


def test_there_is_a_fixture(tmp_path):
    (tmp_path / 'test_app.py').write_text(A_TEST)
    done = subprocess.run(
        [sys.executable, '-m', 'pytest', '-q', '-p', 'cronsched.testing.pytest_plugin', tmp_path],
        cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )
    assert '1 passed' in done.stdout, done.stdout
