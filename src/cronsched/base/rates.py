"""What may happen as often as somebody likes is told once a minute.

Example::

    _refused = Rate()

    if count := _refused.count():
        log.warning('refused %d request(s), this one for %s', count, name)

Whoever can send requests could otherwise fill the log with them.
"""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ['Rate']


class Rate:
    """The first is told at once, what follows within `pause` seconds together
    with the first after them."""

    def __init__(self, pause: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._pause = pause
        self._clock = clock
        self._silent_until = float('-inf')
        self._untold = 0

    def count(self) -> int:
        """Count one more: how many are to be told of now, 0 for none yet."""
        # Without a lock: two threads at once may count one too few.
        self._untold += 1
        if self._clock() < self._silent_until:
            return 0
        self._silent_until = self._clock() + self._pause
        untold, self._untold = self._untold, 0
        return untold
