"""In an interpreter of its own, with a GIL of its own where Python has that."""

from __future__ import annotations

import sys
import sysconfig

import pytest
from processes import run_python
from receiver import fetch, receiver

# Since 3.12 an isolated interpreter has its own GIL.
START = '''
    # Python 3.12 crashes where such an interpreter is the first to import it.
    import datetime
    import sys, time
    from processes import thread_names

    if sys.version_info >= (3, 14):
        from concurrent import interpreters
        create, destroy = interpreters.create, lambda one: one.close()
        run = lambda one, code: one.exec(code)
    elif sys.version_info >= (3, 13):
        import _interpreters
        create, destroy = lambda: _interpreters.create('isolated'), _interpreters.destroy
        def run(one, code):
            failure = _interpreters.exec(one, code)
            assert failure is None, failure.errdisplay
    else:
        import _xxsubinterpreters
        create = lambda: _xxsubinterpreters.create(isolated=True)
        run, destroy = _xxsubinterpreters.run_string, _xxsubinterpreters.destroy

    def run_in_one(code):
        one = create()
        try:
            run(one, code)
        finally:
            destroy(one)
'''
PURE = '''
from datetime import UTC, datetime, timedelta, timezone
import pickle
from cronsched import CronError, Schedule, Scheduler, parse_cron, seeded_offset

schedule = Schedule('30 2 * * *', 'Europe/Zurich')
start = datetime(2026, 3, 28, 12, tzinfo=UTC)
assert schedule.next(start) == datetime(2026, 3, 29, 1, tzinfo=UTC)
assert schedule.previous(start) == datetime(2026, 3, 28, 1, 30, tzinfo=UTC)
assert schedule.next().tzinfo is schedule.timezone
assert schedule.matches(datetime(2026, 3, 28, 1, 30, tzinfo=UTC))
assert pickle.loads(pickle.dumps(schedule)) == schedule
assert Schedule('0 0 * * *', timezone(timedelta(hours=2))).next(start).hour == 0
assert parse_cron('*/20', 'minute') == (0, 20, 40)
assert 0 <= seeded_offset('x') <= 30
try:
    Schedule('60 * * * *')
except CronError as error:
    assert error.field == 'minute' and error.position == 0
else:
    raise AssertionError
'''
MANUAL = '''
from cronsched import Schedule, Scheduler
native = Scheduler(manual=0.0)
app = native.open('org/zug', bytes(32))
job = native.define('job', Schedule('0 8 * * *', 'Europe/Zurich'))
native.add(app, job, 'http://127.0.0.1/')
for day in range(100):
    native.advance(native.idle())
    delivery = native.take()
    assert delivery.headers['webhook-signature'].startswith('v1,')
    native.complete(delivery.run, 200 if day % 2 else 500)
kinds = [event.outcome for event in native.events(0.0, 1000) if event.kind == 'ended']
assert kinds == ['failed', 'ok'] * 50
'''
REAL = '''
import time
from cronsched import Schedule, Scheduler
native = Scheduler(max_per_application=32)
app = native.open('org/zug')
job = native.define('job', Schedule('* * * * * *'))
for number in range(10):
    native.add(app, job, f'BASE/{number}', offset=number / 10)
native.start()
end = time.monotonic() + 10
while native.stats()['ended'] < 5:
    assert time.monotonic() < end
    time.sleep(0.01)
native.stop()
'''


@pytest.mark.parametrize('code', [PURE, MANUAL], ids=['schedules', 'a manual scheduler'])
def test_it_works_in_an_interpreter_of_its_own(code):
    assert run_python(START, f'''
        for _ in range(5):
            run_in_one({code!r})
        exec({code!r}, {{}})   # and here afterwards
    ''') == ''


def test_a_real_scheduler_runs_in_an_interpreter_of_its_own():
    with receiver() as base:
        code = REAL.replace('BASE', base)
        assert run_python(START, f'''
            for _ in range(2):
                run_in_one({code!r})
                assert 'cronsched' not in thread_names()
        ''') == ''
        assert len(fetch(base)) >= 10


def test_a_scheduler_that_nobody_stops_ends_with_its_interpreter():
    with receiver() as base:
        code = REAL.replace('BASE', base).replace('native.stop()', '')
        assert run_python(START, f'''
            run_in_one({code!r})
            assert 'cronsched' not in thread_names()
        ''') == ''


def test_what_follows_a_fork_happens_in_the_interpreter_that_forked():
    """Put off, it would happen in the main one, with the objects of another."""
    code = '''
from cronsched import _cronsched
resumed = []
_cronsched.set_fork_resume(lambda: resumed.append(1))
_cronsched.resume_after_fork()
assert resumed == [1]
_cronsched.set_fork_resume(None)
'''
    assert run_python(START, f'run_in_one({code!r})') == ''


@pytest.mark.skipif(sys.version_info < (3, 12), reason='no GIL of its own before Python 3.12')
def test_interpreters_do_not_wait_for_the_gil_of_each_other():
    code = MANUAL + '''
import ctypes
ctypes.PyDLL(None).usleep(1_000_000)
'''
    if sys.version_info < (3, 13):
        code = code.replace('import ctypes\nctypes.PyDLL(None).usleep(1_000_000)', '''
schedule = Schedule('* * * * *')
end = time.monotonic() + 1.0
while time.monotonic() < end:
    schedule.next_epoch(0)
''').replace('from cronsched', 'import time\nfrom cronsched', 1)
    assert run_python(START, f'''
        import threading
        from cronsched import Schedule
        schedule = Schedule('* * * * *')
        thread = threading.Thread(target=run_in_one, args=({code!r},))
        thread.start()
        longest, last = 0.0, time.monotonic()
        while thread.is_alive():
            schedule.next_epoch(0)
            now = time.monotonic()
            longest, last = max(longest, now - last), now
        assert longest < 0.5, longest
    ''') == ''


@pytest.mark.skipif(
    not sysconfig.get_config_var('Py_GIL_DISABLED'), reason='this Python was built with the GIL'
)
def test_the_gil_stays_off_where_python_has_none():
    assert run_python('''
        import sys, threading
        import cronsched
        assert not sys._is_gil_enabled()
        schedule = cronsched.Schedule('*/15 * * * *', 'Europe/Zurich')
        native = cronsched.Scheduler(manual=0.0)
        app = native.open('org/zug')

        def work(number):
            job = native.define(f'job-{number}', schedule)
            for count in range(1000):
                assert schedule.next_epoch(count * 900) == (count + 1) * 900
                native.remove(native.add(app, job, f'http://127.0.0.1/{count}'))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert native.stats()['calls'] == 0
        assert not sys._is_gil_enabled()
    ''') == ''
