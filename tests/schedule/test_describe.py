"""Schedules in plain English: row by row, and that no text has two meanings."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import islice
from random import Random

import pytest
from expressions import random_expression
from rows import rows

from cronsched import Schedule
from cronsched.schedule.english.phrases import listing, months, numbers, ordinal, weekdays


@pytest.mark.parametrize(('expression', 'zone', 'description'), rows('describe.tsv'))
def test_a_schedule_is_described(expression: str, zone: str, description: str) -> None:
    assert Schedule(expression, zone).describe() == description


def test_there_are_rows_enough() -> None:
    assert len(rows('describe.tsv')) >= 80


def test_the_same_meaning_reads_the_same() -> None:
    written = ('0 9 * * MON-FRI', '0\t9 *  * 1,2,3,4,5', '0 9 ? * mon-fri/1')
    assert len({Schedule(text).describe() for text in written}) == 1


def test_a_description_has_one_meaning() -> None:
    # Two schedules that read the same name the same days and times.
    seen: dict[str, tuple[Schedule, list[datetime]]] = {}
    random = Random(3)
    repeated = 0
    for _ in range(6000):
        # Few values, so that the same is said again.
        text = ' '.join((
            random.choice(('0', '*/15', '0,25,50', '30', '0-10', '*')),
            random.choice(('9', '9,17', '*', '8-18', '*/2', '0-22/2')),
            random.choice(('*', '1', '1,15', 'L', 'LW', '15W', 'L-3', '1-7', '*/2', '1-31')),
            random.choice(('*', '2', 'FEB', '6-8', '1,7')),
            random.choice(('*', 'MON', '+MON', '1-5', 'MON#1', '+MON#1', 'FRI#L', '0-6', '+1-5')),
        ))
        schedule = Schedule(text)
        runs = first_runs(schedule)
        other = seen.setdefault(schedule.describe(), (schedule, runs))
        repeated += other[0] is not schedule
        assert runs == other[1], (str(schedule), str(other[0]), schedule.describe())
    assert repeated > 1000


def first_runs(schedule: Schedule) -> list[datetime]:
    """A run of each of the first 60 days that have one, and one day in full."""
    at: datetime | None = datetime(2027, 1, 1, tzinfo=UTC)
    runs = []
    for _ in range(60):
        at = schedule.next(at)
        if at is None:
            break
        runs.append(at)
        at = datetime.combine(at.date(), datetime.max.time(), UTC).replace(microsecond=0)
    if not runs:
        return []
    midnight = datetime.combine(runs[0].date(), datetime.min.time(), UTC)
    whole = schedule.between(midnight, midnight + timedelta(days=1))
    return [*islice(whole, 200), *runs]


@pytest.mark.parametrize('seed', range(500))
def test_whatever_can_be_written_is_described(seed: int) -> None:
    expression = random_expression(Random(seed))
    said = Schedule(expression.text).describe()
    assert said.endswith(', UTC')
    assert said.startswith(('At ', 'Every '))
    assert '  ' not in said


def test_months_that_are_meant_are_named() -> None:
    for number in range(1, 13):
        name = f'{date(2026, number, 1):%B}'
        assert name in Schedule(f'0 0 1 {number} *').describe()


def test_a_list_has_one_and() -> None:
    assert listing(['a']) == 'a'
    assert listing(['a', 'b']) == 'a and b'
    assert listing(['a', 'b', 'c'], 'or') == 'a, b or c'


def test_numbers_are_said_shortly() -> None:
    assert numbers((1, 2)) == '1 and 2'
    assert numbers((1, 2, 3)) == '1 to 3'
    assert numbers((1, 3, 5)) == '1, 3 and 5'
    assert numbers((1, 3, 5, 7)) == 'every 2nd from 1 to 7'


def test_ordinals_know_the_teens() -> None:
    said = [ordinal(number) for number in (1, 2, 3, 4, 11, 12, 13, 21, 22, 111)]
    assert said == ['1st', '2nd', '3rd', '4th', '11th', '12th', '13th', '21st', '22nd', '111th']


def test_the_week_begins_on_monday() -> None:
    assert weekdays((0, 1, 6)) == 'Monday, Saturday and Sunday'
    assert weekdays((0, 5, 6)) == 'Friday to Sunday'
    assert months((1, 2, 12)) == 'January, February and December'
