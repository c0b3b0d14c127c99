"""What time it is for cronsched: Python's clock, unless a test has its own.

Tests freeze `time.time()`; the native thread goes by the system's clock all
the same. Where the two differ, Python's is asked when a call is first due, so
that what is due by the test's clock is due at once. With a virtual clock
(`cronsched.testing`) there is no thread, and everything goes by that clock.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ['in_place', 'is_frozen', 'now']

# CLOCK_REALTIME_COARSE on Linux: time-machine puts its own in place of
# CLOCK_REALTIME. It lags behind by one tick of the kernel, 10 ms at most.
SYSTEM_CLOCK: Final = 5 if sys.platform == 'linux' else time.CLOCK_REALTIME

# Between the two readings the clock may be set, or the process may stop.
TOLERANCE: Final = 10.0

_virtual: Callable[[], float] | None = None


def now() -> float:
    """UTC seconds."""
    return time.time() if _virtual is None else _virtual()


def is_frozen() -> bool:
    """Whether `time.time()` is seconds away from the system's clock, and no
    virtual clock accounts for it."""
    if _virtual is not None:
        return False
    return abs(time.time() - time.clock_gettime(SYSTEM_CLOCK)) > TOLERANCE


@contextmanager
def in_place(virtual: Callable[[], float]) -> Iterator[None]:
    """Have `now` answer what `virtual` does. For the whole process."""
    global _virtual
    before, _virtual = _virtual, virtual
    try:
        yield
    finally:
        _virtual = before
