"""Locks that a forked child finds free, and that hold up no event loop.

Example::

    _lock = Lock()
    with _lock:
        ...

Whoever had it in the parent is not there in the child, where nobody would
ever give it back. Not to be held by a thread while that forks, unless it gives
it back in both processes.

Under gevent, a lock that was made before `threading` was patched stops the
whole thread, and with it the greenlet that has the lock. So there nobody waits
in one: who finds it taken sleeps, by whatever sleeps there, and looks again.
"""

from __future__ import annotations

import _thread
import os
import threading
import time
import weakref
from types import BuiltinFunctionType
from typing import Any, Final

__all__ = ['Lock', 'ReentrantLock', 'threads_are_greenlets']

# Between two looks, seconds.
FIRST_PAUSE: Final = 0.00005
LONGEST_PAUSE: Final = 0.005
FOR_EVER: Final = -1.0


class Lock:
    """As a `threading.Lock` in a `with`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner: Any = None
        _all.add(self)

    def acquire(self, timeout: float) -> bool:
        """Whether it is ours now. At once no, if this thread has it already: a
        server may end the process wherever it is, and its exit comes here."""
        me = threading.get_ident()
        if self._owner == me or not self._wait(timeout):
            return False
        self._owner = me
        return True

    def _wait(self, timeout: float) -> bool:
        if not threads_are_greenlets():
            return self._lock.acquire(timeout=timeout)
        end, pause = time.monotonic() + timeout, FIRST_PAUSE
        while not self._lock.acquire(blocking=False):
            if timeout >= 0 and time.monotonic() > end:
                return False
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        return True

    def release(self) -> None:
        self._owner = None
        self._lock.release()

    def __enter__(self) -> None:
        self._wait(FOR_EVER)
        self._owner = threading.get_ident()

    def __exit__(self, *_error: object) -> None:
        self.release()

    def _renew(self) -> None:
        self._lock = threading.Lock()
        self._owner = None


class ReentrantLock(Lock):
    """As a `threading.RLock` in a `with`; a greenlet is a thread."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0

    def __enter__(self) -> None:
        me = threading.get_ident()
        if self._owner != me:
            super().__enter__()
        self._depth += 1

    def __exit__(self, *error: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            super().__exit__(*error)

    def _renew(self) -> None:
        super()._renew()
        self._depth = 0


def threads_are_greenlets() -> bool:
    """gevent and eventlet run all "threads" in one: to wait in native code
    would keep the whole process waiting."""
    return not isinstance(_thread.start_new_thread, BuiltinFunctionType)


_all: weakref.WeakSet[Lock] = weakref.WeakSet()


def _renew() -> None:
    for lock in _all:
        lock._renew()


os.register_at_fork(after_in_child=_renew)
