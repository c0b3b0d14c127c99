"""What happens when somebody sets the clock, or the machine sleeps.

The native scheduler with a clock moved by hand is asked; what it should have
done is counted out here, from the rules and the schedule alone.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from cronsched import Schedule
from cronsched._cronsched import Scheduler
from cronsched.morepath import CronApp
from cronsched.testing import VirtualClock

START = datetime(2026, 6, 10, 6, 0, tzinfo=UTC)
BEFORE = 4220.5          # seconds that pass before the step, ending at no run
AFTER = 5 * 3600
CATCH_UP = 600
ROLLBACK = 3 * 3600      # so far back nothing runs again
MOST_COUNTED = 100_000

STEPS = {
    f'{sign}{name}': factor * seconds
    for name, seconds in {
        '1 s': 1, '1 min': 60, '1 h': 3600, '2 h 59': 10_740, '3 h 01': 10_860,
        '1 day': 86_400, '10 years': 315_532_800,
    }.items()
    for sign, factor in (('+', 1), ('-', -1))
}
EXPRESSIONS = {
    'fixed, just before': '10 7 * * *',      # 20.5 s before the step
    'fixed, just after': '11 7 * * *',       # 39.5 s after it
    'fixed, some hours ahead': '30 9 * * *',
    'each minute': '* * * * *',
    'each quarter': '*/15 * * * *',
    'every 20 s': '*/20 * * * * *',
    'each hour of some': '5 6-10 * * *',
}


class Machine:
    """One call of a scheduler whose clock is moved by hand; each attempt is
    answered at once."""

    def __init__(self, expression, **options):
        self.schedule = Schedule(expression, 'UTC')
        self.native = Scheduler(manual=START.timestamp())
        app = self.native.open('org/zug')
        job = self.native.define('job', self.schedule, catch_up=CATCH_UP, **options)
        self.native.add(app, job, 'http://127.0.0.1/', offset=0)
        self.now = START.timestamp()
        self.sent = []      # (scheduled, at)
        self.missed = []    # (first, last, count)

    def work(self):
        while (delivery := self.native.take()) is not None:
            self.sent.append((delivery.scheduled, self.now))
            self.native.complete(delivery.run, outcome='ok')
        for event in self.native.events():
            if event.kind == 'missed':
                self.missed.append((event.scheduled, event.until, event.count))

    def pass_(self, seconds):
        """In the steps of a thread that sleeps until something is due."""
        left = seconds
        while left > 0:
            idle = self.native.idle()
            elapsed = left if idle is None else min(max(idle, 1e-9), left)
            self.native.advance(elapsed)
            self.now += elapsed
            left -= elapsed
            self.work()

    def step(self, seconds):
        self.native.advance(0.0, seconds)
        self.now += seconds
        self.work()

    def suspend(self, seconds):
        self.native.advance(seconds)
        self.now += seconds
        self.work()

    def scheduled(self, after, until):
        """Every scheduled time in (after, until]."""
        found, at = [], self.schedule.next_epoch(int(after))
        while at is not None and at <= until:
            if at > after:
                found.append(at)
            at = self.schedule.next_epoch(at)
        return found


def late(machine, after, until, coalesce):
    """Of the times in (after, until], those that fire at `until`."""
    within = machine.scheduled(max(after, until - CATCH_UP), until)
    return within[-1:] if coalesce else within


def expected(machine, step, coalesce):
    """The scheduled times that are sent, in order."""
    set_at = START.timestamp() + BEFORE
    now, end = set_at + step, set_at + step + AFTER
    sent = machine.scheduled(START.timestamp() - 1, set_at)
    if step >= 0:
        return sent + late(machine, set_at, now, coalesce) + machine.scheduled(now, end)
    if -step <= ROLLBACK:   # what was before the start never ran
        never = [at for at in machine.scheduled(now, end) if at < START.timestamp()]
        return sent + never + machine.scheduled(set_at, end)
    return sent + machine.scheduled(now, end)


@pytest.fixture(params=[True, False], ids=['coalesce', 'each'])
def coalesce(request):
    return request.param


@pytest.mark.parametrize('step', STEPS.values(), ids=STEPS)
@pytest.mark.parametrize('expression', EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_a_step_of_the_clock_loses_repeats_and_bursts_nothing(expression, step, coalesce):
    machine = Machine(expression, coalesce=coalesce)
    machine.pass_(BEFORE)
    machine.step(step)
    machine.pass_(AFTER)
    sent = [scheduled for scheduled, _ in machine.sent]
    assert sent == expected(machine, step, coalesce)
    if step >= -ROLLBACK:
        assert len({*sent}) == len(sent)
    assert all(scheduled <= at for scheduled, at in machine.sent)   # never early
    check_missed(machine, sent, START.timestamp() + BEFORE, step)


@pytest.mark.parametrize('hours', [0.01, 1, 8, 100, 87_600])
@pytest.mark.parametrize('expression', EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_a_suspend_is_caught_up_like_a_step_forward(expression, hours, coalesce):
    machine = Machine(expression, coalesce=coalesce)
    machine.pass_(BEFORE)
    machine.suspend(hours * 3600)
    machine.pass_(AFTER)
    sent = [scheduled for scheduled, _ in machine.sent]
    assert sent == expected(machine, hours * 3600, coalesce)
    check_missed(machine, sent, START.timestamp() + BEFORE, hours * 3600)


def check_missed(machine, sent, set_at, step):
    """Every scheduled time that was jumped over is either sent or told as
    missed, none is both, and the ranges say how many they stand for."""
    if step <= 0:
        assert machine.missed == []
        return
    jumped = (
        machine.scheduled(set_at, set_at + step) if step <= 400 * 3600 else None
    )
    told = []
    for first, last, count in machine.missed:
        if jumped is None:
            assert set_at < first <= last <= set_at + step
            continue
        times = machine.scheduled(first - 1, last)
        assert count == len(times)
        told += times
    if jumped is not None:
        told += [each for each in sent if set_at < each <= set_at + step]
        assert sorted(told) == jumped
    else:
        assert len(machine.missed) == 1
        assert machine.missed[0][2] == -1 or machine.missed[0][2] <= MOST_COUNTED


def test_a_small_step_back_repeats_no_second_of_it():
    machine = Machine('* * * * * *')
    machine.pass_(10)
    for _ in range(20):
        machine.step(-2.5)
        machine.pass_(3.5)
    sent = [scheduled for scheduled, _ in machine.sent]
    assert all(second == first + 1 for first, second in pairwise(sent))


def test_the_clock_may_swing_without_end():
    machine = Machine('* * * * *')
    machine.pass_(3600)
    for step in (7200, -7200, 3600, -3600, 60, -60) * 10:
        machine.step(step)
        machine.pass_(30)
    sent = [scheduled for scheduled, _ in machine.sent]
    assert len({*sent}) == len(sent)


def test_a_retry_waits_for_time_and_not_for_the_clock():
    machine = Machine('0 7 * * *', retries=1, backoff=60.0)
    machine.native.advance(3600)
    first = machine.native.take()
    machine.native.complete(first.run, 500)
    machine.native.advance(0.0, 600.0)       # set, but no time has passed
    assert machine.native.take() is None
    machine.native.advance(80.0)
    assert machine.native.take().attempt == 2


# -- with a ledger ----------------------------------------------------------------


@pytest.mark.parametrize('step', STEPS.values(), ids=STEPS)
def test_the_view_is_never_run_twice_for_a_time(step, coalesce):
    executed = []

    class App(CronApp):
        pass

    @App.cronjob('*/15 * * * *', timezone='UTC', max_offset=0, coalesce=coalesce)
    def quarterly(request):
        executed.append(request.cron_run.scheduled)

    with VirtualClock(App(), start=START) as clock:
        clock.advance(seconds=BEFORE)
        clock.set(seconds=step)
        clock.advance(days=1, hours=5)
        clock.set(seconds=-step)
        clock.advance(hours=5)
    assert len({*executed}) == len(executed)
    assert len(executed) > 100
    at_once = [
        sum(run.outcome == 'ok' and run.at == at for run in clock.runs)
        for at in {run.at for run in clock.runs}
    ]
    assert max(at_once) == 1


def test_the_log_says_by_how_much_the_clock_was_set(caplog):
    class App(CronApp):
        pass

    App.cronjob(hour=8, minute=0, timezone='UTC')(lambda request: None)
    with caplog.at_level('INFO', 'cronsched'), VirtualClock(App(), start=START) as clock:
        clock.set(timedelta(minutes=-5))
        clock.set(milliseconds=300)     # an everyday correction
    assert 'The clock was set by -300.000 s' in caplog.text
    assert caplog.text.count('The clock was set') == 1
