"""What is to be written into a ledger that cannot be used now.

Example::

    late.write(lambda: ledger.record(...))    # now, or later
    late.write_all()                          # once a second
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Final

from cronsched.ledger import LedgerError
from cronsched.scheduler.safe_log import FAULTS, say, trouble

__all__ = ['Late']

# The oldest is forgotten first: of a ledger that is away for days, the log
# tells the rest.
MOST: Final = 10_000


class Late:
    """See the module. Used by one thread."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], object]] = deque(maxlen=MOST)

    def write(self, action: Callable[[], object]) -> None:
        """Do it now, or when the ledger can be used again: then everything
        in order, as each is to have its record."""
        self._waiting.append(action)
        if len(self._waiting) > 1:
            return
        try:
            self.write_all()
        except LedgerError as error:
            say(logging.ERROR, 'Kept in memory until the ledger can be written: %s', error)

    def write_all(self) -> None:
        """Raises `LedgerError` when it is still too early."""
        while self._waiting:
            try:
                self._waiting[0]()
            except LedgerError:
                raise
            except FAULTS:
                trouble()
            self._waiting.popleft()
