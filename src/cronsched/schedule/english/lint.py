"""Warnings about expressions that probably do not mean what was intended.

Example::

    for finding in lint(Schedule('*/25 * * * *')):
        print(finding)   # */25 is uneven: ... Write ...

Nothing here is an error: the schedule runs as written. A decorated function
gets its findings as `CronWarning`, with its file and line; to keep one quiet::

    warnings.filterwarnings('ignore', r'.*\\[either-day\\]', category=cronsched.CronWarning)
"""

from __future__ import annotations

import time
import warnings
from calendar import monthrange
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from cronsched._cronsched import Schedule
from cronsched.errors import CronWarning
from cronsched.schedule.english.describe import describe_days
from cronsched.schedule.english.moves import Gap, local_text, next_gap, skipped_in
from cronsched.schedule.english.phrases import (
    MONTHS,
    WEEKDAYS,
    listing,
    months,
    numbers,
    progression,
)
from cronsched.schedule.english.steps import CYCLES, judge

__all__ = ['Finding', 'lint', 'warn']

Rule = Literal['uneven-step', 'either-day', 'gap', 'short-month', 'never', 'rare']

DAY_S = 86400
# Further ahead, the rules of a zone may change.
GAP_HORIZON_S = 2 * 366 * DAY_S
# Longer than the way from one 29 February to the next.
RARE_S = 5 * 366 * DAY_S

FIVE = ('minute', 'hour', 'day', 'month', 'weekday')
FIELDS_BY_COUNT = {5: FIVE, 6: ('second', *FIVE), 7: ('second', *FIVE, 'year')}


@dataclass(frozen=True, slots=True)
class Finding:
    """One warning. `advice` says what to write instead; `field` is None when
    it is about the whole."""

    rule: Rule
    field: str | None
    message: str
    advice: str

    def __str__(self) -> str:
        return f'{self.message}; {self.advice}'


def lint(schedule: Schedule) -> tuple[Finding, ...]:
    """The findings about `schedule` now: clock changes and last years are
    looked for from the time of Python's clock on."""
    if schedule.parts['reboot']:
        return ()
    now = int(time.time())
    never = tuple(_never(schedule, now))
    if never:
        return never
    rules: tuple[Callable[[Schedule], Iterator[Finding]], ...] = (
        _uneven_steps, _either_day, _short_months,
    )
    return (
        *(finding for rule in rules for finding in rule(schedule)),
        *_gap(schedule, now),
    )


def warn(
    schedule: Schedule,
    *,
    filename: str,
    lineno: int,
    registry: dict[Any, Any] | None = None,
) -> None:
    """Each finding as a `CronWarning` at that place of the source."""
    for finding in lint(schedule):
        message = CronWarning(f'{schedule.expression!r}: {finding} [{finding.rule}]')
        warnings.warn_explicit(message, None, filename, lineno, registry=registry)


def _texts(schedule: Schedule) -> dict[str, str]:
    """The fields as they were written; none for a nickname."""
    words = schedule.expression.split()
    return dict(zip(FIELDS_BY_COUNT.get(len(words), ()), words, strict=False))


def _with_field(schedule: Schedule, field: str, text: str) -> str:
    """The expression with another text in one field."""
    texts = _texts(schedule)
    return ' '.join({**texts, field: text}.values())


def _uneven_steps(schedule: Schedule) -> Iterator[Finding]:
    for field, text in _texts(schedule).items():
        said = judge(field, text, schedule.parts[field])
        if said and _goes_round(schedule, field):
            yield Finding('uneven-step', field, *said)


def _goes_round(schedule: Schedule, field: str) -> bool:
    """Does the end of one round of `field` meet the start of the next?"""
    above = {'second': 'minute', 'minute': 'hour'}.get(field)
    if above is None:
        return True
    values = schedule.parts[above]
    return any((value + 1) % CYCLES[above] in values for value in values)


def _either_day(schedule: Schedule) -> Iterator[Finding]:
    parts = schedule.parts
    if parts['day_any'] or parts['weekday_any'] or parts['both_days']:
        return
    both = _with_field(schedule, 'weekday', f'+{_texts(schedule)["weekday"]}')
    by_day = _with_field(schedule, 'weekday', '*')
    by_weekday = _with_field(schedule, 'day', '*')
    yield Finding(
        'either-day', 'weekday',
        'both day fields are restricted, and either is enough: it runs '
        f'{describe_days(parts) or "every day"}',
        f'write {both!r} if both must match, or two schedules, {by_day!r} and {by_weekday!r}, '
        'if either is meant',
    )


