"""Whether the server is still the same, asked each second while that matters.

Example::

    attention = Attention(ledger.heed)      # returns whether to go on
    attention.begin()                       # with each claim that is granted

A worker that executes what others fire has nothing else that would tell it of
a failover, and must say its claims again within seconds. One daemon thread for
each ledger, while claims are remembered; it ends for a fork, and begins again
with the next claim.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import Final

from cronsched.base.forks import await_gone
from cronsched.base.locks import Lock

__all__ = ['Attention']

TURN: Final = 1.0       # seconds


class Attention:
    """See the module. For any thread."""

    def __init__(self, heed: Callable[[], bool]) -> None:
        self._heed = heed
        self._lock = Lock()
        self._process_id = 0
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()
        _all.add(self)

    def begin(self) -> None:
        if self._is_there():
            return
        with self._lock:
            if not self._is_there():
                self._process_id, self._ending = os.getpid(), threading.Event()
                self._thread = threading.Thread(
                    target=self._run, args=(self._ending,), name='cronsched-claims', daemon=True)
                self._thread.start()

    def end(self, timeout: float = 1.0) -> None:
        thread = self._thread
        if thread is None or self._process_id != os.getpid() or (
                thread is threading.current_thread()):
            return
        self._ending.set()
        thread.join(timeout)
        if not thread.is_alive():
            await_gone(thread.native_id, timeout)

    def _is_there(self) -> bool:
        return (self._process_id == os.getpid() and self._thread is not None
                and self._thread.is_alive() and not self._ending.is_set())

    def _run(self, ending: threading.Event) -> None:
        while not ending.wait(TURN):
            if not self._heed():
                ending.set()


_all: weakref.WeakSet[Attention] = weakref.WeakSet()


def _before_fork() -> None:
    for attention in list(_all):
        attention.end()


os.register_at_fork(before=_before_fork)
