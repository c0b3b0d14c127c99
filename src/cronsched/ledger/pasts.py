"""What catching up has to know, from what a store has found; no store.

Example::

    floors(known, {'org/zug': now}, reach=86_400.0)    # {'org/zug': 1792000000}
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from cronsched.ledger.values import KnownJob, PastJob

__all__ = ['Range', 'floors', 'past_job']

# Further back, nothing is looked for.
LONGEST: Final = 30 * 86_400.0

Range = tuple[int, int | None]   # scheduled and until


def floors(
    known: Iterable[KnownJob], at: Mapping[str, float], reach: float,
) -> dict[str, int]:
    """The last owner lived until the newest record; what it left undone is not
    older than what it would have caught up itself."""
    lived: dict[str, float] = defaultdict(float)
    for job in known:
        newest = job.since if job.newest is None else job.newest
        lived[job.application_id] = max(lived[job.application_id], newest)
    return {
        name: int(max(min(lived[name] or instant, instant), instant - LONGEST) - reach)
        for name, instant in at.items()
    }


def past_job(
    known: KnownJob, floor: int, rows: list[Range], before: Range | None,
) -> PastJob:
    every: list[Any] = rows if before is None else [before, *rows]
    return PastJob(
        known, floor,
        None if before is None else before[1] or before[0],
        frozenset(scheduled for scheduled, until in rows if until is None),
        tuple((scheduled, until) for scheduled, until in every if until is not None))
