"""An end to waiting for a server that does not answer.

Example::

    with watch.over(connection.fileno(), 5.0, cancel) as watched:
        ...     # after 5 seconds the socket is shut down, and the driver raises
    watched.late    # an answer that came after all was not waited for

Before that, `cancel()` is called: who waits in the server, for a lock or for a
standby, would go on with it, and take one of its connections each time.

A stopped server, or a machine that was cut off, acknowledges nothing and
closes nothing: libpq would wait for ever, and no driver has a time limit of
its own. One thread for the whole process looks at what takes too long; it
ends a minute after the last use, and for a fork, of which Python warns where
there are threads.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from cronsched.base.forks import await_gone
from cronsched.base.locks import Lock

__all__ = ['at_rest', 'over', 'seconds']

TURN: Final = 0.2           # seconds between two looks
IDLE_TURNS: Final = 300     # without a use: a minute, then the thread ends


class Watched:
    """What is waited for until `end`."""

    __slots__ = ('cancel', 'descriptor', 'end', 'late')

    def __init__(self, end: float, descriptor: int, cancel: Callable[[], object] | None) -> None:
        self.end = end
        self.descriptor = descriptor
        self.cancel = cancel
        self.late = False


_lock = Lock()
_watched: set[Watched] = set()
_used = False
_thread_of: int | None = None      # the process that has the thread
_thread: threading.Thread | None = None
_ending = threading.Event()
_at_rest: list[Callable[[], None]] = []


def seconds() -> float:
    """A clock that no test stops."""
    return time.clock_gettime(time.CLOCK_MONOTONIC)


@contextmanager
def over(
    descriptor: int, patience: float, cancel: Callable[[], object] | None = None,
) -> Iterator[Watched]:
    """See the module. `descriptor` stays open until the end of the block;
    `cancel` waits for a second at most, and raises nothing."""
    watched = Watched(seconds() + patience, descriptor, cancel)
    with _lock:
        _begin(watched)
    try:
        yield watched
    finally:
        with _lock:
            _watched.discard(watched)


def at_rest(callback: Callable[[], None]) -> None:
    """Call it, in the thread, after a minute in which nothing was watched."""
    _at_rest.append(callback)


def _begin(watched: Watched) -> None:
    global _used
    if _thread_of != os.getpid():
        _watched.clear()    # of a parent
        _start()
    _watched.add(watched)
    _used = True


def _start() -> None:
    global _thread_of, _thread, _ending
    _thread_of, _ending = os.getpid(), threading.Event()
    _thread = threading.Thread(
        target=_watch, args=(_ending,), name='cronsched-ledger', daemon=True)
    _thread.start()


def _watch(ending: threading.Event) -> None:
    idle = 0
    while not ending.wait(TURN):
        idle = 0 if _look() else idle + 1
        if idle >= IDLE_TURNS and _retire():
            for rest in _at_rest:
                rest()
            return


def _look() -> bool:
    """Whether there was a use since the last look."""
    global _used
    with _lock:
        late = [each for each in _watched if seconds() > each.end]
        for each in late:
            each.late = True
        used, _used = _used or bool(_watched), False
    for each in late:
        cancel, each.cancel = each.cancel, None
        if cancel is not None:
            cancel()    # what the server says to it may come until the next look
            continue
        with _lock:
            if each in _watched:    # its descriptor is another's otherwise
                _watched.remove(each)
                _shut_down(each.descriptor)
    return used


def _retire() -> bool:
    global _thread_of
    with _lock:
        if _used or _watched:
            return False
        _thread_of = None
    return True


def _before_fork() -> None:
    thread = _thread
    if _thread_of == os.getpid() and thread is not None and thread.is_alive():
        _ending.set()
        thread.join(1.0)
        await_gone(thread.native_id, 1.0)


def _after_fork_in_parent() -> None:
    """What another thread waits for is watched again."""
    global _thread_of
    with _lock:
        if _ending.is_set() and _thread_of == os.getpid():
            _thread_of = None
            if _watched:
                _start()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent)


def _shut_down(descriptor: int) -> None:
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as other:
        other.shutdown(socket.SHUT_RDWR)
