"""What a claim asks for.

Example::

    wish = Wish(run, 1, None, 0, 1.0, 'skip', 3600.0, clock.now(), store.member())
    claim = claims.claim(connection, presence, wish)
"""

from __future__ import annotations

from typing import NamedTuple

from cronsched.ledger.rules import Stamp
from cronsched.ledger.values import Run

__all__ = ['Wish']


class Wish(NamedTuple):
    """`Ledger.claim` says what the fields mean."""

    run: Run
    attempt: int
    stamp: Stamp
    retries: int
    backoff: float
    overlap: str
    timeout: float
    now: float
    member: int

    def left(self, attempt: int) -> int:
        """How many may follow the attempt."""
        return max(self.retries + 1 - attempt, 0)

    def columns(self) -> tuple[int | None, int]:
        """The stamp, as `stamp` and `epoch` of a row."""
        return (None, 0) if self.stamp is None else (self.stamp[1], self.stamp[0])