def _short_months(schedule: Schedule) -> Iterator[Finding]:
    parts = schedule.parts
    for day in _late_days(parts):
        lacking = [month for month in parts['month'] if monthrange(2023, month)[1] < day]
        if lacking:
            yield Finding('short-month', 'day', *_lacking(schedule, day, lacking))
    if any(rank == 5 for _, rank in parts['weekday_nth']):
        names = [WEEKDAYS[day] for day, rank in parts['weekday_nth'] if rank == 5]
        last = ','.join(f'{name[:3].upper()}#L' for name in names)
        yield Finding(
            'short-month', 'weekday',
            f'most months have no fifth {listing(names, "or")}, and there is no run in them',
            f'write {last} for the last one',
        )


def _late_days(parts: Any) -> list[int]:
    """The days after the 28th that stand alone: not the end of a range or of
    steps, whose author knows that months differ."""
    days = [day for day in parts['day'] if day > 28 and day - 1 not in parts['day']]
    if len(parts['day']) > 2 and progression(parts['day']):
        days = []
    if parts['nearest'] and parts['nearest'] > 28:
        days.append(parts['nearest'])
    if parts['last_minus'] and parts['last_minus'] >= 28:
        days.append(parts['last_minus'] + 1)
    return days


def _lacking(schedule: Schedule, day: int, lacking: list[int]) -> tuple[str, str]:
    parts = schedule.parts
    if lacking == [2] and day == 29:
        message = 'February has a day 29 in leap years only, and no run in the others'
    else:
        message = f'there is no day {day} in {months(lacking)}, and no run then'
    if parts['last_minus']:
        return message, f'count from the start: write a day up to {31 - parts["last_minus"]}'
    if parts['nearest']:
        return message, f'write LW in place of {day}W for the last one, or a day up to 28'
    return message, f'write L in place of {day} for the last day, or a day up to 28'


def _never(schedule: Schedule, now: int) -> Iterator[Finding]:
    coming = schedule.next_epoch(now)
    if coming is not None:
        if coming > now + RARE_S:
            yield Finding(
                'rare', None,
                f'the next run is on {local_text(coming, date=True)} UTC',
                'check that day, month, weekday and year are what is meant',
            )
        return
    last = schedule.previous_epoch(now)
    if last is None:
        yield Finding(
            'never', None, f'it never runs: {_impossible(schedule)}',
            'write a date that exists, or L for the last day of a month',
        )
    else:
        yield Finding(
            'never', 'year', f'it never runs again: its last run was on '
            f'{local_text(last, date=True)} UTC', 'write later years, or * for each',
        )


def _impossible(schedule: Schedule) -> str:
    parts = schedule.parts
    longest = max(monthrange(2024, month)[1] for month in parts['month'])
    if parts['day'] and min(parts['day']) > longest and parts['weekday_any']:
        names = listing((MONTHS[month - 1] for month in parts['month']), 'or')
        return f'there is no day {numbers(parts["day"])} in {names}'
    return 'there is no such date'


def _gap(schedule: Schedule, now: int) -> Iterator[Finding]:
    gap = next_gap(schedule.zone, now, now + GAP_HORIZON_S)
    skipped = list(skipped_in(schedule, gap)) if gap else []
    if not gap or not skipped:
        return
    yield Finding(
        'gap', 'hour',
        f'clocks in {schedule.zone.name} skip {_span(gap)}: there is no '
        f'{_times(skipped)}, and that day it runs at {local_text(gap.end)}',
        f'write a time before {local_text(gap.first)} or from {local_text(gap.end)} on',
    )


def _span(gap: Gap) -> str:
    """`2027-03-28 02:00 to 03:00`, with the second date if it is another."""
    other_day = gap.first // DAY_S != gap.end // DAY_S
    return f'{local_text(gap.first, date=True)} to {local_text(gap.end, date=other_day)}'


def _times(skipped: list[int]) -> str:
    named = [local_text(local) for local in skipped[:3]]
    return listing([*named, 'others'] if len(skipped) > 3 else named, 'or')
