"""What a schedule means, in plain English.

Example::

    describe(Schedule('0 9 * * MON#1', 'Europe/Zurich'))
    # 'At 09:00 on the first Monday of the month, Europe/Zurich'
    describe(Schedule('*/15 8-18 * * MON-FRI', 'Europe/Zurich'))
    # 'Every 15 minutes, from 08:00 to 18:59, Monday to Friday, Europe/Zurich'

It is made from `Schedule.parts`, never from the text: two expressions that
mean the same read the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from cronsched._cronsched import Schedule
from cronsched.schedule.english.phrases import (
    MONTHS,
    SHORTEST_RANGE,
    WEEKDAYS,
    listing,
    months,
    numbers,
    plural,
    runs,
    weekdays,
)
from cronsched.schedule.english.times import describe_times

__all__ = ['describe', 'describe_days', 'describe_parts']

Parts = Mapping[str, Any]

NTH = ('first', 'second', 'third', 'fourth', 'fifth')
YEARS = 230
MOST_DAYS = 31
WORKING_DAY = 'weekday (Monday to Friday)'


def describe(schedule: Schedule) -> str:
    """One sentence without a full stop, the time zone at its end."""
    parts = schedule.parts
    if parts['reboot']:
        return 'Once at start-up'
    return f'{describe_parts(parts)}, {schedule.zone.name}'


def describe_parts(parts: Parts) -> str:
    """The same without the zone, for schedules that have times."""
    times = describe_times(parts['second'], parts['minute'], parts['hour'])
    days = describe_days(parts)
    if not days and times.startswith('At ') and ' every ' not in times:
        times = f'{times} every day'
    # "At 09:00 on Monday", but "Every hour, on Monday".
    simple = times.startswith('At ') and ',' not in times
    said = times + (' ' if simple and days.startswith('on ') else ', ') + days if days else times
    said += _in_months(parts, said)
    if len(parts['year']) < YEARS:
        said = f'{said}, {_in_years(parts["year"])}'
    return said


def _of_months(values: tuple[int, ...]) -> str:
    if len(values) == len(MONTHS):
        return 'the month'
    one_range = len(values) >= SHORTEST_RANGE and len(runs(values)) == 1
    return f'each month from {months(values)}' if one_range else months(values)


def _in_months(parts: Parts, said: str) -> str:
    """The months, unless they are all or `said` names them already."""
    of = _of_months(parts['month'])
    named = f' of {of}'
    if len(parts['month']) == len(MONTHS) or said.endswith(named):
        return ''
    if parts['both_days'] and named in said:
        return ''
    among = of.removeprefix('each month ') if of.startswith('each') else f'in {of}'
    return f' {among}' if said.startswith('At ') else f', {among}'


def describe_days(parts: Parts) -> str:
    """Which days of the months are meant: '' for every day."""
    of = _of_months(parts['month'])
    any_day = parts['day_any'] or len(parts['day']) == MOST_DAYS
    any_weekday = parts['weekday_any'] or len(parts['weekday']) == len(WEEKDAYS)
    day = '' if any_day else _day_of_month(parts, of)
    weekday = '' if any_weekday else _day_of_week(parts, of)
    if parts['both_days'] or parts['day_any'] or parts['weekday_any']:
        return f'{day}, but only {_as_condition(weekday)}' if day and weekday else day or weekday
    # Either field is enough: every day, when one of them has every day.
    return f'{day}, or {weekday}' if day and weekday else ''


def _as_condition(weekday: str) -> str:
    """What fits behind "but only": "if it is the first Monday"."""
    return weekday.replace('on the ', 'if it is the ', 1)


def _day_of_month(parts: Parts, of: str) -> str:
    said = []
    if parts['day']:
        said.append(_plain_days(parts['day'], of))
    if parts['nearest']:
        said.append(f'on the {WORKING_DAY} nearest to day {parts["nearest"]} of {of}')
    elif parts['nearest'] == 0:
        said.append(f'on the last {WORKING_DAY} of {of}')
    elif parts['last_minus']:
        days = parts['last_minus']
        said.append(f'{days} {"day" if days == 1 else "days"} before the last day of {of}')
    elif parts['last_day']:
        said.append(f'on the last day of {of}')
    return _joined(said, of)


def _plain_days(days: tuple[int, ...], of: str) -> str:
    said = numbers(days)
    if said.startswith('every'):
        step, _, span = said.partition(' from ')
        return f'on {step} day, from day {span.replace(" to ", " to day ")} of {of}'
    return f'on {plural("day", days)} {said} of {of}'


def _day_of_week(parts: Parts, of: str) -> str:
    said = []
    if parts['weekday']:
        plain = weekdays(parts['weekday'])
        said.append(plain if ' to ' in plain and ' and ' not in plain else f'on {plain}')
    if ranks := _ranks(parts):
        named = listing(f'the {listing(said)} {WEEKDAYS[day]}' for day, said in ranks.items())
        said.append(f'on {named} of {of}')
    return _joined(said, of)


def _ranks(parts: Parts) -> dict[int, list[str]]:
    """Which of a month's Mondays (and so on) are meant, by weekday."""
    ranks: dict[int, list[str]] = {}
    for weekday, rank in sorted(parts['weekday_nth'], key=itemgetter(1)):
        ranks.setdefault(weekday, []).append(NTH[rank - 1])
    for weekday in parts['weekday_last']:
        ranks.setdefault(weekday, []).append('last')
    return ranks


def _joined(said: list[str], of: str) -> str:
    """Several days of one field; each but the last without its month."""
    return listing([*(part.removesuffix(f' of {of}') for part in said[:-1]), *said[-1:]])


def _in_years(years: tuple[int, ...]) -> str:
    said = numbers(years)
    if said.startswith('every'):
        step, _, span = said.partition(' from ')
        return f'in {step} year from {span}'
    one_range = len(years) >= SHORTEST_RANGE and len(runs(years)) == 1
    return f'from {said}' if one_range else f'in {said}'
