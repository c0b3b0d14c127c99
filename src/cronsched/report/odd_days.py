"""What the two odd days of a year do to a job.

Example::

    for day in odd_days(Schedule('30 2 * * *', 'Europe/Zurich'), now=1790000000):
        print(day.date, day.change, day.told)
    # 2026-10-25  03:00 becomes 02:00  runs at 02:30, 02:30 happens twice: first one
    # 2027-03-28  02:00 becomes 03:00  runs at 03:00, moved from 02:30: clocks go forward
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import islice
from typing import Final, Literal, NamedTuple

from cronsched.schedule import Schedule
from cronsched.schedule.english.moves import local_text, move_of

__all__ = ['OddDay', 'odd_days', 'runs_between']

DAY: Final = 86400
# Further ahead, the rules of a zone may be others.
HORIZON: Final = 2 * 366 * DAY
# More runs of a day than these are not counted.
MOST_RUNS: Final = 5000
MOST_TOLD: Final = 3


class OddDay(NamedTuple):
    """`at`: when the clocks change, UTC seconds. `runs`: how many there are
    that day, of which written are `usual`; None for more than 5,000."""

    at: int
    kind: Literal['forward', 'back']
    date: str
    change: str
    runs: int | None
    usual: int | None
    told: str


def odd_days(schedule: Schedule, now: float, count: int = 2) -> list[OddDay]:
    """The next changes of the clocks of its zone, and what they do to it."""
    if schedule.parts['reboot']:
        return []
    return list(islice(_odd_days(schedule, int(now)), count))


def runs_between(schedule: Schedule, start: int, end: int) -> Iterator[int]:
    """The scheduled times from `start` to before `end`, UTC seconds."""
    at = schedule.next_epoch(start - 1)
    while at is not None and at < end:
        yield at
        at = schedule.next_epoch(at)


def _odd_days(schedule: Schedule, now: int) -> Iterator[OddDay]:
    zone = schedule.zone
    at = zone.span_at(now)[1]
    while at is not None and at <= now + HORIZON:
        before, after = zone.span_at(at - 1)[2], zone.span_at(at)[2]
        if before != after:
            yield _odd_day(schedule, at, before, after)
        at = zone.span_at(at)[1]


def _odd_day(schedule: Schedule, at: int, before: int, after: int) -> OddDay:
    # The day on which the clocks show the change last: that of 00:00 to 23:00.
    day = (at + max(before, after) - 1) // DAY * DAY
    start, end = (schedule.zone.from_local(local)[1] for local in (day, day + DAY))
    runs = list(islice(runs_between(schedule, start, end), MOST_RUNS + 1))
    written = Schedule(str(schedule), 'UTC')
    usual = list(islice(runs_between(written, day, day + DAY), MOST_RUNS + 1))
    return OddDay(
        at, 'forward' if after > before else 'back',
        date.fromisoformat(f'{datetime.fromtimestamp(day, UTC):%Y-%m-%d}').isoformat(),
        f'{local_text(at + before)} becomes {local_text(at + after)}',
        _counted(runs), _counted(usual), _told(schedule, runs, usual),
    )


def _counted(runs: list[int]) -> int | None:
    return len(runs) if len(runs) <= MOST_RUNS else None


def _told(schedule: Schedule, runs: list[int], usual: list[int]) -> str:
    if len(runs) > MOST_RUNS:
        return 'runs whenever the clock shows it'
    moves = [(run, move) for run in runs if (move := move_of(schedule, run)) is not None]
    if len(runs) != len(usual):
        return f'{len(runs)} runs instead of {len(usual)}'
    if not runs:
        return 'does not run that day'
    if not moves or len(moves) > MOST_TOLD:
        return 'runs as on any day'
    return '; '.join(
        f'runs at {local_text(run + schedule.zone.span_at(run)[2])}, {move}'
        for run, move in moves
    )
