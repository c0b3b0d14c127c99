"""Which runs are missing since the last one that was recorded.

Example::

    gap = find_gap(schedule, after=last, boundary=owned_at, offset=12.5, policy=policy)
    gap.fire     # scheduled times to fire now, in order
    gap.missed   # those that are too late, as (first, last, how many)

Pure. Times are UTC seconds; `boundary` is the moment of taking over: what was
due before it is missing, what is due after it the scheduler fires itself.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from itertools import takewhile
from math import ceil

from cronsched.jobs.options import Policy
from cronsched.schedule import Schedule

__all__ = ['Gap', 'find_gap']

# A gap longer than the history is not counted further.
LONGEST = 30 * 86_400


@dataclass(frozen=True, slots=True)
class Gap:
    """See the module."""

    fire: tuple[int, ...] = ()
    missed: tuple[tuple[int, int, int], ...] = ()


def find_gap(
    schedule: Schedule,
    *,
    after: int,
    boundary: float,
    offset: float,
    policy: Policy,
    known: Container[int] = (),
) -> Gap:
    """The runs scheduled after `after` and due before `boundary`. `known` are
    scheduled times that have a record, and are left out."""
    end = ceil(boundary - offset)
    latest = schedule.previous_epoch(end)
    if latest is None or latest <= after:
        return Gap()
    fire = _to_fire(schedule, latest, max(after, _limit(end, policy)), policy)
    missed = _ranges(schedule, max(after, end - LONGEST), fire[0] if fire else end, known)
    return Gap(tuple(each for each in fire if each not in known), tuple(missed))


def _ranges(
    schedule: Schedule, after: int, before: int, known: Container[int]
) -> Iterator[tuple[int, int, int]]:
    """The missing runs, as ranges without a record between them."""
    first = last = count = 0
    for each in _between(schedule, after, before):
        if each not in known:
            first, last, count = first or each, each, count + 1
        elif count:
            yield first, last, count
            first = count = 0
    if count:
        yield first, last, count


def _limit(end: int, policy: Policy) -> int:
    """The last scheduled time that is too late to fire."""
    longest = LONGEST if policy.catch_up is None else int(policy.catch_up)
    return end - longest - 1


def _to_fire(schedule: Schedule, latest: int, after: int, policy: Policy) -> list[int]:
    if latest <= after:
        return []
    if policy.coalesce:
        return [latest]
    return list(_between(schedule, after, latest + 1))


def _between(schedule: Schedule, after: int, before: int) -> Iterator[int]:
    """Every scheduled time in (after, before), in order."""
    return takewhile(lambda each: each < before, _following(schedule, after))


def _following(schedule: Schedule, after: int) -> Iterator[int]:
    while (scheduled := schedule.next_epoch(after)) is not None:
        yield scheduled
        after = scheduled
