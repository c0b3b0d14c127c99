from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import partial
from random import Random
from types import SimpleNamespace
from urllib.parse import unquote_plus
from zoneinfo import ZoneInfo

import pytest
import pytz
import time_machine
from freezegun import freeze_time

from cronsched.errors import CronError, ExpressionError, OptionError, ZoneError
from cronsched.jobs.options import Policy
from cronsched.morepath.job import Job

ZURICH = ZoneInfo('Europe/Zurich')


def cleanup(request):
    pass


def make(**options) -> Job:
    return Job(cleanup, **{'hour': 8, 'minute': 0, 'timezone': 'Europe/Zurich'} | options)


class Request:
    def __init__(self, url='http://127.0.0.1:8080/cronjobs/1'):
        self.app = SimpleNamespace(
            application_id='org/zug', sign=lambda text, salt: f'{text}.{salt}/+'
        )
        self.url = url

    def link(self, job):
        return self.url


def test_it_is_named_after_its_function():
    assert make().name == 'cleanup'
    assert make(name='tidy').name == 'tidy'


def test_a_function_without_a_name_needs_one():
    with pytest.raises(OptionError, match='write name='):
        Job(partial(cleanup), 8, 0, 'UTC')
    assert Job(partial(cleanup), 8, 0, 'UTC', name='tidy').name == 'tidy'


def test_it_keeps_hour_and_minute_as_they_were_written():
    job = make(hour='06', minute='*/5')
    assert (job.hour, job.minute) == ('06', '*/5')


@pytest.mark.parametrize(
    'zone', ['Europe/Zurich', ZURICH, pytz.timezone('Europe/Zurich')], ids=['name', 'info', 'pytz']
)
def test_it_takes_a_zone_in_any_form(zone):
    job = make(timezone=zone)
    assert job.timezone.utcoffset(datetime(2026, 7, 1)) == timedelta(hours=2)


def test_its_title_is_its_name_until_it_has_an_address():
    assert make().title == 'cleanup'
    bound = make().as_request_call(Request('https://x.org/cronjobs/1'))
    assert bound.title == 'x.org/cronjobs/1'


@pytest.mark.parametrize('url', ['https://x/cronjobs/1', 'http://zürich/\x00'])
def test_its_offset_is_seeded_by_the_address_as_in_the_original(url):
    assert make().offset == Random('cleanup').randint(0, 30_000) / 1000
    bound = make().as_request_call(Request(url))
    assert bound.offset == Random(url).randint(0, 30_000) / 1000


def test_its_offset_can_be_bounded_and_set():
    assert make(max_offset=0).offset == 0
    assert make(max_offset=0).as_request_call(Request()).offset == 0
    job = make()
    job.offset = 0
    assert job.offset == 0


def test_its_id_is_signed_by_the_application():
    job = make()
    job.app = Request().app
    assert unquote_plus(job.id) == 'cleanup.cronjob-id/+'
    assert '/' not in job.id


def test_binding_keeps_everything_but_the_function():
    job = make(once=True, retries=2)
    bound = job.as_request_call(Request())
    assert (bound.hour, bound.minute, bound.once) == (8, 0, True)
    assert bound.options == {'retries': 2}
    assert bound.schedule is job.schedule
    assert bound.function is not cleanup


@pytest.mark.parametrize(
    ('now', 'expected'),
    [
        ((8, 14, 59), (1, 8, 15)),
        ((8, 15, 0), (1, 8, 15)),
        ((8, 15, 1), (2, 8, 15)),
    ],
)
@pytest.mark.parametrize('freeze', [freeze_time, partial(time_machine.travel, tick=False)])
def test_it_runs_next_at_the_time_that_python_believes_in(freeze, now, expected):
    job = make(minute=15)
    job.offset = 0
    with freeze(datetime(2019, 1, 1, *now, tzinfo=ZURICH).astimezone(UTC)):
        assert job.next_runtime() == datetime(2019, 1, *expected, tzinfo=ZURICH)


def test_a_run_that_waits_for_its_offset_is_still_to_come():
    job = make()
    job.offset = 20
    with freeze_time(datetime(2019, 1, 1, 8, 0, 10, tzinfo=ZURICH).astimezone(UTC)):
        assert job.next_runtime() == datetime(2019, 1, 1, 8, 0, 20, tzinfo=ZURICH)
    with freeze_time(datetime(2019, 1, 1, 8, 0, 21, tzinfo=ZURICH).astimezone(UTC)):
        assert job.next_runtime() == datetime(2019, 1, 2, 8, 0, 20, tzinfo=ZURICH)


