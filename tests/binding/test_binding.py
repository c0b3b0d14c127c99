"""The native module under wrong and hostile arguments, and what it keeps."""

from __future__ import annotations

import _thread
import math
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, tzinfo
from typing import Any

import pytest

from cronsched import CronError, ExpressionError, Schedule, SchedulerError, _cronsched
from cronsched._cronsched import (
    Delivery,
    Scheduler,
    Zone,
    forget_zones,
    seeded_offset,
    set_zone_resolver,
)
from cronsched.schedule import zones

HOURLY = Schedule('0 * * * *')
NO_TIMES = [math.nan, math.inf, -math.inf, 1e300, -1e300, 2e10]


class Setup:
    """A manual scheduler with one call, due each hour."""

    def __init__(self, **options: Any) -> None:
        self.native = Scheduler(manual=1, **options)
        self.job = self.native.define('job', HOURLY)
        self.app = self.native.open('app')
        self.call = self.native.add(self.app, self.job, 'http://x/', offset=0)

    def take(self) -> Delivery:
        self.native.advance(3599)
        delivery = self.native.take()
        assert delivery is not None
        return delivery


def test_a_call_keeps_the_offset_that_it_was_added_with() -> None:
    setup = Setup()
    native = setup.native
    given = native.add(setup.app, setup.job, 'http://x/', offset=12.345)
    seeded = native.add(setup.app, setup.job, 'http://x/seed')
    assert [native.offset(call) for call in (setup.call, given, seeded)] == [
        0.0, 12.345, seeded_offset('http://x/seed')]
    native.remove(given)
    with pytest.raises(CronError, match='no such handle'):
        native.offset(given)


# -- times


@pytest.mark.parametrize('seconds', [*NO_TIMES, -1])
def test_an_instant_is_in_the_years_1970_to_2199(seconds: float) -> None:
    setup = Setup()
    with pytest.raises(ValueError, match='manual is UTC seconds'):
        Scheduler(manual=seconds)
    with pytest.raises(ValueError, match='due is UTC seconds'):
        setup.native.add(setup.app, setup.job, 'http://x/', due=seconds)


@pytest.mark.parametrize('seconds', NO_TIMES)
def test_a_manual_clock_moves_by_a_number(seconds: float) -> None:
    native = Setup().native
    for elapsed, step in ((seconds, 0.0), (0.0, seconds)):
        with pytest.raises(ValueError, match='at most 230 years'):
            native.advance(elapsed, step)
    assert native.idle() == 3599


@pytest.mark.parametrize(('elapsed', 'step'), [(7e9, 7e9), (-1, 0), (0, -2), (0, 7258118400)])
def test_a_manual_clock_goes_forward_until_2199(elapsed: float, step: float) -> None:
    native = Setup().native
    with pytest.raises(CronError, match='from 1970 to 2199'):
        native.advance(elapsed, step)
    assert native.idle() == 3599


@pytest.mark.parametrize('scheduled', [-2**63, -1, 7258118400, 10**11, 2**63 - 1])
def test_a_run_is_fired_for_a_time_from_1970_to_2199(scheduled: int) -> None:
    setup = Setup()
    with pytest.raises(CronError, match='from 1970 to 2199'):
        setup.native.fire(setup.call, scheduled)
    assert setup.native.stats()['waiting'] == 0


@pytest.mark.parametrize('seconds', [math.nan, math.inf, 1e300])
def test_an_attempt_took_a_number_of_seconds(seconds: float) -> None:
    setup = Setup()
    run = setup.take().run
    with pytest.raises(ValueError, match='took is a number of seconds'):
        setup.native.complete(run, took=seconds)
    setup.native.complete(run)   # it is still to be completed


@pytest.mark.parametrize(('retry_after', 'rests'), [
    (2**31, 3600), (2**32, 3600), (2**64, 3600), (0, 1), (2, 2),
])
def test_a_retry_after_is_bounded_and_never_cut(retry_after: int, rests: float) -> None:
    native = Scheduler(manual=0)
    daily = native.define('job', Schedule('0 0 * * *'))
    native.add(native.open('app'), daily, 'http://x/', offset=0)
    native.advance(86400)
    delivery = native.take()
    assert delivery
    native.complete(delivery.run, 503, retry_after=retry_after)
    assert native.idle() == rests


