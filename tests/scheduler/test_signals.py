"""Python's signals stay with Python's main thread."""

from __future__ import annotations

import socket
import threading

import pytest
from processes import run_python
from receiver import receiver

# Many calls, so that the native thread is awake when a signal comes.
START = '''
    import os, pathlib, signal, socket, sys, threading, time
    from cronsched import Schedule, Scheduler

    def begin(base, calls=200):
        native = Scheduler(max_per_application=32)
        app = native.open('org/zug')
        job = native.define('job', Schedule('* * * * * *'), overlap='allow')
        for number in range(calls):
            native.add(app, job, f'{base}/{number}', offset=number / calls)
        native.start()
        return native
'''


def test_alarms_reach_the_main_thread_promptly():
    with receiver() as base:
        assert run_python(START, f'''
            native = begin({base!r})
            heard, threads = [], set()

            class Enough(Exception):
                pass

            def handle(number, frame):
                heard.append(number)
                threads.add(threading.current_thread())
                if len(heard) > 10 and native.stats()['ended'] > 100:
                    signal.setitimer(signal.ITIMER_REAL, 0)
                    raise Enough

            signal.signal(signal.SIGALRM, handle)
            signal.setitimer(signal.ITIMER_REAL, 0.2, 0.01)
            try:
                time.sleep(50)      # goes on after a handler
            except Enough:
                assert threads == {{threading.main_thread()}}
            else:
                raise AssertionError('they came when the sleep was over')
            native.stop()
        ''') == ''


@pytest.mark.parametrize('wait', ['time.sleep(30)', 'threading.Event().wait(30)'])
def test_an_interrupt_ends_a_wait_of_the_main_thread_at_once(wait):
    # From another process: it is not aimed at any thread.
    with receiver() as base:
        assert run_python(START, f'''
            import subprocess
            native = begin({base!r})
            killer = subprocess.Popen(['sh', '-c', f'sleep 0.3; kill -INT {{os.getpid()}}'])
            begun = time.monotonic()
            try:
                {wait}
            except KeyboardInterrupt:
                assert time.monotonic() - begun < 5
                print('interrupted')
            killer.wait()
            native.stop()
        ''') == 'interrupted\n'


@pytest.fixture
def rude_server():
    """Its URL. It resets each connection as soon as it can."""
    listener = socket.create_server(('127.0.0.1', 0))

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            # Zero seconds to linger: a reset, so that writing to it fails.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
            connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    yield f'http://127.0.0.1:{listener.getsockname()[1]}'
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def test_a_broken_pipe_kills_nobody(rude_server):
    # With the default action, which Python does not leave in place.
    assert run_python(START, f'''
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        native = begin({rude_server!r})
        time.sleep(1.3)
        assert native.stats()['ended'] > 100
        native.stop()
    ''') == ''


def test_the_native_thread_takes_no_signal():
    with receiver() as base:
        assert run_python(START, f'''
            native = begin({base!r})
            time.sleep(0.1)
            for task in pathlib.Path('/proc/self/task').iterdir():
                status = (task / 'status').read_text()
                if status.startswith('Name:\\tcronsched'):
                    blocked = int(status.partition('SigBlk:')[2].split()[0], 16)
            for number in signal.valid_signals() - {{signal.SIGKILL, signal.SIGSTOP}}:
                assert blocked >> (number - 1) & 1, number
            native.stop()
        ''') == ''
