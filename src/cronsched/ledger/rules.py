"""Whether a run that was claimed before may be executed once more, and when;
no store.

Example::

    again(known, attempt=2, stamp=(0, 1792000007), retries=3)
    backoff(2.0, attempt=3)       # 8.0 seconds after the third attempt
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

REPEATABLE: Final = frozenset(('failed', 'timed_out', 'unreachable', 'lost'))

LONGEST_BACKOFF: Final = 600.0   # seconds

Verdict = Literal['granted', 'duplicate', 'executing', 'lost', 'replayed']

# Epoch and time of a signed request: of two, the greater is newer, also where
# the next owner's clock is behind that of the last. None: it was not signed.
Stamp = tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger has of a run; `executing` if a process that lives still
    has it, whether or not its sender gave up."""

    state: str
    attempt: int
    stamp: Stamp
    executing: bool


def again(
    known: Known, *, attempt: int, stamp: Stamp, retries: int,
) -> tuple[Verdict, int]:
    """The answer to a further claim of a run, and which attempt it would be.
    The attempt is signed, so a further one is new whatever the clocks say. A
    run that was lost may be asked for with the attempt that was lost, as the
    next owner may not know of it; then the stamp must be newer."""
    if known.executing:
        is_next = known.attempt < attempt <= retries + 1
        return 'executing' if is_next else 'duplicate', known.attempt
    if known.state not in REPEATABLE:
        return 'duplicate', known.attempt
    was_lost = known.state == 'lost'
    refused: Verdict = 'lost' if was_lost else 'duplicate'
    is_known = attempt <= known.attempt
    if is_known and not was_lost:
        return refused, known.attempt
    attempt = max(attempt, known.attempt + 1)
    if attempt > retries + 1:
        return refused, known.attempt
    if is_known and not _is_newer(stamp, known.stamp):
        return 'replayed', known.attempt
    return 'granted', attempt


def _is_newer(stamp: Stamp, than: Stamp) -> bool:
    """An unsigned request never follows a signed one. The next owner may
    repeat what was lost within the second in which it was sent; who replays
    the request then gets no more than that repetition."""
    if than is None or stamp is None:
        return than is None
    return stamp >= than


def backoff(first: float, attempt: int) -> float:
    """Seconds between the end of an attempt and the next one."""
    return float(min(first * 2.0 ** min(attempt - 1, 60), LONGEST_BACKOFF))
