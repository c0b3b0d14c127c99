"""An end to waiting for a server that does not answer.

Example::

    with watch.over(connection.fileno(), 5.0):
        ...     # after 5 seconds the socket is shut down, and the driver raises

A stopped server, or a machine that was cut off, acknowledges nothing and
closes nothing: libpq would wait for ever, and no driver has a time limit of
its own. One thread for the whole process looks at what takes too long; it
ends a while after the last use.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from cronsched.base.locks import Lock

__all__ = ['over', 'seconds']

TURN: Final = 0.2           # seconds between two looks
IDLE_TURNS: Final = 50      # without a use, then the thread ends

_lock = Lock()
_watched: dict[object, tuple[float, int]] = {}     # when it is too late, and the descriptor
_used = False
_thread_of: int | None = None      # the process that has the thread


def seconds() -> float:
    """A clock that no test stops."""
    return time.clock_gettime(time.CLOCK_MONOTONIC)


@contextmanager
def over(descriptor: int, patience: float) -> Iterator[None]:
    """See the module. `descriptor` stays open until the end of the block."""
    key = object()
    with _lock:
        _begin(key, seconds() + patience, descriptor)
    try:
        yield
    finally:
        with _lock:
            _watched.pop(key, None)


def _begin(key: object, end: float, descriptor: int) -> None:
    global _used, _thread_of
    if _thread_of != os.getpid():
        _watched.clear()    # of a parent
        _thread_of = os.getpid()
        threading.Thread(target=_watch, name='cronsched-ledger', daemon=True).start()
    _watched[key] = end, descriptor
    _used = True


def _watch() -> None:
    idle = 0
    while idle < IDLE_TURNS:
        time.sleep(TURN)
        idle = 0 if _look() else idle + 1
        if idle == IDLE_TURNS and not _retire():
            idle = 0


def _look() -> bool:
    """Whether there was a use since the last look."""
    global _used
    with _lock:
        for key, (end, descriptor) in list(_watched.items()):
            if seconds() > end:
                del _watched[key]
                _shut_down(descriptor)
        used, _used = _used or bool(_watched), False
    return used


def _retire() -> bool:
    global _thread_of
    with _lock:
        if _used or _watched:
            return False
        _thread_of = None
    return True


def _shut_down(descriptor: int) -> None:
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as other:
        other.shutdown(socket.SHUT_RDWR)
