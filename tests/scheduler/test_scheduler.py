from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import textwrap
import time
from types import SimpleNamespace

import pytest
from freezegun import freeze_time

from cronsched.jobs.options import LONGEST
from cronsched.jobs.settings import Settings
from cronsched.morepath.bound import ApplicationBoundCronjobs
from cronsched.morepath.job import register_cronjob
from cronsched.scheduler import process as scheduler

HERE = os.path.dirname(__file__)


class Request:
    def __init__(self, application_id='org/zug', port=1):
        self.app = SimpleNamespace(application_id=application_id)
        self.port = port

    def link(self, job):
        return f'http://127.0.0.1:{self.port}/{self.app.application_id}/cronjobs/{job.name}'


def bind(count=2, application_id='org/zug', port=1, **options):
    registry = SimpleNamespace(cronjobs={}, cronjob_threads={})
    for number in range(count):
        register_cronjob(
            registry, lambda request: None, timezone='UTC', name=f'job-{number}',
            **({'expression': '0 0 1 1 *'} | options),
        )
    return ApplicationBoundCronjobs(Request(application_id, port), registry.cronjobs.values())


def stats():
    return scheduler.service(Settings()).native.stats()


def test_importing_starts_no_thread_and_opens_no_file():
    code = '''
        import os, threading
        before = set(os.listdir('/proc/self/fd'))
        import cronsched.onegov, cronsched.morepath
        assert threading.active_count() == 1
        assert len(os.listdir('/proc/self/task')) == 1
        assert set(os.listdir('/proc/self/fd')) == before
    '''
    assert run_python(code) == ''


def test_all_application_ids_share_one_native_thread_and_one_reporter():
    threads = len(os.listdir('/proc/self/task'))
    for number in range(50):
        bind(20, f'org/{number}').start()
    assert len(os.listdir('/proc/self/task')) == threads + 2
    assert (stats()['apps'], stats()['calls'], stats()['jobs']) == (50, 1000, 1000)


def test_the_same_jobs_are_defined_once_for_all_application_ids():
    registry = SimpleNamespace()
    register_cronjob(registry, lambda request: None, 0, 0, 'UTC', name='job')
    for number in range(10):
        ApplicationBoundCronjobs(Request(f'org/{number}'), registry.cronjobs.values()).start()
    assert (stats()['jobs'], stats()['calls']) == (1, 10)


@pytest.mark.parametrize(
    'options',
    [
        {'timeout': LONGEST, 'connect_timeout': LONGEST, 'backoff': LONGEST, 'catch_up': LONGEST},
        {'timeout': 0.001, 'connect_timeout': 0.001, 'backoff': 1, 'catch_up': 0},
        {'retries': 1000, 'max_offset': 86_400, 'catch_up': None},
    ],
)
def test_what_an_option_may_be_the_native_side_can_hold(options):
    bind(1, **options).start()
    assert stats()['calls'] == 1


def test_what_was_started_cannot_be_started_again():
    bound = bind()
    bound.start()
    with pytest.raises(RuntimeError, match='started before'):
        bound.start()


def test_what_was_stopped_makes_no_more_calls_and_may_start_again():
    bound = bind()
    assert not bound.is_alive()
    bound.start()
    assert bound.is_alive()
    bound.stop()
    assert not bound.is_alive()
    assert stats()['calls'] == 0
    bound.start()
    assert stats()['calls'] == 2


def test_an_application_without_jobs_may_be_started():
    bound = bind(0)
    bound.start()
    assert bound.jobs == ()


def test_bound_jobs_know_their_address_and_are_made_once():
    bound = bind()
    assert [job.title for job in bound.jobs] == [
        '127.0.0.1:1/org/zug/cronjobs/job-0', '127.0.0.1:1/org/zug/cronjobs/job-1',
    ]
    assert bound.jobs is bound.jobs
    assert bound.base_url == 'http://127.0.0.1:1/org/zug'


def test_an_offset_that_is_set_before_the_start_counts():
    bound = bind(1, expression='* * * * * *')
    bound.jobs[0].offset = 0.25
    bound.start()
    assert bound.offset_of(0) == 0.25
    assert bound.offsets() == [0.25]


def test_the_offsets_are_the_same_before_during_and_after_the_scheduler_has_them():
    bound = bind(2)
    before = bound.offsets()
    bound.start()
    during = bound.offsets()
    bound.stop()
    assert before == during == bound.offsets() == [bound.offset_of(0), bound.offset_of(1)]
    assert before[0] != before[1]


def test_what_is_due_by_a_clock_that_a_test_holds_is_due_at_once():
    bound = bind(1, expression='0 8 * * *', max_offset=0)
    with freeze_time('2016-01-01 08:00'):
        bound.start()
    wait_for_runs(1)


def wait_for_runs(count):
    for _ in range(1000):
        if stats()['ended'] >= count:
            return
        time.sleep(0.01)
    raise AssertionError('waited in vain')


def test_a_job_can_be_run_beside_its_schedule():
    bound = bind(1)
    bound.start()
    wait_for_owner(1)
    bound.process_job(bound.jobs[0])
    wait_for_runs(1)


def wait_for_owner(count):
    for _ in range(1000):
        if stats()['owned'] >= count:
            return
        time.sleep(0.01)
    raise AssertionError('waited in vain')


def test_a_job_that_another_process_owns_cannot_be_run_here():
    first = bind(1)
    first.start()
    wait_for_owner(1)
    code = '''
        import test_scheduler
        from cronsched.errors import SchedulerError
        bound = test_scheduler.bind(1)
        bound.start()
        try:
            bound.process_job(bound.jobs[0])
        except SchedulerError as error:
            print('refused')
    '''
    assert run_python(code) == 'refused\n'


