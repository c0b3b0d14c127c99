"""The native thread never needs Python."""

from __future__ import annotations

import json
import statistics
from datetime import datetime

from processes import run_python
from receiver import fetch, receiver

# Ten calls, each due every second, a tenth of a second apart.
START = '''
    import ctypes, json, sys, threading, time
    from cronsched import Schedule, Scheduler
    from processes import thread_names

    def begin(base, path='call', calls=10):
        native = Scheduler()
        app = native.open('org/zug')
        each_second = Schedule('* * * * * *', 'UTC')
        for number in range(calls):
            job = native.define(f'job-{number}', each_second)
            native.add(app, job, f'{base}/{path}/{number}', offset=number / calls)
        native.start()
        return native
'''
HOLD = 3.0   # seconds
ON_TIME = 0.2   # the other side is Python on a loaded machine


def late(came):
    """How many seconds after it was due a request came."""
    at, path, scheduled = came
    number = int(path.rpartition('/')[2])
    return at - datetime.fromisoformat(scheduled).timestamp() - number / 10


def test_runs_are_on_time_while_a_c_call_holds_the_gil():
    with receiver() as base:
        begun, ended = json.loads(run_python(START, f'''
            native = begin({base!r})
            time.sleep(0.2)
            begun = time.time()
            ctypes.PyDLL(None).usleep({int(HOLD * 1e6)})
            print(json.dumps([begun, time.time()]))
            native.stop()
        '''))
        came = [each for each in fetch(base) if begun <= each[0] <= ended]
    assert ended - begun >= HOLD
    assert len(came) >= 10 * (HOLD - ON_TIME)   # each of them
    assert 0 <= min(map(late, came)) <= max(map(late, came)) < ON_TIME


def test_python_does_not_see_the_native_thread():
    with receiver() as base:
        assert run_python(START, f'''
            native = begin({base!r})
            time.sleep(1.1)
            assert native.stats()['ended'] >= 9
            assert thread_names().count('cronsched') == 1
            assert threading.enumerate() == [threading.main_thread()]
            assert list(sys._current_frames()) == [threading.get_ident()]
            native.stop()
            assert 'cronsched' not in thread_names()
        ''') == ''


def test_it_runs_while_python_is_busy_in_many_threads():
    with receiver() as base:
        run_python(START, f'''
            sys.setswitchinterval(0.1)
            native = begin({base!r})
            end = time.time() + 1.5
            def spin():
                while time.time() < end:
                    sum(range(1000))
            threads = [threading.Thread(target=spin) for _ in range(8)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            native.stop()
        ''')
        came = fetch(base)
    assert len(came) >= 13
    assert statistics.median(map(late, came)) < ON_TIME
