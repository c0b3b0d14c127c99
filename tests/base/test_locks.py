"""Locks that hold up no event loop, and that a forked child finds free."""

from __future__ import annotations

import os
import threading
import time

import pytest

from cronsched.base import locks
from cronsched.base.locks import Lock, ReentrantLock


@pytest.mark.parametrize('kind', [Lock, ReentrantLock])
def test_one_at_a_time(kind):
    lock, inside, most = kind(), 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(200):
            with lock:
                inside += 1
                most = max(most, inside)
                time.sleep(0)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_who_waits_sleeps_by_what_sleeps_here(monkeypatch):
    """So that under gevent, the greenlet that has it goes on."""
    lock, slept = Lock(), []
    lock.__enter__()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        lock.release()

    monkeypatch.setattr(locks.time, 'sleep', sleep)
    monkeypatch.setattr(locks, 'threads_are_greenlets', lambda: True)
    monkeypatch.setattr(lock, '_owner', 'another greenlet')
    with lock:
        assert slept == [locks.FIRST_PAUSE]


def test_a_thread_never_waits_for_itself():
    lock = Lock()
    begun = time.monotonic()
    with lock:
        assert not lock.acquire(timeout=10)
    assert time.monotonic() - begun < 10
    assert lock.acquire(timeout=0)
    lock.release()


def test_another_thread_waits_as_long_as_it_says():
    lock = Lock()
    found = []
    with lock:
        thread = threading.Thread(target=lambda: found.append(lock.acquire(timeout=0.05)))
        thread.start()
        thread.join()
    assert found == [False]


def test_it_may_be_entered_again():
    lock = ReentrantLock()
    with lock, lock:
        pass
    assert lock.acquire(timeout=0)
    lock.release()


@pytest.mark.filterwarnings('ignore:This process')
@pytest.mark.parametrize('kind', [Lock, ReentrantLock])
def test_a_forked_child_finds_it_free(kind):
    lock = kind()
    with lock:
        pid = os.fork()
        if pid == 0:
            os._exit(0 if lock.acquire(timeout=0) else 1)
        assert os.waitpid(pid, 0)[1] == 0
