"""Whether a run that was claimed before may be executed once more; no store.

Example::

    again(known, attempt=2, timestamp=1792000007, retries=3)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

REPEATABLE: Final = frozenset(('failed', 'timed_out', 'unreachable', 'lost'))

Verdict = Literal['granted', 'duplicate', 'lost', 'replayed']


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger has of a run; `executing` if a process that lives still
    has it, whether or not its sender gave up."""

    state: str
    attempt: int
    timestamp: int | None
    executing: bool


def again(
    known: Known, *, attempt: int, timestamp: int | None, retries: int,
) -> tuple[Verdict, int]:
    """The answer to a further claim of a run, and which attempt it would be.
    A run that was lost may be asked for with the attempt that was lost, as
    the next owner does not know of it."""
    if known.executing or known.state not in REPEATABLE:
        return 'duplicate', known.attempt
    was_lost = known.state == 'lost'
    refused: Verdict = 'lost' if was_lost else 'duplicate'
    if attempt <= known.attempt and not was_lost:
        return refused, known.attempt
    attempt = max(attempt, known.attempt + 1)
    if attempt > retries + 1:
        return refused, known.attempt
    if not _is_newer(timestamp, known.timestamp, or_same=was_lost):
        return 'replayed', known.attempt
    return 'granted', attempt


def _is_newer(timestamp: int | None, than: int | None, *, or_same: bool) -> bool:
    """An unsigned request (None) never follows a signed one. The next owner
    may repeat what was lost within the second in which it was sent; who
    replays the request then gets no more than that repetition."""
    if than is None or timestamp is None:
        return than is None
    return timestamp > than or (or_same and timestamp == than)
