"""What catching up has to know, from what a store has found; no store.

Example::

    floor_of = floors(known.values(), {'org/zug': now}, reach=86_400.0)
    past_jobs(known, floor_of, rows, before)    # {'org/zug': [PastJob, ...]}
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from cronsched.ledger.known import KnownJob, PastJob

__all__ = ['Recorded', 'floors', 'past_jobs']

# Further back, nothing is looked for.
LONGEST: Final = 30 * 86_400.0

# The number of a job, scheduled and until.
Recorded = tuple[int, int, int | None]


def floors(
    known: Iterable[KnownJob], at: Mapping[str, float], reach: float,
) -> dict[str, int]:
    """The last owner lived until the newest record; what it left undone is not
    older than what it would have caught up itself."""
    lived: dict[str, float] = defaultdict(float)
    for job in known:
        newest = job.since if job.newest is None else job.newest
        if newest > lived[job.application_id]:
            lived[job.application_id] = newest
    return {
        name: int(max(min(lived[name] or instant, instant), instant - LONGEST) - reach)
        for name, instant in at.items()
    }


def past_jobs(
    known: Mapping[int, KnownJob], floor_of: Mapping[str, int], rows: Iterable[Recorded],
    before: Iterable[Recorded],
) -> dict[str, list[PastJob]]:
    """By application id. `known` are the jobs by their number; `rows` are
    recorded since the floor, `before` is the last one of each job before."""
    last: dict[int, int] = {}
    single: dict[int, list[int]] = defaultdict(list)
    ranges: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for number, scheduled, until in before:
        last[number] = until or scheduled
        if until is not None:
            ranges[number].append((scheduled, until))
    for number, scheduled, until in rows:
        if until is None:
            single[number].append(scheduled)
        else:
            ranges[number].append((scheduled, until))
    found: dict[str, list[PastJob]] = {name: [] for name in floor_of}
    for number, job in known.items():
        name = job.application_id
        found[name].append(PastJob._make((
            job, floor_of[name], last.get(number), single.get(number, ()),
            tuple(ranges.get(number, ())))))
    return found
