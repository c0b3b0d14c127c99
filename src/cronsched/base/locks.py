"""A lock that a forked child finds free.

Example::

    _lock = Lock()
    with _lock:
        ...

Whoever had it in the parent is not there in the child, where nobody would
ever give it back. Not to be held by a thread while that forks.
"""

from __future__ import annotations

import os
import threading
import weakref

__all__ = ['Lock']


class Lock:
    """As a `threading.Lock` in a `with`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        _all.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_error: object) -> None:
        self._lock.release()


_all: weakref.WeakSet[Lock] = weakref.WeakSet()


def _renew() -> None:
    for lock in _all:
        lock._lock = threading.Lock()


os.register_at_fork(after_in_child=_renew)
