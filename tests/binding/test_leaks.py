"""What is used again and again does not grow: memory, descriptors, threads."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from datetime import UTC, datetime

import pytest
from processes import allocated, descriptors, resident, run_python, thread_names
from receiver import receiver

from cronsched import Schedule, parse_cron, seeded_offset
from cronsched._cronsched import Scheduler, Zone, run_id, set_zone_resolver, sign_headers
from cronsched.morepath import CronApp
from cronsched.scheduler import telling
from cronsched.testing import VirtualClock

KIB = 1024
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def young_garbage():
    """Collecting is quick: what other tests have left is not looked at."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def growth(action, times, warm_up, rounds=3):
    """Python's blocks and C's bytes that `times` more of it leave behind. The
    least of several rounds: a leak grows in each, a cache does not."""
    for _ in range(warm_up):
        action()
    found = [grow_once(action, times) for _ in range(rounds)]
    return min(blocks for blocks, _ in found), min(size for _, size in found)


def grow_once(action, times):
    gc.collect()
    blocks, size = sys.getallocatedblocks(), allocated() or resident()
    for _ in range(times):
        action()
    gc.collect()
    return sys.getallocatedblocks() - blocks, (allocated() or resident()) - size


# -- start and stop -----------------------------------------------------------------


def test_a_thousand_starts_and_stops_leave_nothing(tmp_path):
    schedule = Schedule('* * * * * *')
    native = Scheduler(lease_directory=str(tmp_path))
    app = native.open('org/zug')
    for number in range(10):
        native.add(app, native.define(f'{number}', schedule), f'http://127.0.0.1:9/{number}')

    def start_and_stop():
        native.start()
        native.stop()
        native.events()

    start_and_stop()
    before = descriptors(), Counter(thread_names())
    blocks, size = growth(start_and_stop, times=320, warm_up=50)
    assert descriptors() <= before[0]
    assert Counter(thread_names()) <= before[1]   # one of an earlier test may have ended
    assert blocks < 100
    assert size < 320 * 16


def test_schedulers_that_are_made_and_dropped_leave_nothing(tmp_path):
    schedule = Schedule('* * * * *')

    def make():
        native = Scheduler(lease_directory=str(tmp_path))
        app = native.open('org/zug')
        native.add(app, native.define('job', schedule), 'http://127.0.0.1:9/')
        native.start()

    make()
    before = descriptors(), thread_names()
    blocks, size = growth(make, times=70, warm_up=20)
    assert (descriptors(), thread_names()) == before
    assert blocks < 35
    assert size < 70 * 16


# -- runs ---------------------------------------------------------------------------


def play(native, runs):
    for _ in range(runs):
        native.advance(native.idle())
        while (delivery := native.take()) is not None:
            native.complete(delivery.run, 200 if delivery.scheduled % 7 else 500, detail='x' * 99)
        native.events(0.0, 100)


