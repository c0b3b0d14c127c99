"""What a cron expression means where clocks are set, by brute force.

    clock = Clock(ZoneInfo('Europe/Zurich'), first_minute, end_minute)
    clock.runs(Pattern('30 2 * * *'))      # epoch seconds

Written from the rule and with `zoneinfo` alone: the wall clock of the zone is
read once a minute, and every local time of the pattern is looked up in what
was read.

* Interval-based (a wildcard, range or step in second, minute or hour): each
  minute whose reading matches.
* Fixed: a local time that was shown runs when it was first shown; one that
  was never shown runs at the first minute that shows a later time.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

DAY = 24 * 60
EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
LIMITS = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
# Longer than any clock was ever set by: before this many minutes of a window
# have passed, a time may have been shown that the window does not know of.
MARGIN = 27 * 60


class Answers(Protocol):
    """What is asked of the implementation."""

    def next_epoch(self, after: int) -> int | None: ...
    def previous_epoch(self, before: int) -> int | None: ...
    def matches_epoch(self, at: int) -> bool: ...


def field(text: str, first: int, last: int) -> frozenset[int]:
    """The values of `*`, numbers, lists, ranges and steps."""
    values: set[int] = set()
    for part in text.split(','):
        span, _, step = part.partition('/')
        low, _, high = span.partition('-')
        start = first if span == '*' else int(low)
        stop = last if span == '*' else int(high or low)
        values.update(range(start, stop + 1, int(step or 1)))
    return frozenset(values)


class Pattern:
    """An expression of five or six fields, plain ones only."""

    def __init__(self, text: str) -> None:
        fields = text.split()
        if len(fields) == 5:
            fields.insert(0, '0')
        self.text = text
        self.is_interval = any(set(part) & set('*-/') for part in fields[:3])
        self.both_days = fields[5].startswith('+')
        fields[5] = fields[5].removeprefix('+')
        self.any_day, self.any_weekday = fields[3] == '*', fields[5] == '*'
        (self.seconds, minutes, hours, self.days, self.months, self.weekdays) = (
            field(part, *limits) for part, limits in zip(fields, LIMITS, strict=True)
        )
        self.minutes = [60 * hour + minute for hour in sorted(hours) for minute in sorted(minutes)]

    def has_day(self, day: int) -> bool:
        """Is it due on the day `day` after 1970-01-01?"""
        on = date.fromordinal(EPOCH_ORDINAL + day)
        if on.month not in self.months:
            return False
        by_day = on.day in self.days
        by_weekday = on.isoweekday() % 7 in self.weekdays
        if self.any_day or self.any_weekday or self.both_days:
            return by_day and by_weekday
        return by_day or by_weekday

    def walls(self, first: int, last: int) -> Iterator[int]:
        """All its local minutes from `first` to `last`."""
        for day in range(first // DAY, last // DAY + 1):
            if self.has_day(day):
                for minute in self.minutes:
                    if first <= day * DAY + minute <= last:
                        yield day * DAY + minute


def wall_minute(minute: int, zone: ZoneInfo) -> int:
    """What the wall clock shows at a minute of UTC, as a minute count."""
    wall = datetime.fromtimestamp(minute * 60, zone)
    assert wall.second == 0, 'an offset that is not a whole minute'
    day = wall.toordinal() - EPOCH_ORDINAL
    return day * DAY + wall.hour * 60 + wall.minute


class Clock:
    """A zone's wall clock, read at each minute of UTC from `first` until
    `end`, and before that for as long as the readings need to be complete."""

    def __init__(self, zone: ZoneInfo, first: int, end: int) -> None:
        self.first, self.end = first, end
        self.start = first - MARGIN
        self.readings = [wall_minute(minute, zone) for minute in range(self.start, end)]
        self.first_shown: dict[int, int] = {}
        for minute, wall in enumerate(self.readings, self.start):
            self.first_shown.setdefault(wall, minute)
        # Each jump, forward or back: (minute, reading before, reading).
        self.jumps = [
            (self.start + i, before, wall)
            for i, (before, wall) in enumerate(pairwise(self.readings), 1)
            if wall != before + 1
        ]

    def after_gap(self, wall: int) -> int:
        """The first minute after the gap that holds `wall`."""
        return next(minute for minute, before, after in self.jumps if before < wall < after)

    def fixed_minutes(self, pattern: Pattern) -> Iterator[tuple[int, bool]]:
        """(minute, does the clock show the time itself then?)"""
        first, last = min(self.readings), max(self.readings)
        for wall in pattern.walls(first, last):
            shown = self.first_shown.get(wall)
            if shown is None:
                yield self.after_gap(wall), False
            else:
                yield shown, True

    def shown_minutes(self, pattern: Pattern) -> Iterator[tuple[int, bool]]:
        walls = set(pattern.walls(min(self.readings), max(self.readings)))
        for minute, wall in enumerate(self.readings, self.start):
            if wall in walls:
                yield minute, True

    def runs(self, pattern: Pattern) -> list[int]:
        """Epoch seconds of every run of the window, in order."""
        minutes = (
            self.shown_minutes(pattern) if pattern.is_interval else self.fixed_minutes(pattern)
        )
        return sorted(
            {
                minute * 60 + second
                for minute, is_shown in minutes
                if self.first <= minute < self.end
                for second in (pattern.seconds if is_shown else (0,))
            }
        )


class Examination:
    """Next, previous and matches of one schedule against one clock."""

    def __init__(self, schedule: Answers, pattern: Pattern, clock: Clock) -> None:
        self.schedule = schedule
        self.pattern = pattern
        self.first, self.end = clock.first * 60, clock.end * 60
        self.runs = clock.runs(pattern)
        self.edges = [minute * 60 for minute, _, _ in clock.jumps if minute >= clock.first]
        self.questions = 0

    def probes(self, step: int) -> set[int]:
        """A second before, at and after each run and each jump, and every
        `step` minutes in between."""
        at = {edge + nudge for edge in self.edges + self.runs for nudge in (-1, 0, 1)}
        at.update(range(self.first, self.end, step * 60))
        return {probe for probe in at if self.first <= probe < self.end}

    def faults(self, step: int) -> Iterator[str]:
        runs, known = self.runs, set(self.runs)
        after, before = self.schedule.next_epoch, self.schedule.previous_epoch
        matches = self.schedule.matches_epoch
        for at in self.probes(step):
            self.questions += 3
            i = bisect_right(runs, at)
            found = after(at)
            if found != runs[i] if i < len(runs) else found is not None and found < self.end:
                yield self.fault('next', at, found)
            i = bisect_left(runs, at)
            found = before(at)
            if found != runs[i - 1] if i else found is not None and found >= self.first:
                yield self.fault('previous', at, found)
            if matches(at) != (at in known):
                yield self.fault('matches', at, at)

    def fault(self, what: str, at: int, found: int | None) -> str:
        def when(epoch: int | None) -> str:
            return f'{datetime.fromtimestamp(epoch, UTC):%FT%TZ}' if epoch is not None else 'none'

        return (
            f'{self.pattern.text}: {what} of {when(at)} is {when(found)};'
            f' runs: {" ".join(when(run) for run in self.runs[:40])}'
        )
