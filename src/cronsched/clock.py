"""Python's clock, and whether somebody holds it.

Tests freeze `time.time()`; the native thread goes by the system's clock all
the same. Where the two differ, Python's is asked when a call is first due, so
that what is due by the test's clock is due at once.
"""

from __future__ import annotations

import sys
import time
from typing import Final

__all__ = ['is_frozen']

# CLOCK_REALTIME_COARSE on Linux: time-machine puts its own in place of
# CLOCK_REALTIME. It lags behind by one tick of the kernel, 10 ms at most.
SYSTEM_CLOCK: Final = 5 if sys.platform == 'linux' else time.CLOCK_REALTIME

# Between the two readings the clock may be set, or the process may stop.
TOLERANCE: Final = 10.0


def is_frozen() -> bool:
    """Whether `time.time()` is seconds away from the system's clock."""
    return abs(time.time() - time.clock_gettime(SYSTEM_CLOCK)) > TOLERANCE
