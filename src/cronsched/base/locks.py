"""Locks that a forked child finds free, and that hold up no event loop.

Example::

    _lock = Lock()
    with _lock:
        ...

Whoever had it in the parent is not there in the child, where nobody would
ever give it back. Not to be held by a thread while that forks, unless it gives
it back in both processes.

Under gevent, a lock that was made before `threading` was patched stops the
whole thread, and with it the greenlet that has the lock. So nobody ever waits
in one: who finds it taken sleeps, by whatever sleeps here, and looks again.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from typing import Any, Final

__all__ = ['Lock', 'ReentrantLock']

# Between two looks, seconds.
FIRST_PAUSE: Final = 0.00005
LONGEST_PAUSE: Final = 0.005


class Lock:
    """As a `threading.Lock` in a `with`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        _all.add(self)

    def __enter__(self) -> None:
        pause = FIRST_PAUSE
        while not self._lock.acquire(blocking=False):
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def __exit__(self, *_error: object) -> None:
        self._lock.release()

    def _renew(self) -> None:
        self._lock = threading.Lock()


class ReentrantLock(Lock):
    """As a `threading.RLock` in a `with`; a greenlet is a thread."""

    def __init__(self) -> None:
        super().__init__()
        self._owner: Any = None
        self._depth = 0

    def __enter__(self) -> None:
        me = threading.get_ident()
        if self._owner != me:
            super().__enter__()
            self._owner = me
        self._depth += 1

    def __exit__(self, *error: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._owner = None
            super().__exit__(*error)

    def _renew(self) -> None:
        super()._renew()
        self._owner, self._depth = None, 0


_all: weakref.WeakSet[Lock] = weakref.WeakSet()


def _renew() -> None:
    for lock in _all:
        lock._renew()


os.register_at_fork(after_in_child=_renew)