def test_a_retry_after_is_not_negative() -> None:
    setup = Setup()
    run = setup.take().run
    for seconds in (-1, -2**31, -2**64):
        with pytest.raises(ValueError, match='retry_after is at least 0'):
            setup.native.complete(run, 503, retry_after=seconds)


# -- datetimes


class Liar(datetime):
    """Its UTC offset is not a timedelta."""

    def utcoffset(self) -> Any:
        return object()


def test_a_utc_offset_that_is_no_timedelta_is_an_error() -> None:
    liar = Liar(2026, 1, 1, tzinfo=UTC)
    for ask in (HOURLY.next, HOURLY.previous, HOURLY.matches):
        with pytest.raises(TypeError, match='no timedelta'):
            ask(liar)


@pytest.mark.parametrize('now', [math.nan, math.inf, 1e300, -1e300])
def test_a_clock_that_shows_no_time_is_an_error(
    monkeypatch: pytest.MonkeyPatch, now: float
) -> None:
    monkeypatch.setattr(time, 'time', lambda: now)
    for ask in (HOURLY.next, HOURLY.previous):
        with pytest.raises(ValueError, match='no year from 1 to 9999'):
            ask()


# -- handles


class Equal(int):
    """Says that it is any other number."""

    shown: int

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return hash(self.shown)


def test_a_run_is_completed_by_its_very_number() -> None:
    setup = Setup()
    run = setup.take().run
    other = Equal(1)
    other.shown = run
    for handle in (other, Equal(run), run + 8, True, -1, 2**70):
        with pytest.raises(CronError, match='no such run'):
            setup.native.complete(handle)
    setup.native.complete(run)
    with pytest.raises(CronError, match='no such run'):
        setup.native.complete(run)


# -- what is at fault


