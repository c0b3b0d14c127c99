"""Requests that were seen, for as long as their signature is good.

Example::

    if not _window.is_first(signed, now):
        ...     # sent again: it runs nothing

Where there is no ledger, nothing else keeps a recorded request from running
its job again. It is the memory of one process: of several, each would run it
once.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from cronsched.base.locks import Lock
from cronsched.web.signing import TOLERANCE, Signed

__all__ = ['Window']

#: Only valid requests are kept: room for 300 in each second.
MOST: Final = 100_000


class Window:
    """See the module."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = Lock()
        self._until: OrderedDict[Signed, float] = OrderedDict()

    def is_first(self, signed: Signed, now: float) -> bool:
        """Keep it; whether it was not there. `now` is UTC seconds."""
        with self._lock:
            self._forget(now)
            if signed in self._until:
                return False
            # It may be signed by a clock that is fast by as much.
            self._until[signed] = signed.timestamp + TOLERANCE
            return True

    def _forget(self, now: float) -> None:
        while self._until:
            oldest = next(iter(self._until))
            if self._until[oldest] >= now and len(self._until) < self._most:
                return
            del self._until[oldest]

    def __len__(self) -> int:
        return len(self._until)
