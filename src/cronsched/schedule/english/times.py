"""Times of day in plain English, from the seconds, minutes and hours meant.

Example::

    describe_times((0,), (0,), (9, 17))              # 'At 09:00 and 17:00'
    describe_times((0,), (0, 15, 30, 45), range(24)) # 'Every 15 minutes'
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from cronsched.schedule.english.phrases import (
    SHORTEST_RANGE,
    clock,
    listing,
    numbers,
    plural,
    progression,
    runs,
)

__all__ = ['describe_times']

# More times of day than this are not listed one by one.
MOST_TIMES = 6
MINUTES = SECONDS = 60
HOURS = 24


def describe_times(
    seconds: Sequence[int], minutes: Sequence[int], hours: Sequence[int]
) -> str:
    """A phrase that begins with "At" or "Every"."""
    return (
        _times(seconds, minutes, hours)
        or _hourly(seconds, minutes, hours)
        or _by_minutes(seconds, minutes, hours)
        or _by_seconds(seconds, minutes, hours)
    )


def _times(
    seconds: Sequence[int], minutes: Sequence[int], hours: Sequence[int]
) -> str | None:
    """A few times of day, each by itself: "At 09:00 and 17:00"."""
    several = [values for values in (seconds, minutes, hours) if len(values) > 1]
    # Four and more in even steps read better as steps.
    stepped = any(len(values) >= 4 and progression(values) for values in several)
    count = len(seconds) * len(minutes) * len(hours)
    if count > MOST_TIMES or stepped:
        return None
    return f'At {listing(_clocks(seconds, minutes, hours))}'


def _clocks(
    seconds: Sequence[int], minutes: Sequence[int], hours: Sequence[int]
) -> list[str]:
    plain = tuple(seconds) == (0,)
    return [
        clock(hour, minute, None if plain else second)
        for hour, minute, second in product(hours, minutes, seconds)
    ]


def _hourly(
    seconds: Sequence[int], minutes: Sequence[int], hours: Sequence[int]
) -> str | None:
    """The same minute of several hours: "Every 2 hours, from 00:30 to 22:30"."""
    if len(seconds) > 1 or len(minutes) > 1:
        return None
    step = progression(hours)
    on_the_hour = (*minutes, *seconds) == (0, 0)
    if step is None:
        return f'At {listing(_clocks(seconds, minutes, hours))}'
    if len(hours) < HOURS:
        first, last = (_clocks(seconds, minutes, [hours[i]])[0] for i in (0, -1))
        return f'{_every(step, "hour")}, from {first} to {last}'
    if on_the_hour:
        return 'Every hour'
    said = f'{minutes[0]} {plural("minute", range(minutes[0]))}'
    if seconds[0]:
        said = f'{said} and {seconds[0]} {plural("second", range(seconds[0]))}'
    return f'At {said} past every hour'


def _by_minutes(
    seconds: Sequence[int], minutes: Sequence[int], hours: Sequence[int]
) -> str | None:
    """Several minutes of the hour: "Every 15 minutes, from 08:00 to 18:59"."""
    if tuple(seconds) != (0,):
        return None
    step = _cycle(minutes, MINUTES)
    if step:
        return _every(step, 'minute') + _within_hours(hours)
    return f'At {_members("minute", minutes)} of {_of_hours(hours)}'


def _by_seconds(
    seconds: Sequence[int], minutes: Sequence[int], hours: Sequence[int]
) -> str:
    """Several seconds of the minute, or of some minutes."""
    step = _cycle(seconds, SECONDS)
    every_minute = len(minutes) == MINUTES
    if step and every_minute:
        return _every(step, 'second') + _within_hours(hours)
    if step:
        return f'{_every(step, "second")} of {_members("minute", minutes)} of {_of_hours(hours)}'
    said = f'At {_members("second", seconds)} of '
    if every_minute:
        return f'{said}every minute{_within_hours(hours)}'
    return f'{said}{_members("minute", minutes)} of {_of_hours(hours)}'


def _cycle(values: Sequence[int], size: int) -> int | None:
    """The step of values that go round evenly: 15 for 0, 15, 30, 45."""
    step = progression(values)
    if step is None or values[0] != 0 or step * len(values) != size:
        return None
    return step


def _every(step: int, unit: str) -> str:
    return f'Every {unit}' if step == 1 else f'Every {step} {unit}s'


def _members(unit: str, values: Sequence[int]) -> str:
    """`minute 30`, `minutes 0, 25 and 50`, `every 2nd minute from 1 to 59`."""
    said = numbers(values)
    if said.startswith('every'):
        step, _, span = said.partition(' from ')
        return f'{step} {unit} from {span}'
    return f'{plural(unit, values)} {said}'


def _within_hours(hours: Sequence[int]) -> str:
    """`, from 08:00 to 18:59`; '' for the whole day."""
    if len(hours) == HOURS:
        return ''
    stretches = runs(hours)
    if len(stretches) > SHORTEST_RANGE:
        return f', in {_members("hour", hours)}'
    return ', ' + listing(
        f'from {clock(first)} to {clock(last, 59)}' for first, last in stretches
    )


def _of_hours(hours: Sequence[int]) -> str:
    if len(hours) == HOURS:
        return 'every hour'
    return _members('hour', hours)