@pytest.mark.parametrize(('expression', 'marked'), [
    ('ä 9 * * *', 'ä'),
    ('0 9\u201317 * * *', '\u2013'),
    ('\uff15 9 * * *', '\uff15'),
    ('5\u00a05 * 9 *', '5\u00a05 * 9 *'),
])
def test_a_mistake_is_marked_by_characters(expression: str, marked: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        Schedule(expression)
    start, length = caught.value.position, caught.value.length
    assert start is not None
    assert length is not None
    assert expression[start:start + length] == marked
    carets = str(caught.value).splitlines()[-1]
    assert carets == ' ' * (start + 2) + '^' * length


# -- what is sent


def test_a_user_agent_is_sent_as_it_is() -> None:
    for agent in ('ä' * 100, 'x' * 1000):
        assert Setup(user_agent=agent).take().headers['User-Agent'] == agent


@pytest.mark.parametrize('agent', ['a\r\nHost: b', 'a\n', '\x1f', '\x7f'])
def test_a_user_agent_is_one_line(agent: str) -> None:
    with pytest.raises(CronError, match='control character'):
        Scheduler(manual=0, user_agent=agent)


# -- hooks


@pytest.fixture
def resolver() -> Iterator[Callable[[Callable[[Any], Any]], None]]:
    forget_zones()
    yield set_zone_resolver
    set_zone_resolver(zones.resolve)
    forget_zones()


def test_an_answer_that_was_forgotten_meanwhile_is_not_kept(
    resolver: Callable[[Callable[[Any], Any]], None],
) -> None:
    asked = []

    def resolve(timezone: str | tzinfo) -> Zone:
        asked.append(timezone)
        zone = zones.resolve(timezone)
        if len(asked) == 1:
            forget_zones()   # the file has changed, says another thread
        return zone

    resolver(resolve)
    for _ in range(3):
        Schedule('0 9 * * *', 'Europe/Zurich')
    assert asked == ['Europe/Zurich'] * 2


# -- who owns what, and who makes which attempt ----------------------------------


def test_ownership_is_told_as_state():
    native = Scheduler(manual=0.5)
    job = native.define('job', Schedule('0 0 1 1 *'))
    apps = [native.open(f'org/{number}') for number in range(100)]
    assert native.owned() == {}   # without a call there is nothing to own
    calls = [native.add(app, job, 'http://127.0.0.1/') for app in apps]
    assert native.owned() == dict.fromkeys(apps, 0.5)
    assert [app for _, app, owned, since in native.changes() if owned] == apps
    newest = native.stats()['ownership']
    assert native.changes(newest) == []
    native.advance(10)
    native.remove(calls[7])
    assert apps[7] not in native.owned()
    assert [change[1:] for change in native.changes(newest)] == [(apps[7], False, 10.5)]
    assert len(native.changes(0, 10)) == 10


def test_a_further_attempt_is_advised_and_fired():
    native = Scheduler(manual=0.0)
    app = native.open('org/zug')
    job = native.define('job', Schedule('0 * * * *'), retries=1, backoff=8, claims=True)
    call = native.add(app, job, 'http://127.0.0.1/', offset=0)
    native.advance(3600)
    native.complete(native.take().run, 500)
    ended, = (event for event in native.events() if event.kind == 'ended')
    assert 3608 <= ended.retry_at <= 3609
    assert native.take() is None
    native.fire(call, 3600, attempt=2, at=ended.retry_at)
    native.fire(call, 3600, attempt=2, at=ended.retry_at + 60)   # one and the same
    assert native.take() is None
    native.advance(9)
    delivery = native.take()
    assert (delivery.scheduled, delivery.attempt) == (3600, 2)
    native.complete(delivery.run, 500)
    ended, = (event for event in native.events() if event.kind == 'ended')
    assert ended.retry_at == 0
    with pytest.raises(SchedulerError):
        native.fire(call, 3600, attempt=0)


def test_what_is_due_while_the_run_before_has_no_answer_is_held():
    native = Scheduler(manual=0.0)
    app = native.open('org/zug')
    job = native.define('job', Schedule('* * * * *'), claims=True)
    call = native.add(app, job, 'http://127.0.0.1/', offset=0)
    native.advance(60)
    delivery = native.take()
    native.advance(60)
    held, = (event for event in native.events() if event.kind == 'held')
    assert (held.call, held.scheduled) == (call, 120)
    assert native.skip(call, 180) is False
    assert native.skip(call, 120) is True
    assert native.skip(call, 120) is False
    skipped, = native.events()
    assert (skipped.kind, skipped.detail) == ('skipped', 'its last run still executes')
    native.complete(delivery.run, 200, outcome='ok')
    with pytest.raises(SchedulerError):
        native.skip(12345, 120)


def test_an_answer_that_is_not_ours_is_no_success():
    native = Scheduler(manual=0.0)
    app = native.open('org/zug')
    job = native.define('job', Schedule('* * * * *'), claims=True)
    native.add(app, job, 'http://127.0.0.1:8080/cronjobs/job', offset=0)
    native.advance(60)
    native.complete(native.take().run, 200)
    ended, = (event for event in native.events() if event.kind == 'ended')
    assert ended.outcome == 'failed'
    assert ended.detail.startswith('something else answers at http://127.0.0.1:8080: ')


# -- after a fork -----------------------------------------------------------------


def test_where_no_python_code_runs_the_fork_hook_resumes_at_once():
    """A server that forks in C: there is no next step of Python code."""
    resumed = []
    _cronsched.set_fork_resume(lambda: resumed.append(threading.get_ident()))
    try:
        # The thread's function is the hook itself: no Python code is below it.
        thread = _thread.start_new_thread(_cronsched.resume_after_fork, ())
        lock = threading.Lock()
        lock.acquire()
        lock.acquire(timeout=1)   # the main thread takes no step
        assert resumed == [thread]
    finally:
        _cronsched.set_fork_resume(None)
