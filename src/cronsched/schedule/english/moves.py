"""What the clocks of a zone do to the times of a schedule.

Example::

    schedule = Schedule('30 2 * * *', 'Europe/Zurich')
    str(move_of(schedule, 1774746000))   # 'moved from 02:30: clocks go forward'

The rules themselves are native (`next`); here they are described. A fixed time that
the clocks skip runs at the first instant after the gap; one that they show
twice runs at the first of the two. Interval-based schedules have no match in a
gap and run in both passes.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice

from cronsched._cronsched import Schedule, Zone
from cronsched.schedule.english.phrases import listing

TYPE_CHECKING = False    # as in typing, which is slow to load
if TYPE_CHECKING:
    from typing import Literal

__all__ = ['Gap', 'Move', 'gap_at', 'local_text', 'move_of', 'next_gap', 'skipped_in']

# At most this many skipped times are named.
MOST_NAMED = 3


class Gap:
    """Clocks go forward. `at`: UTC seconds; `first` and `end`: the local times
    from which and to which they jump, in seconds as if they were UTC."""

    __slots__ = 'at', 'end', 'first'

    def __init__(self, at: int, first: int, end: int) -> None:
        self.at = at
        self.first = first
        self.end = end


class Move:
    """Why a run is not simply at its own time. `times`: the local times."""

    __slots__ = 'kind', 'times'

    def __init__(
        self, kind: Literal['moved', 'also', 'first', 'second'], times: tuple[str, ...],
    ) -> None:
        self.kind = kind
        self.times = times

    def __str__(self) -> str:
        text = listing(self.times)
        if self.kind == 'moved':
            return f'moved from {text}: clocks go forward'
        if self.kind == 'also':
            return f'also for {text}: clocks go forward'
        return f'{text} happens twice: {self.kind} one'


def move_of(schedule: Schedule, at: int) -> Move | None:
    """What is special about the run of `schedule` at `at` (UTC seconds)."""
    zone = schedule.zone
    local = at + zone.span_at(at)[2]
    gap = gap_at(zone, at)
    skipped = list(islice(skipped_in(schedule, gap), MOST_NAMED + 1)) if gap else []
    if skipped:
        own_time = _in_utc(schedule).matches_epoch(local)
        return Move('also' if own_time else 'moved', _named(skipped, local))
    meaning, first, _ = zone.from_local(local)
    if meaning != 'overlap':
        return None
    return Move('first' if at == first else 'second', _named([local], local))


def gap_at(zone: Zone, at: int) -> Gap | None:
    """The gap whose end is `at`, if clocks go forward then."""
    start, _, offset = zone.span_at(at)
    if start != at:
        return None
    before = zone.span_at(at - 1)[2]
    return Gap(at, at + before, at + offset) if before < offset else None


def next_gap(zone: Zone, after: int, until: int) -> Gap | None:
    """The first gap after `after` and not after `until`, both UTC seconds."""
    at = zone.span_at(after)[1]
    while at is not None and at <= until:
        gap = gap_at(zone, at)
        if gap:
            return gap
        at = zone.span_at(at)[1]
    return None


def skipped_in(schedule: Schedule, gap: Gap) -> Iterator[int]:
    """The fixed times of `schedule` that run at the end of `gap` because no
    clock shows them: local seconds."""
    if schedule.parts['interval'] or schedule.parts['reboot']:
        return
    written = _in_utc(schedule)
    local = written.next_epoch(gap.first - 1)
    while local is not None and local < gap.end:
        if schedule.zone.from_local(local)[:2] == ('gap', gap.at):
            yield local
        local = written.next_epoch(local)


def local_text(local: int, *, date: bool = False) -> str:
    """`02:30`; with seconds where they are not 0, with the date if asked."""
    at = datetime.fromtimestamp(local, UTC)
    time = f'{at:%H:%M:%S}' if at.second else f'{at:%H:%M}'
    return f'{at:%Y-%m-%d} {time}' if date else time


def _in_utc(schedule: Schedule) -> Schedule:
    """The same with clocks that never change: what was written."""
    return Schedule(str(schedule), 'UTC')


def _named(times: list[int], today: int) -> tuple[str, ...]:
    day = 86400
    dated = any(time // day != today // day for time in times)
    named = [local_text(time, date=dated) for time in times[:MOST_NAMED]]
    return (*named, 'others') if len(times) > MOST_NAMED else tuple(named)
