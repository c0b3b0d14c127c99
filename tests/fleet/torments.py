"""What a process of the laboratory does to itself when it is told to.

Example::

    os.kill(pid, torments.HOLD)      # no thread of its Python runs for ten seconds
    os.kill(pid, torments.BUSY)      # 64 threads want to, for ten seconds

Signals reach the very process that is meant, whoever the web server would
give a request to.
"""

from __future__ import annotations

import itertools
import signal
import threading
import time
from typing import Any

HOLD, BUSY = signal.SIGRTMIN + 5, signal.SIGRTMIN + 6
SECONDS = 10.0
THREADS = 64


def listen() -> None:
    if threading.current_thread() is threading.main_thread():
        signal.signal(HOLD, _hold)
        signal.signal(BUSY, _be_busy)


def _hold(number: int, frame: Any) -> None:
    """One call of C, as of a long regular expression: it keeps the GIL."""
    count = 1_000_000
    began = time.monotonic()
    sum(itertools.repeat(1, count))
    sum(itertools.repeat(1, int(count * SECONDS / (time.monotonic() - began))))


def _be_busy(number: int, frame: Any) -> None:
    end = time.monotonic() + SECONDS
    for _ in range(THREADS):
        threading.Thread(target=_spin, args=(end,), daemon=True).start()


def _spin(end: float) -> None:
    while time.monotonic() < end:
        sum(range(100))