def test_a_job_can_be_planned_anew():
    bound = bind(1)
    bound.start()
    bound.schedule(bound.jobs[0])
    assert stats()['calls'] == 1


def test_settings_that_come_too_late_are_reported(caplog):
    scheduler.service(Settings())
    scheduler.service(Settings(max_concurrency=5))
    assert 'cronjobs.max_concurrency is 32 for this process: 5 came later' in caplog.text


def test_stopping_is_quick_and_may_be_repeated():
    bind().start()
    begun = time.monotonic()
    scheduler.stop()
    scheduler.stop()
    assert time.monotonic() - begun < 10


# -- the thread ---------------------------------------------------------------------

TARGET = '''
    import http.server, sys, time

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            print(time.time() % 1, flush=True)
            self.send_response(200)
            self.send_header('Content-Length', '0')
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = http.server.HTTPServer(('127.0.0.1', 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
'''


def test_calls_are_on_time_while_somebody_holds_the_gil():
    target = subprocess.Popen(
        [sys.executable, '-c', textwrap.dedent(TARGET)], stdout=subprocess.PIPE, text=True
    )
    assert target.stdout is not None
    port = int(target.stdout.readline())
    try:
        bound = bind(1, expression='* * * * * *', max_offset=0, port=port)
        bound.start()
        wait_for_owner(1)
        # A call that does not release it, as one into a C library may be.
        ctypes.PyDLL(None).usleep(3_100_000)
        late = [float(target.stdout.readline()) for _ in range(3)]
    finally:
        target.kill()
        target.wait()
        target.stdout.close()
    assert max(late) < 0.25


# -- fork and exit, each in a process of its own ----------------------------------

STARTED = '''
    import os, sys, time
    import test_scheduler
    from cronsched.scheduler import process as scheduler
    bound = test_scheduler.bind(3)
    bound.start()
    test_scheduler.wait_for_owner(1)
'''


def run_python(*parts: str, seconds: float = 30.0) -> str:
    """What it writes; fails when it fails, warns or hangs."""
    code = '\n'.join(map(textwrap.dedent, parts))
    done = subprocess.run(
        # Not as errors: one that `os.fork` gives would be swallowed.
        [sys.executable, '-W', 'always', '-W', "ignore:'cgi' is deprecated", '-c', code],
        cwd=HERE, timeout=seconds, capture_output=True, text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ''
    return done.stdout


def run_forked(child: str, parent: str = '') -> str:
    child = textwrap.indent(textwrap.dedent(child), '    ')
    return run_python(
        STARTED,
        f'''
pid = os.fork()
if pid == 0:
{child}
    sys.stdout.flush()
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
''',
        parent,
    )


def test_a_fork_warns_of_no_threads_and_the_parent_goes_on():
    assert run_forked('pass', '''
        for _ in range(500):
            if len(os.listdir('/proc/self/task')) == 3:
                break
            time.sleep(0.01)
        print(len(os.listdir('/proc/self/task')), test_scheduler.stats()['owned'])
    ''') == '3 1\n'


def test_a_fork_while_runs_are_due_loses_none():
    assert run_python('''
        import logging, os, time
        import test_scheduler
        logging.disable()   # nobody listens where these runs go
        bound = test_scheduler.bind(1, expression='* * * * * *', max_offset=0)
        bound.start()
        end = time.time() + 3.2
        while time.time() < end:
            pid = os.fork()
            if pid == 0:
                os._exit(0)
            os.waitpid(pid, 0)
        stats = test_scheduler.stats()
        print(stats['started'] + stats['missed'] + stats['skipped'] in (3, 4))
    ''') == 'True\n'


def test_a_fork_by_another_thread_does_not_wait_for_the_main_thread():
    assert run_python(STARTED, '''
        import threading, warnings
        # There are two threads without ours: Python warns, and rightly.
        warnings.simplefilter('ignore')

        def fork_and_look():
            if (pid := os.fork()) == 0:
                os._exit(0)
            os.waitpid(pid, 0)
            print(test_scheduler.stats()['running'], flush=True)

        thread = threading.Thread(target=fork_and_look)
        thread.start()
        thread.join()
    ''') == '1\n'


def test_a_child_has_no_scheduler_until_it_starts_one():
    assert run_forked('''
        assert len(os.listdir('/proc/self/task')) == 1
        assert not bound.is_alive()
        other = test_scheduler.bind(1, 'org/uri')
        other.start()
        test_scheduler.wait_for_owner(1)
        print(test_scheduler.stats()['apps'])
        scheduler.stop()
    ''') == '1\n'


def test_a_child_competes_for_what_its_parent_owns_and_waits():
    assert run_forked('''
        bound.start()
        time.sleep(1)
        print(test_scheduler.stats()['owned'])
        scheduler.stop()
    ''', '''
        print(test_scheduler.stats()['owned'])
    ''') == '0\n1\n'


def test_a_child_made_by_multiprocessing_ends_as_it_should():
    assert run_python(STARTED, '''
        import multiprocessing
        context = multiprocessing.get_context('fork')
        process = context.Process(target=print, args=('child',), kwargs={'flush': True})
        process.start()
        process.join(10)
        print(process.exitcode)
    ''') == 'child\n0\n'


@pytest.mark.parametrize('ending', ['pass', 'sys.exit(0)', 'os._exit(0)', 'scheduler.stop()'])
def test_a_process_ends_without_delay(ending):
    begun = time.monotonic()
    run_python(STARTED, ending)
    assert time.monotonic() - begun < 10
