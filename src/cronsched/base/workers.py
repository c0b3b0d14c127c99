"""Threads of ours that can be ended for a fork, and seen to be gone.

Example::

    worker = Worker('cronsched', turn)     # calls turn() until it is to end
    worker.stopping = True
    worker.thread.join(2.0)
    forks.await_gone(worker.thread.native_id, 2.0)
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from cronsched.base.locks import Lock

__all__ = ['Worker']


class Worker:
    """One thread, and whether it is to end."""

    def __init__(self, name: str, turn: Callable[[], None]) -> None:
        self._turn = turn
        self.stopping = False
        self.ended = False
        self.lock = Lock()
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    def _run(self) -> None:
        while not self._ends():
            self._turn()

    def _ends(self) -> bool:
        with self.lock:
            self.ended = self.stopping
            return self.ended

    def go_on(self) -> bool:
        """Take back that it is to end; False when it is too late."""
        with self.lock:
            self.stopping = False
            return not self.ended and self.thread.is_alive()