def check_runs(runs):
    native = Scheduler(manual=START.timestamp())
    app = native.open('org/zug', bytes(32))
    job = native.define('job', Schedule('* * * * *', 'Europe/Zurich'), retries=1)
    native.add(app, job, 'http://127.0.0.1/')
    before = descriptors(), thread_names()
    blocks, size = growth(lambda: play(native, runs // 10), times=3, warm_up=1)
    assert native.stats()['ended'] >= runs * 7 // 10   # the others were tried again
    assert (descriptors(), thread_names()) == before
    assert blocks < 100
    assert size < 64 * KIB


def test_fifty_thousand_runs_leave_nothing():
    check_runs(50_000)


@pytest.mark.soak
def test_a_million_runs_leave_nothing():
    check_runs(1_000_000)


@pytest.fixture
def few_are_kept(monkeypatch):
    """Of the runs whose end was told the last ones are known, on purpose."""
    monkeypatch.setattr(telling, 'MOST_TOLD', 10)


def check_application(days):
    """All the way: WSGI, signature, claim, end."""

    class App(CronApp):
        pass

    @App.cronjob('*/30 * * * *', timezone='Europe/Zurich')
    def job(request):
        if request.cron_run.scheduled.hour == 3:
            raise LookupError

    with VirtualClock(App(), start=START) as clock:

        def play():
            clock.advance(days=days / 10)
            clock.runs.clear()
            # What the ledger keeps is kept on purpose.
            clock.ledger.prune(clock.now.timestamp())

        before = len(thread_names())
        play()
        files = descriptors()
        blocks, size = growth(play, times=3, warm_up=1)
        assert (descriptors(), len(thread_names())) == (files, before)
    assert blocks < 100 + days
    assert size < 512 * KIB


def test_runs_of_an_application_leave_nothing(caplog, few_are_kept):
    caplog.set_level('CRITICAL', 'cronsched')
    check_application(60)


@pytest.mark.soak
def test_years_of_an_application_leave_nothing(caplog, few_are_kept):
    caplog.set_level('CRITICAL', 'cronsched')
    check_application(2000)


def test_real_requests_leave_nothing():
    with receiver() as base:
        assert run_python(f'''
            from cronsched import Schedule, Scheduler
            from processes import allocated, descriptors, resident
            native = Scheduler(max_per_application=32, max_concurrency=32)
            app = native.open('org/zug')
            job = native.define('job', Schedule('0 0 1 1 *'), overlap='allow')
            calls = [native.add(app, job, f'{base}/{{n}}') for n in range(500)]
            native.start()
            while not native.stats()['owned']:
                native.events(0.01)
            used = []
            for scheduled in range(8):
                for call in calls:
                    native.fire(call, scheduled)
                while native.stats()['ended'] < (scheduled + 1) * len(calls):
                    native.events(0.05, 1024)
                used.append((allocated() or resident(), descriptors()))
            native.stop()
            assert used[-1][0] - used[2][0] < 128 * 1024, used
            assert used[-1][1] <= used[2][1], used
        ''') == ''


# -- errors -------------------------------------------------------------------------


def fail(action, *arguments, **options):
    """An action that raises."""

    def run():
        try:
            action(*arguments, **options)
        except Exception:
            return
        raise AssertionError(f'{action} accepts {arguments} {options}')

    return run


class Rude:
    """Fails whatever is asked of it."""

    def __getattr__(self, name):
        raise LookupError(name)

    def __str__(self):
        raise LookupError

    def __repr__(self):
        raise LookupError


SCHEDULE = Schedule('30 2 * * *', 'Europe/Zurich')
NATIVE = Scheduler(manual=0.0)
APP = NATIVE.open('org/zug')
JOB = NATIVE.define('job', SCHEDULE)
THREADED = Scheduler()
FAILURES = [
    *(fail(Schedule, text) for text in (
        '', '60 * * * *', '* * * *', '*/0 * * * *', '0 0 * * MON-FIR', '@Daily', '\ud800',
        '* * * * *\0', '0 0 L-99 * *', 'x' * 10_000,
    )),
    fail(Schedule, 5),
    fail(Schedule, '* * * * *', 'Nowhere/Land'),
    fail(Schedule, '* * * * *', 5),
    fail(Schedule, '* * * * *', Rude()),
    fail(Schedule, '* * * * *', seed='\ud800'),
    fail(SCHEDULE.next, 5),
    fail(SCHEDULE.next, datetime(2026, 1, 1)),
    fail(SCHEDULE.previous, Rude()),
    fail(SCHEDULE.matches, 'now'),
    fail(SCHEDULE.next_epoch, 2**70),
    fail(SCHEDULE.next_epoch, 'x'),
    fail(parse_cron, '*/0', 'minute'),
    fail(parse_cron, True, 'minute'),
    fail(parse_cron, Rude(), 'minute'),
    fail(parse_cron, '*', 'second'),
    fail(seeded_offset, '\ud800'),
    fail(seeded_offset, 5),
    fail(seeded_offset, 'x', -1),
    fail(run_id, '\ud800', 'job', 1),
    fail(sign_headers, 'org', 'job', 1, key=b'short', now=1),
    fail(sign_headers, 'org', 'job', 10**13, key=bytes(32), now=1),
    fail(Zone),
    fail(Zone.from_tzif, 'x', b'TZif2 and nothing', UTC),
    fail(Zone.fixed, 'x', 10**9, UTC),
    fail(set_zone_resolver),
    fail(Scheduler, max_concurrency=0),
    fail(Scheduler, manual='x'),
    fail(Scheduler, events=-1),
    fail(Scheduler, lease_directory='a\0b'),
    fail(NATIVE.define, 'job', 'no schedule'),
    fail(NATIVE.define, 'job', SCHEDULE, timeout=-1),
    fail(NATIVE.define, 'job', SCHEDULE, overlap='maybe'),
    fail(NATIVE.define, 'job', SCHEDULE, method='PUT'),
    fail(NATIVE.define, 'job', SCHEDULE, catch_up='x'),
    fail(NATIVE.redefine, 99, SCHEDULE),
    fail(NATIVE.redefine, JOB, None),
    fail(NATIVE.open, 'org', b'short'),
    fail(NATIVE.add, APP, 99, 'http://x/'),
    fail(NATIVE.add, 99, JOB, 'http://x/'),
    fail(NATIVE.add, APP, JOB, ''),
    fail(NATIVE.add, APP, JOB, 'http://x/', offset='x'),
    fail(NATIVE.add, APP, JOB, 'http://x/', offset=-1),
    fail(NATIVE.add, APP, JOB, 'http://x/', due='x'),
    fail(NATIVE.remove, 99),
    fail(NATIVE.remove, 'x'),
    fail(NATIVE.fire, 99, 0),
    fail(NATIVE.start),
    fail(NATIVE.stop, 'x'),
    fail(NATIVE.events, 'x'),
    fail(NATIVE.advance, 'x'),
    fail(NATIVE.complete, 99),
    fail(NATIVE.complete, 99, delivery='lost'),
    fail(THREADED.take),
    fail(THREADED.advance, 1.0),
    fail(THREADED.complete, 1),
    fail(Scheduler(lease_directory='/proc/nowhere/at/all').start),
]


def test_errors_leave_nothing():
    for failure in FAILURES:
        blocks, size = growth(failure, times=60, warm_up=20)
        assert blocks < 50, failure.__closure__[1].cell_contents
        assert size < 60 * 16, failure.__closure__[1].cell_contents


def test_schedules_and_zones_that_are_dropped_leave_nothing():
    numbers = iter(range(10_000_000))

    def make():
        schedule = Schedule(f'{next(numbers) % 60} H * * *', 'Europe/Zurich', seed='x')
        schedule.next(START)
        list(schedule.between(START, START.replace(day=3)))
        schedule.parts   # noqa: B018
        hash(schedule)
        repr(schedule)

    blocks, size = growth(make, times=1000, warm_up=300)
    assert blocks < 300
    assert size < 1000 * 16
