"""Where cronsim, croniter and APScheduler answer otherwise: each difference
has a name here and in docs/differences.md, and none is found without a name. What
falls under a name of the kind `other` is not compared further.

Compared away from daylight saving time: in UTC, and in a Swiss summer.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pytest
from expressions import Expression, random_expression

from cronsched import ExpressionError, Schedule

SEED = 20261123
COUNT = 20_000
RUNS = 3
DOCUMENT = Path(__file__).parents[2] / 'docs' / 'differences.md'

pytestmark = pytest.mark.filterwarnings('ignore')


def nextby_cronsim(text: str, start: datetime) -> Iterator[datetime]:
    return pytest.importorskip('cronsim').CronSim(text, start)


def nextby_croniter(text: str, start: datetime) -> Iterator[datetime]:
    croniter = pytest.importorskip('croniter')
    runs = croniter.croniter(text, start, second_at_beginning=True)
    while True:
        try:
            yield runs.get_next(datetime)
        except croniter.CroniterBadDateError:
            return


def nextby_apscheduler(text: str, start: datetime) -> Iterator[datetime]:
    triggers = pytest.importorskip('apscheduler.triggers.cron')
    trigger = triggers.CronTrigger.from_crontab(text, timezone=start.tzinfo)
    previous = None
    while True:
        now = (previous or start) + timedelta(microseconds=1)   # strictly after
        previous = trigger.get_next_fire_time(previous, now)
        if previous is None:
            return
        yield previous


Predicate = Callable[[Expression], bool]


@dataclass(frozen=True)
class Difference:
    """`name` is a heading of the document. `kind`: does the library refuse
    the expression, or answer otherwise?"""

    name: str
    kind: str
    example: str
    applies: Predicate


def has(*features: str) -> Predicate:
    return lambda expression: bool(expression.features & set(features))


def never(expression: Expression) -> bool:
    """For what is not among the random expressions."""
    return False


def both_days(expression: Expression) -> bool:
    return 'both day fields' in expression.features


def words(expression: Expression) -> list[str]:
    return expression.text.split()


def anywhere(pattern: str) -> Predicate:
    """Is that in one of the fields?"""
    found = re.compile(pattern, re.IGNORECASE)
    return lambda expression: any(map(found.search, words(expression)))


def fields(*counts: int) -> Predicate:
    return lambda expression: len(words(expression)) in counts


def all_of(*predicates: Predicate) -> Predicate:
    return lambda expression: all(applies(expression) for applies in predicates)


def stepped_day(expression: Expression) -> bool:
    """A day field that begins with * and is restricted all the same."""
    return any(
        part.text.startswith('*/') and not part.is_any
        for part in (expression.day, expression.weekday)
    )


def impossible(expression: Expression) -> bool:
    """Days that none of the months has."""
    longest = max(monthrange(2024, month)[1] for month in expression.month.values)
    return not expression.day.rules and min(expression.day.values) > longest


def late_day(expression: Expression) -> bool:
    return int(expression.day.text.rstrip('W')) > 28


def whole_day_field(expression: Expression) -> bool:
    return len(expression.day.values) == 31 or len(expression.weekday.values) == 7


def mixed(expression: Expression) -> bool:
    return bool(expression.weekday.values and expression.weekday.rules)


def numbered_weekday(expression: Expression) -> bool:
    """Weekdays by number, or counted from the first by a step."""
    without_nth = re.sub('#.', '', expression.weekday.text)
    return bool(re.search('[0-9]', without_nth))


# JAN-7, 1-JUL, JAN-JUL/2; and SUN-THU, where Sunday is the seventh day.
NAMES_IN_RANGE = r'\b(\d+-[a-z]|[a-z]{3}-\d|[a-z]{3}-[a-z]{3}/|sun-)'


NEXT = {
    'cronsim': nextby_cronsim,
    'croniter': nextby_croniter,
    'APScheduler': nextby_apscheduler,
}
DIFFERENCES: dict[str, tuple[Difference, ...]] = {
    'cronsim': (
        Difference('Years', 'refuses', '0 0 0 1 1 * 2027', fields(7)),
        Difference('Both day fields at once', 'refuses', '0 0 13 * +FRI', has('+')),
        Difference('The question mark', 'refuses', '0 0 ? * MON', has('?')),
        Difference('Days before the last', 'refuses', '0 0 L-3 * *', has('L-n')),
        Difference('The nearest weekday', 'refuses', '0 0 15W * *', has('W')),
        Difference('The last Friday', 'refuses', '0 0 * * FRI#L', has('#L', 'name with L')),
        Difference('Dates that do not exist', 'refuses', '0 0 31 11 *', impossible),
        Difference(
            'A range of one', 'other', '0 8-8/2 * * *', has('stepped range of one'),
        ),
        Difference(
            'A star with a step in a day field', 'other', '0 0 */2 * MON',
            all_of(both_days, stepped_day),
        ),
        Difference('Nicknames', 'refuses', '@daily', never),
    ),
    'croniter': (
        Difference('Both day fields at once', 'refuses', '0 0 13 * +FRI', has('+')),
        Difference('Days before the last', 'refuses', '0 0 L-3 * *', has('L-n')),
        Difference('The last weekday', 'refuses', '0 0 LW * *', has('LW')),
        Difference('The last Friday', 'refuses', '0 0 * * FRI#L', has('#L', 'nL')),
        Difference('A range of one', 'other', '0 8-8 * * *', has('range of one')),
        Difference(
            'Either day field', 'other', '0 0 13 * FRI#2', all_of(both_days, has('#', 'W')),
        ),
        Difference(
            'A day field that has every day', 'other', '0 0 */2 * 1-7',
            all_of(both_days, whole_day_field, has('*/n')),
        ),
        Difference('Lists of weekdays', 'other', '0 0 * * MON#1,MON', all_of(has('#'), mixed)),
        Difference(
            'The nearest weekday', 'other', '0 0 31W 11 *', all_of(has('W'), late_day),
        ),
    ),
    'APScheduler': (
        Difference('Seconds', 'refuses', '30 0 0 * * *', fields(6, 7)),
        Difference('Both day fields at once', 'refuses', '0 0 13 * +FRI', has('+')),
        Difference('The question mark', 'refuses', '0 0 ? * MON', has('?')),
        Difference('The last day', 'refuses', '0 0 L * *', has('L', 'L-n', 'LW')),
        Difference('The nearest weekday', 'refuses', '0 0 15W * *', has('W')),
        Difference('The last Friday', 'other', '0 0 * * FRI#L', has('#L', 'nL')),
        Difference('Either day field', 'other', '0 0 13 * FRI', both_days),
        Difference('Nicknames', 'refuses', '@daily', never),
        Difference('The numbers of weekdays', 'other', '0 0 * * 1', numbered_weekday),
        Difference('The first Monday', 'other', '0 0 * * MON#1', has('#', '#L')),
        Difference('Long steps', 'refuses', '0 9-11/5 * * *', has('long step')),
        Difference('Names in ranges', 'other', '0 0 1 JAN-7 *', anywhere(NAMES_IN_RANGE)),
    ),
}


def answer(library: str, text: str, start: datetime) -> list[datetime] | None:
    """Its next runs; None when it refuses the expression."""
    try:
        return list(islice(NEXT[library](text, start), RUNS))
    except Exception:   # each has its own
        return None


def ours(text: str, start: datetime) -> list[datetime]:
    schedule = Schedule(text, start.tzinfo)
    runs = []
    at = schedule.next(start)
    while at is not None and len(runs) < RUNS:
        runs.append(at)
        at = schedule.next(at)
    return runs


def outcome(library: str, text: str, start: datetime, end: datetime) -> str:
    theirs = answer(library, text, start)
    if theirs is None:
        return 'refuses'
    near = [[run for run in runs if run < end] for runs in (theirs, ours(text, start))]
    return 'same' if near[0] == near[1] else 'other'


def expressions(seed: int, count: int) -> Iterator[tuple[Random, Expression]]:
    for number in range(count):
        random = Random(f'{seed}-{number}')
        yield random, random_expression(random)


def unnamed(
    library: str, zone: tzinfo, start: datetime, end: datetime, count: int
) -> Iterator[str]:
    """The expressions on which the library differs without a name."""
    for random, expression in expressions(SEED, count):
        at = (start + timedelta(minutes=random.randrange(60 * 24 * 30))).replace(tzinfo=zone)
        named = {each.kind for each in DIFFERENCES[library] if each.applies(expression)}
        if 'other' in named:
            continue
        found = outcome(library, expression.text, at, end.replace(tzinfo=zone))
        if found != 'same' and found not in named:
            yield f'{expression.text!r} after {at}: {found} ({sorted(expression.features)})'


@pytest.mark.parametrize('library', NEXT)
def test_no_difference_is_without_a_name_in_utc(library: str) -> None:
    found = unnamed(library, UTC, datetime(2026, 1, 1), datetime(2045, 1, 1), COUNT)
    assert not list(islice(found, 5))


@pytest.mark.parametrize('library', NEXT)
def test_no_difference_is_without_a_name_in_a_swiss_summer(library: str) -> None:
    zone = ZoneInfo('Europe/Zurich')
    found = unnamed(library, zone, datetime(2026, 6, 1), datetime(2026, 9, 20), COUNT)
    assert not list(islice(found, 5))


EXAMPLES = [
    pytest.param(library, each, id=f'{library}: {each.name}')
    for library, differences in DIFFERENCES.items()
    for each in differences
]


@pytest.mark.parametrize(('library', 'difference'), EXAMPLES)
def test_a_named_difference_is_there(library: str, difference: Difference) -> None:
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2045, 1, 1, tzinfo=UTC)
    found = outcome(library, difference.example, start, end)
    assert found == difference.kind or (found, difference.kind) == ('refuses', 'other')


@pytest.mark.parametrize(('library', 'difference'), EXAMPLES)
def test_a_named_difference_is_documented(library: str, difference: Difference) -> None:
    assert documented(difference.name, library, difference.example)


def documented(name: str, library: str, example: str) -> bool:
    """Is there a heading of that name, and below it a row of the library with
    the example?"""
    _, found, rest = DOCUMENT.read_text().partition(f'\n### {name}\n')
    section = rest.partition('\n### ')[0]
    rows = [line for line in section.splitlines() if line.startswith(f'| {library} ')]
    return bool(found) and any(f'`{example}`' in row for row in rows)


# What the specification has refused, and who reads it all the same.
ACCEPTED = {
    'cronsim': ('0/15 * * * *',),
    'croniter': ('0/15 * * * *', '30-10 * * * *', '0 0 * * FRI-MON', '@Daily'),
    'APScheduler': ('0/15 * * * *', '0 0 * * MON#6', '0 0 * * MON-', '٣ * * * *'),
}


@pytest.mark.parametrize(
    ('library', 'text'), [(library, text) for library, texts in ACCEPTED.items() for text in texts]
)
def test_they_accept_what_the_specification_refuses(library: str, text: str) -> None:
    assert answer(library, text, datetime(2026, 1, 1, tzinfo=UTC)) is not None
    with pytest.raises(ExpressionError):
        Schedule(text)
    assert documented('What the specification has refused', library, text)