def test_the_runtimes_of_a_day_leave_out_the_past():
    job = make(hour='*/6', minute=30)
    job.offset = 0.5
    with freeze_time(datetime(2019, 1, 1, 6, 30, 1, tzinfo=ZURICH).astimezone(UTC)):
        today = [each.strftime('%d %H:%M:%S.%f') for each in job.runtimes(date(2019, 1, 1))]
        assert today == ['01 12:30:00.500000', '01 18:30:00.500000']
        assert len(list(job.runtimes(date(2019, 1, 2)))) == 4
        assert list(job.runtimes(date(2018, 12, 31))) == []


@freeze_time('2019-01-01 23:30')
def test_a_day_is_a_day_in_the_zone_of_the_job():
    job = make(hour=0, minute=0, timezone='Asia/Tokyo', max_offset=0)
    assert job.next_runtime() == datetime(2019, 1, 3, tzinfo=ZoneInfo('Asia/Tokyo'))
    assert [each.day for each in job.runtimes(date(2019, 1, 3))] == [3]


def test_a_day_without_a_run_is_an_error_when_it_is_asked_for():
    job = Job(cleanup, expression='0 9 * * MON', timezone='UTC', max_offset=0)
    with freeze_time('2026-11-24 12:00'):   # a Tuesday
        assert job.next_runtime() == datetime(2026, 11, 30, 9, tzinfo=UTC)
        with pytest.raises(RuntimeError, match='could not find a new runtime for job cleanup'):
            job.next_runtime(date(2026, 11, 25))


def test_a_schedule_that_never_comes_has_no_next_runtime():
    with pytest.raises(CronError, match='could not find'):
        Job(cleanup, expression='0 0 30 2 *', timezone='UTC').next_runtime()


def test_an_offset_over_a_change_of_the_clocks_counts_real_seconds():
    job = make(hour=1, minute=59, max_offset=0)
    job.offset = 90
    with freeze_time('2026-03-29 00:30'):
        assert job.next_runtime() == datetime(2026, 3, 29, 1, 0, 30, tzinfo=UTC)
        assert job.next_runtime().isoformat() == '2026-03-29T03:00:30+02:00'


@pytest.mark.parametrize(
    ('options', 'error', 'says'),
    [
        ({'timezone': 'Europe/Zurch'}, ZoneError, 'Europe/Zurich'),
        ({'timezone': None}, OptionError, "timezone='UTC'"),
        ({'hour': 25}, ExpressionError, '0-23'),
        ({'hour': '*/5x'}, ExpressionError, 'x'),
        ({'minute': '²'}, ExpressionError, 'write 2'),
        ({'minute': -1}, ExpressionError, 'remove the -'),
        ({'minute': True}, ExpressionError, 'not a number'),
        ({'minute': None}, ExpressionError, "minute='\\*'"),
        ({'expression': '0 9 * * *'}, ExpressionError, 'write one of them'),
        ({'retries': -1}, OptionError, '0 to 1000'),
        ({'retries': True}, OptionError, 'whole number'),
        ({'timeout': 0}, OptionError, 'seconds'),
        ({'timeout': float('nan')}, OptionError, 'seconds'),
        ({'overlap': 'both'}, OptionError, "'allow'"),
        ({'catch_up': -1}, OptionError, 'None'),
        ({'coalesce': 'no'}, OptionError, 'True or False'),
        ({'max_offset': 1e9}, OptionError, '86400'),
        ({'tiemout': 3}, OptionError, "did you mean 'timeout'"),
    ],
)
def test_what_could_not_run_is_an_error_that_says_what_to_write(options, error, says):
    with pytest.raises(error, match=says):
        make(**options)


def test_every_error_is_both_what_the_original_and_its_successor_raise():
    for kind in (RuntimeError, ValueError):
        with pytest.raises(kind):
            make(hour=25)


def test_finer_fields_are_options():
    job = make(second='*/10')
    assert job.schedule.expression == '*/10 0 8 * * *'


def test_options_may_be_durations():
    assert make(timeout=timedelta(minutes=15)).options == {'timeout': 900.0}


def test_options_lie_over_the_settings_and_these_over_the_defaults():
    policy = Policy.of({'retries': 1, 'timeout': 5.0}, make(retries=2).options)
    assert (policy.retries, policy.timeout, policy.overlap) == (2, 5.0, 'skip')


def test_it_may_be_subscripted_as_the_generic_original():
    assert Job[int].__origin__ is Job
