"""What the original's own tests ask of it, through its own names."""

from __future__ import annotations

import time
from datetime import datetime
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from framework import make_app
from freezegun import freeze_time
from servers import get, served
from webtest import TestApp as Client

from cronsched.onegov import (
    CRONJOB_FORMAT,
    CRONJOB_MAX_DURATION,
    ApplicationBoundCronjobs,
    Job,
    parse_cron,
    register_cronjob,
)

ZURICH = ZoneInfo('Europe/Zurich')


def test_a_job_that_is_due_by_the_clock_of_the_test_runs_at_once_and_once():
    App = make_app()
    runs = []

    @App.cronjob(hour='*', minute='*', timezone='UTC', once=True)
    def run_test_cronjob(request):
        runs.append(request.cron_run)

    App.commit()
    with served(App()) as url, freeze_time('2016-01-01 08:00'):
        assert get(url)[0] == 200
        for _ in range(1000):   # ten seconds; the clock of the test stands still
            if runs:
                break
            time.sleep(0.01)
        time.sleep(0.2)
    assert len(runs) == 1


def test_nothing_starts_where_it_is_switched_off():
    App = make_app()

    @App.cronjob(hour=8, minute=0, timezone='UTC')
    def run_test_cronjob(request):
        pass

    App.setting(section='cronjobs', name='enabled')(lambda: False)
    App.commit()
    app = App()
    Client(app).get('/')
    assert not app.config.cronjob_registry.cronjob_threads


@pytest.mark.parametrize(
    ('value', 'field', 'expected'),
    [
        ('*', 'hour', tuple(range(24))),
        ('*/2', 'hour', tuple(range(0, 24, 2))),
        ('5', 'hour', (5,)),
        (5, 'hour', (5,)),
        ('*/20', 'minute', (0, 20, 40)),
        ('*/60', 'minute', (0,)),
    ],
)
def test_a_field_is_read_as_it_was(value, field, expected):
    assert tuple(parse_cron(value, field)) == expected


def test_a_field_that_is_neither_hour_nor_minute_is_not_implemented():
    with pytest.raises(NotImplementedError):
        parse_cron('*', 'day')


@pytest.mark.parametrize('value', ['*/5x', '25', '*/0', '²', -1, True, None, '', 'x'])
def test_what_the_original_took_by_accident_is_an_error(value):
    for kind in (ValueError, RuntimeError):
        with pytest.raises(kind):
            parse_cron(value, 'hour')


def test_the_offset_is_that_of_the_name_and_the_same_each_time():
    job = Job(test_the_offset_is_that_of_the_name_and_the_same_each_time, 8, 15, 'Europe/Zurich')
    same = Job(test_the_offset_is_that_of_the_name_and_the_same_each_time, 8, 15, 'Europe/Zurich')
    other = Job(lambda request: None, 8, 15, 'Europe/Zurich')
    assert job.offset == same.offset != 0
    assert other.offset != job.offset


@pytest.mark.parametrize(
    ('hour', 'minute', 'now', 'expected'),
    [
        (8, 15, (1, 8, 14, 59), (1, 8, 15)),
        (8, 15, (1, 8, 15, 0), (1, 8, 15)),
        (8, 15, (1, 8, 15, 1), (2, 8, 15)),
        ('*', 15, (1, 8, 14, 59), (1, 8, 15)),
        ('*', 15, (1, 8, 15, 0), (1, 8, 15)),
        ('*', 15, (1, 8, 15, 1), (1, 9, 15)),
        (8, '*', (1, 8, 15, 0), (1, 8, 15)),
        (8, '*', (1, 8, 15, 1), (1, 8, 16)),
        ('*', '*/15', (1, 8, 15, 0), (1, 8, 15)),
        ('*', '*/15', (1, 8, 15, 1), (1, 8, 30)),
        ('*', '*/15', (1, 8, 45, 1), (1, 9, 0)),
        ('*/2', '*/15', (1, 8, 14, 59), (1, 8, 15)),
        ('*/2', '*/15', (1, 8, 45, 0), (1, 8, 45)),
        ('*/2', '*/15', (1, 8, 45, 1), (1, 10, 0)),
        ('*/2', '*/15', (1, 23, 59, 59), (2, 0, 0)),
    ],
)
def test_the_next_runtime_is_that_of_the_original(hour, minute, now, expected):
    job = Job(lambda request: None, hour=hour, minute=minute, timezone='Europe/Zurich')
    job.offset = 0
    with freeze_time(datetime(2019, 1, *now, tzinfo=ZURICH)):
        assert job.next_runtime() == datetime(2019, 1, *expected, tzinfo=ZURICH)


def test_the_url_of_a_job_can_be_opened_by_a_test():
    App = make_app()
    runs = []

    @App.cronjob(hour=8, minute=30, timezone='Europe/Zurich')
    def send_daily_ticket_statistics(request):
        runs.append(request.app)

    App.setting(section='cronjobs', name='enabled')(lambda: False)
    App.commit()
    app = App()
    job = next(
        job for job in app.config.cronjob_registry.cronjobs.values() if 'daily' in job.name
    )
    job.app = app
    client = Client(app)
    with freeze_time('2016-01-04 08:30'):
        client.get(f'/cronjobs/{job.id}')
        client.get(f'/cronjobs/{job.id}')
    assert runs == [app, app]


def test_the_directive_of_the_framework_may_register_by_itself():
    registry = SimpleNamespace()

    def cleanup(request):
        pass

    register_cronjob(
        registry=registry, function=cleanup, hour=8, minute=0, timezone='UTC', once=False
    )
    assert [job.name for job in registry.cronjobs.values()] == [cleanup.__qualname__]


def test_the_tween_of_the_framework_may_start_by_itself():
    registry = SimpleNamespace()
    register_cronjob(registry, lambda request: None, 8, 0, 'UTC')
    request = SimpleNamespace(
        app=SimpleNamespace(application_id='municipalities/new-york'),
        link=lambda job: 'http://127.0.0.1:1/cronjobs/1',
    )
    thread = ApplicationBoundCronjobs(request, registry.cronjobs.values())
    registry.cronjob_threads[request.app.application_id] = thread
    thread.start()
    assert thread.application_id == 'municipalities/new-york'
    assert [job.title for job in thread.jobs] == ['127.0.0.1:1/cronjobs/1']
    assert thread.daemon
    assert thread.is_alive()
    thread.stop()


def test_its_constants_are_there():
    assert CRONJOB_MAX_DURATION == 30
    assert CRONJOB_FORMAT.match('*/5')
