"""A process forks while calls are made: nothing hangs, warns, is lost or runs
twice. Each in a process of its own, where every warning is an error."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import datetime

import pytest
from processes import HERE, command, run_python, thread_names
from receiver import fetch, receiver
from servers import get, wait_for

# A process with ten calls that are due every second, a tenth of a second
# apart, which knows how to fork in many ways; a child does nothing but end.
PARENT = '''
    import ctypes, multiprocessing, os, subprocess, sys, threading, time
    from types import SimpleNamespace
    from cronsched.scheduler import process as scheduler
    from cronsched.morepath.bound import ApplicationBoundCronjobs
    from cronsched.morepath.job import register_cronjob

    KINDS = 'slow', 'quick'
    libc = ctypes.PyDLL(None)

    # Every second call takes a while, so that one is always under way.
    def bind(base, application_id='org/zug', calls=10):
        registry = SimpleNamespace()
        for number in range(calls):
            register_cronjob(
                registry, lambda request: None, expression='* * * * * *', timezone='UTC',
                name=str(number), max_offset=0,
            )
        request = SimpleNamespace(
            app=SimpleNamespace(application_id=application_id),
            link=lambda job: f'{base}/{KINDS[int(job.name) % 2]}/{application_id}/{job.name}',
        )
        bound = ApplicationBoundCronjobs(request, registry.cronjobs.values())
        for number, job in enumerate(bound.jobs):
            job.offset = number / 10
        return bound

    def native():
        return scheduler._service.native

    def wait(condition):
        end = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < end, 'waited in vain'
            time.sleep(0.005)

    def start(bound):
        bound.start()
        wait(lambda: native().stats()['owned'])

    def finish(bound):
        bound.stop()
        wait(lambda: not native().stats()['in_flight'])
        scheduler.stop()

    def reap(pid):
        assert os.waitpid(pid, 0)[1] == 0

    def fork():
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        reap(pid)

    def fork_in_c():
        pid = libc.fork()
        if pid == 0:
            libc._exit(0)
        reap(pid)

    def fork_in_c_and_exit():
        pid = libc.fork()
        if pid == 0:
            libc.exit(0)      # with the C library's own handlers
        reap(pid)

    def fork_in_threads():
        # These four threads are the caller's own, and Python is right to warn.
        import warnings
        warnings.filterwarnings("ignore", "This process .* is multi-threaded")
        threads = [threading.Thread(target=fork) for _ in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()

    def run_subprocess():
        subprocess.run(['true'], check=True)

    def run_subprocess_prepared():
        subprocess.run(['true'], check=True, preexec_fn=os.setsid)

    def use(method):
        def fork():
            process = multiprocessing.get_context(method).Process(target=time.time)
            process.start()
            process.join(20)
            assert process.exitcode == 0
        return fork

    def run_during(bound, fork, seconds):
        """Fork again and again while calls are made."""
        begun = time.time()
        forks = 0
        while time.time() < begun + seconds:
            fork()
            forks += 1
        ended = time.time()
        stats = native().stats()
        assert stats['owned'] == 1, stats
        assert stats['missed'] == stats['skipped'] == 0, stats
        finish(bound)
        print(forks, begun, ended)
'''
FORKS = {
    'os.fork': 'fork',
    'fork() in C': 'fork_in_c',
    'fork() and exit() in C': 'fork_in_c_and_exit',
    'os.fork in four threads': 'fork_in_threads',
    'subprocess': 'run_subprocess',
    'subprocess with preexec_fn': 'run_subprocess_prepared',
    'multiprocessing fork': "use('fork')",
    'multiprocessing spawn': "use('spawn')",
    'multiprocessing forkserver': "use('forkserver')",
}


def check_once(came, begun, ended):
    """Each call came once for each second between."""
    counts = Counter((path, scheduled) for _, path, scheduled in came)
    assert {*counts.values()} == {1}
    seconds = range(int(begun) + 2, int(ended))
    due = {datetime.fromisoformat(scheduled).timestamp() for _, scheduled in counts}
    assert {*seconds} <= due
    for number in range(10):
        times = sorted(scheduled for path, scheduled in counts if path.endswith(f'/{number}'))
        first, last = map(datetime.fromisoformat, (times[0], times[-1]))
        assert len(times) == (last - first).total_seconds() + 1


@pytest.mark.parametrize('fork', FORKS.values(), ids=FORKS)
def test_forks_lose_and_repeat_no_run(fork):
    with receiver() as base:
        forks, begun, ended = run_python(PARENT, f'''
            if __name__ == '__main__':
                bound = bind({base!r})
                start(bound)
                run_during(bound, {fork}, 1.6)
        ''').split()
        came = fetch(base)
    assert int(forks) > 1
    check_once(came, float(begun), float(ended))


def test_a_child_by_plain_fork_may_serve_and_have_a_scheduler_of_its_own():
    # As uWSGI: forked in C, then Python is told; before it was not, as long as
    # Python bore it.
    with receiver() as base:
        assert run_python(PARENT, f'''
            bound = bind({base!r})
            start(bound)
            python = ctypes.pythonapi
            told = sys.version_info >= (3, 13)
            told and python.PyOS_BeforeFork()
            pid = libc.fork()
            if pid == 0:
                python.PyOS_AfterFork_Child()
                bound = bind({base!r}, 'org/uri', 1)
                start(bound)
                wait(lambda: native().stats()['ended'] >= 2)
                finish(bound)
                os._exit(0)
            told and python.PyOS_AfterFork_Parent()
            reap(pid)
            assert native().stats()['owned'] == 1
            finish(bound)
        ''') == ''
        came = Counter((path, scheduled) for _, path, scheduled in fetch(base))
    assert {*came.values()} == {1}
    assert {path.split('/')[3] for path, _ in came} == {'zug', 'uri'}


def test_a_child_touches_nothing_that_it_inherits():
    with receiver() as base:
        assert run_python(PARENT, f'''
            from cronsched.errors import SchedulerError
            bound = bind({base!r})
            start(bound)
            wait(lambda: native().stats()['in_flight'])
            inherited, threads = native(), len(os.listdir('/proc/self/task'))
            pid = os.fork()
            if pid == 0:
                assert len(os.listdir('/proc/self/task')) == 1
                for action in (inherited.start, lambda: inherited.open('x')):
                    try:
                        action()
                    except SchedulerError as error:
                        assert 'belongs to the parent' in str(error)
                    else:
                        os._exit(1)
                inherited.stop()
                inherited.pause()
                inherited.resume()
                inherited.interrupt()
                assert inherited.events(5.0) == []
                del inherited
                os._exit(0)
            reap(pid)
            wait(lambda: len(os.listdir('/proc/self/task')) == threads)
            finish(bound)
        ''') == ''


def test_nothing_of_ours_is_inherited_by_what_is_executed():
    with receiver() as base:
        assert run_python(PARENT, f'''
            def inherited():
                done = subprocess.run(
                    ['ls', '-l', '/proc/self/fd'], close_fds=False, capture_output=True, text=True)
                return [line.partition(' -> ')[2] for line in done.stdout.splitlines()]

            def sockets():
                return sum(each.startswith('socket:') for each in inherited())

            before = sockets()
            bound = bind({base!r})
            start(bound)
            wait(lambda: native().stats()['in_flight'])
            assert not [each for each in inherited() if 'lease' in each or 'timerfd' in each]
            assert sockets() == before, inherited()
            finish(bound)
        ''') == ''


def test_the_owner_dies_in_a_fork_storm_and_another_takes_over():
    """The lease is not kept by children that outlive their parent."""
    with receiver() as base:
        code = command(PARENT, f'''
            bound = bind({base!r})
            start(bound)
            pid = os.fork()
            if pid == 0:
                time.sleep(30)      # outlives its parent
                os._exit(0)
            print(pid, flush=True)
            while True:
                fork()
        ''')
        with subprocess.Popen(code, cwd=HERE, stdout=subprocess.PIPE, text=True) as owner:
            child = int(owner.stdout.readline())
            try:
                time.sleep(0.2)
                owner.kill()
                owner.wait()
                assert run_python(PARENT, f'''
                    bound = bind({base!r})
                    begun = time.monotonic()
                    start(bound)
                    assert time.monotonic() - begun < 15   # its child sleeps for thirty
                    finish(bound)
                ''') == ''
            finally:
                os.kill(child, signal.SIGKILL)


# -- gunicorn -----------------------------------------------------------------------

APPLICATION = '''
    import os
    from cronsched.morepath import CronApp

    class App(CronApp):
        pass

    @App.cronjob('* * * * * *', timezone='UTC', max_offset=0)
    def each_second(request):
        with open('ran', 'a') as file:
            print(os.getpid(), request.cron_run.scheduled.timestamp(), file=file)

    @App.path(path='')
    class Root:
        pass

    @App.view(model=Root)
    def view_root(self, request):
        return str(os.getpid())

    App.commit()
    application = App()
'''


@pytest.fixture
def gunicorn(tmp_path):
    """The URL and the process of two preloaded workers in `tmp_path`."""
    (tmp_path / 'application.py').write_text('\n'.join(
        line.removeprefix('    ') for line in APPLICATION.splitlines()))
    log = tmp_path / 'log'
    with log.open('w') as file, subprocess.Popen(
        [sys.executable, '-m', 'gunicorn', '--preload', '--workers', '2', '--bind', '127.0.0.1:0',
         '--graceful-timeout', '2', 'application:application'],
        cwd=tmp_path, stderr=file,
    ) as process:
        try:
            yield wait_for(lambda: address_in(log.read_text())), process
        finally:
            process.terminate()
            try:
                process.wait(10)
            finally:
                process.kill()


def address_in(log: str) -> str | None:
    found = [line.split()[-2] for line in log.splitlines() if 'Listening at: ' in line]
    return found[0] if found else None


def test_with_gunicorn_preload_a_worker_calls_and_nothing_runs_in_the_arbiter(
    gunicorn, tmp_path
):
    url, process = gunicorn
    workers = {get(url)[1] for _ in range(20)}
    ran = tmp_path / 'ran'
    wait_for(lambda: ran.exists() and len(ran.read_text().splitlines()) >= 3)
    assert 'cronsched' not in thread_names(process.pid)
    assert any(thread_names(worker).count('cronsched') for worker in workers)
    lines = [line.split() for line in ran.read_text().splitlines()]
    times = [float(scheduled) for _, scheduled in lines]
    assert {pid for pid, _ in lines}.isdisjoint({str(process.pid)})
    assert times == sorted({*times})
    assert times[-1] - times[0] == len(times) - 1
