"""The interpreter ends at any moment of a run: it neither hangs nor crashes."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from processes import HERE, command, run_python
from receiver import receiver

# Seconds from the decision to end to the end: less than what is under way takes
# (a minute), and more than a busy machine makes of an instant.
LONGEST = 20.0
AT_ONCE = 4

# An application that serves itself: the view runs in this very process. What
# is not over is cut off at the end, which the log would say.
START = '''
    import atexit, logging, os, signal, sys, threading, time
    from types import SimpleNamespace
    from cronsched.scheduler import process as scheduler
    from cronsched.morepath.bound import ApplicationBoundCronjobs
    from cronsched.morepath.job import register_cronjob

    logging.disable()

    def start(base):
        registry = SimpleNamespace()
        for number in range(10):
            register_cronjob(
                registry, lambda request: None, expression='* * * * * *', timezone='UTC',
                name=str(number), max_offset=0, timeout=60,
            )
        request = SimpleNamespace(
            app=SimpleNamespace(application_id='org/' + str(os.getpid())),
            link=lambda job: f'{base}/slow/{job.name}',
        )
        bound = ApplicationBoundCronjobs(request, registry.cronjobs.values())
        for number, job in enumerate(bound.jobs):
            job.offset = number / 10
        bound.start()
        return bound

    def leave():
        print(time.monotonic(), flush=True)
'''
# How it ends, with the exit status that this has.
ENDINGS = {
    'the last line': ('leave()', 0),
    'sys.exit': ('leave(); sys.exit(3)', 3),
    'sys.exit in a thread': (
        'thread = threading.Thread(target=sys.exit); thread.start(); thread.join(); leave()', 0),
    'os._exit': ('leave(); os._exit(4)', 4),
    'SIGTERM': ('leave(); signal.raise_signal(signal.SIGTERM)', -signal.SIGTERM),
    'SIGTERM with a handler': (
        'signal.signal(signal.SIGTERM, lambda *_: sys.exit(5)); leave();'
        'signal.raise_signal(signal.SIGTERM); time.sleep(60)', 5),
    'SIGINT': ('leave(); signal.raise_signal(signal.SIGINT); time.sleep(60)', -signal.SIGINT),
    'an exception': ('leave(); raise LookupError', 1),
    'an exception at exit': ('atexit.register(lambda: 1 / 0); leave()', 0),
    'stopped twice': ('scheduler.stop(); scheduler.stop(); leave()', 0),
    'daemon threads that are busy': (
        'work = lambda: [sum(range(999)) for _ in iter(int, 1)]\n'
        'for _ in range(4): threading.Thread(target=work, daemon=True).start()\n'
        'leave()', 0),
    'a daemon thread that asks': (
        'native = scheduler._service.native\n'
        'def ask():\n'
        '    while True: native.stats(); native.events(0.01)\n'
        'threading.Thread(target=ask, daemon=True).start()\n'
        'time.sleep(0.01)\n'
        'leave()', 0),
    'a reference in the middle of it all': (
        'import builtins; builtins.kept = (bound, scheduler._service.native)\n'
        'class Late:\n'
        '    def __del__(self, native=scheduler._service.native): native.stats()\n'
        'sys.modules["late"] = Late()\n'
        'leave()', 0),
    'a scheduler that nobody stops': (
        'from cronsched import Scheduler\n'
        'other = Scheduler(); other.start(); sys.other = other\n'
        'leave()', 0),
    'a fork just before': ('os.fork() or os._exit(0); leave()', 0),
}


def end_once(base, ending, after):
    """Seconds that it took to end, `after` seconds of running."""
    code, status = ENDINGS[ending]
    with subprocess.Popen(
        command(START, f'bound = start({base!r})\ntime.sleep({after})', code),
        cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:
        try:
            out, error = process.communicate(timeout=60)
        finally:
            process.kill()
    ended = time.monotonic()
    expected = {status, 0} if ending == 'SIGINT' else {status}
    assert process.returncode in expected, (ending, after, process.returncode, error)
    assert 'Fatal' not in error, (ending, after, error)
    return ended - float(out)


def end_often(times):
    """At moments that are random, but the same each time."""
    chance = random.Random(4)
    moments = [(ending, chance.uniform(0, 1.2)) for _ in range(times) for ending in ENDINGS]
    with receiver() as base, ThreadPoolExecutor(AT_ONCE) as pool:
        took = list(pool.map(lambda moment: end_once(base, *moment), moments[:times]))
    slow = [(moment, seconds) for moment, seconds in zip(moments, took, strict=False)
            if seconds > LONGEST]
    assert slow == []


def test_thirty_exits_at_random_moments_end_at_once():
    end_often(30)


@pytest.mark.soak
def test_three_hundred_exits_at_random_moments_end_at_once():
    end_often(300)


APPLICATION = '''
    import atexit, logging, os, random, sys, threading, time, urllib.request
    from cronsched.morepath import CronApp
    from waitress import create_server
    logging.disable()

    class App(CronApp):
        pass

    @App.path(path='')
    class Page:
        pass

    @App.view(model=Page)
    def page(self, request):
        return 'a page'

    @App.cronjob('* * * * * *', timezone='UTC', max_offset=0, overlap='allow')
    def each_second(request):
        print('ran', flush=True)
        time.sleep(30)

    App.commit()
    server = create_server(App(), host='127.0.0.1', port=0, threads=4)
    threading.Thread(target=server.run, daemon=True).start()
    urllib.request.urlopen(f'http://127.0.0.1:{server.effective_port}/').close()
    time.sleep(1.3)
'''


def test_it_ends_while_a_view_of_its_own_still_runs():
    begun = time.monotonic()
    assert 'ran' in run_python(APPLICATION, 'sys.exit(0)')
    assert time.monotonic() - begun < 20   # and not after the view's thirty


@pytest.mark.parametrize('stops', [1, 3])
def test_a_target_that_never_answers_delays_no_stop(stops):
    assert run_python('''
        import socket, time
        from cronsched import Schedule, Scheduler
        listener = socket.create_server(('127.0.0.1', 0))
        native = Scheduler()
        app = native.open('org/zug')
        job = native.define('job', Schedule('* * * * * *'))
        native.add(app, job, f'http://127.0.0.1:{listener.getsockname()[1]}/', offset=0)
    ''', f'''
        for _ in range({stops}):
            native.start()
            while not native.stats()['in_flight']:
                time.sleep(0.01)
            begun = time.monotonic()
            native.stop()
            assert time.monotonic() - begun < {LONGEST}
            assert native.stats()['in_flight'] == 0
        listener.close()
    ''') == ''
