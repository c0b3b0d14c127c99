"""Random expressions whose meaning is known without reading them.

    expression = random_expression(random.Random(1))
    expression.text, expression.has_day(date(2026, 11, 23))

Text and meaning are made together, from the same choices: no parser stands
between them. The calendar is `datetime`'s.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random

MONTH_NAMES = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC']
WEEKDAY_NAMES = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT']

DayRule = Callable[[date], bool]


@dataclass
class Field:
    """A field's text, its values, and what only the day fields know."""

    text: str
    values: frozenset[int]
    plain: bool = True               # numbers and lists of numbers only
    is_any: bool = False             # a bare * or ?
    rules: list[DayRule] = field(default_factory=list)
    features: set[str] = field(default_factory=set)


@dataclass
class Expression:
    second: Field
    minute: Field
    hour: Field
    day: Field
    month: Field
    weekday: Field
    year: Field
    text: str
    both: bool = False

    @property
    def is_interval(self) -> bool:
        return not (self.second.plain and self.minute.plain and self.hour.plain)

    @property
    def features(self) -> set[str]:
        """What is in it that others may not know, or know otherwise."""
        found = set().union(
            *(part.features for part in (
                self.second, self.minute, self.hour, self.day, self.month, self.weekday, self.year
            ))
        )
        if self.both:
            found.add('+')
        if not self.day.is_any and not self.weekday.is_any:
            found.add('both day fields')
        return found

    def has_day(self, on: date) -> bool:
        if on.month not in self.month.values or on.year not in self.year.values:
            return False
        by_day = on.day in self.day.values or any(rule(on) for rule in self.day.rules)
        weekday = on.isoweekday() % 7
        by_weekday = weekday in self.weekday.values or any(rule(on) for rule in self.weekday.rules)
        if self.both or self.day.is_any or self.weekday.is_any:
            return by_day and by_weekday
        return by_day or by_weekday

    def runs(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Each run after `start` and before `end`, on a clock without jumps."""
        times = [
            timedelta(hours=hour, minutes=minute, seconds=second)
            for hour in sorted(self.hour.values)
            for minute in sorted(self.minute.values)
            for second in sorted(self.second.values)
        ]
        on = start.date()
        while on <= end.date():
            if self.has_day(on):
                midnight = datetime(on.year, on.month, on.day, tzinfo=UTC)
                yield from (midnight + time for time in times if start < midnight + time < end)
            on += timedelta(days=1)


def last_of(on: date) -> int:
    return monthrange(on.year, on.month)[1]


def nearest_working_day(on: date, day: int) -> int | None:
    """The Monday to Friday nearest to that day of the month of `on`."""
    last = last_of(on)
    if day > last:
        return None
    weekday = on.replace(day=day).isoweekday()
    if weekday == 6:
        return day - 1 if day > 1 else day + 2
    if weekday == 7:
        return day + 1 if day < last else day - 2
    return day


def number(random: Random, value: int, names: list[str], first: int) -> str:
    if not names or random.random() < 0.6:
        return str(value)
    name = names[value - first]
    return random.choice((name, name.lower(), name.capitalize()))


def item(random: Random, low: int, high: int, names: list[str] = []) -> Field:  # noqa: B006
    """A value, a range, or either with a step."""
    kind = random.choice(('value', 'value', 'value', 'range', 'stepped', 'step'))
    if kind == 'value':
        value = random.randint(low, high)
        return Field(number(random, value, names, low), frozenset((value,)))
    step = random.randint(1, high if random.random() < 0.3 else max(2, (high - low) // 3))
    if kind == 'step':
        features = {'long step'} if step > high - low else set()
        values = frozenset(range(low, high + 1, step))
        return Field(f'*/{step}', values, plain=False, features={'*/n', *features})
    first = random.randint(low, high)
    last = random.randint(first, high)
    text = f'{number(random, first, names, low)}-{number(random, last, names, low)}'
    features = {'range of one'} if first == last else set()
    if kind == 'range':
        return Field(text, frozenset(range(first, last + 1)), plain=False, features=features)
    if step > last - first:
        features.add('long step')
    if first == last:
        features.add('stepped range of one')
    return Field(
        f'{text}/{step}', frozenset(range(first, last + 1, step)), plain=False, features=features
    )


def joined(items: list[Field]) -> Field:
    found = Field(
        ','.join(part.text for part in items),
        frozenset().union(*(part.values for part in items)),
        plain=all(part.plain for part in items),
        rules=[rule for part in items for rule in part.rules],
        features=set().union(*(part.features for part in items)),
    )
    if len(items) > 1:
        found.features.add('list')
        if '*/n' in found.features:
            found.features.add('*/n in a list')
    return found


def listed(random: Random, one: Callable[[], Field]) -> Field:
    return joined([one() for _ in range(random.choice((1, 1, 1, 2, 3)))])


def star(low: int, high: int, text: str = '*') -> Field:
    features = {'?'} if text == '?' else set()
    return Field(text, frozenset(range(low, high + 1)), False, True, features=features)


def time_field(random: Random, high: int, any_of: float) -> Field:
    if random.random() < any_of:
        return star(0, high)
    return listed(random, lambda: item(random, 0, high))


def day_field(random: Random, special: float) -> Field:
    if random.random() < special:
        day = random.randint(1, 31)
        minus = random.randint(1, 30)
        return random.choice((
            lambda: Field('L', frozenset(), rules=[lambda on: on.day == last_of(on)],
                          features={'L'}),
            lambda: Field(f'L-{minus}', frozenset(),
                          rules=[lambda on: on.day == last_of(on) - minus], features={'L-n'}),
            lambda: Field('LW', frozenset(),
                          rules=[lambda on: on.day == nearest_working_day(on, last_of(on))],
                          features={'LW'}),
            lambda: Field(f'{day}W', frozenset(),
                          rules=[lambda on: on.day == nearest_working_day(on, day)],
                          features={'W'}),
            lambda: joined([item(random, 1, 31),
                            Field('L', frozenset(), rules=[lambda on: on.day == last_of(on)],
                                  features={'L', 'L in a list'})]),
        ))()
    if random.random() < 0.5:
        return star(1, 31, '?' if random.random() < 0.1 else '*')
    return listed(random, lambda: item(random, 1, 31))


def nth_rule(weekday: int, nth: int) -> DayRule:
    return lambda on: on.isoweekday() % 7 == weekday % 7 and (on.day + 6) // 7 == nth


def last_rule(weekday: int) -> DayRule:
    return lambda on: on.isoweekday() % 7 == weekday % 7 and on.day > last_of(on) - 7


def special_weekday(random: Random) -> Field:
    weekday = random.randint(0, 7)
    name = number(random, weekday % 7, WEEKDAY_NAMES, 0) if weekday < 7 else '7'
    features = {'7'} if weekday == 7 else set()
    kind = random.choice(('nth', 'nth', '#L', 'L'))
    if kind == 'nth':
        nth = random.randint(1, 5)
        return Field(f'{name}#{nth}', frozenset(), rules=[nth_rule(weekday, nth)],
                     features={'#', *features})
    if kind == 'L':
        features |= {'name with L'} if not name.isdigit() else set()
    text = f'{name}#L' if kind == '#L' else f'{name}L'
    return Field(text, frozenset(), rules=[last_rule(weekday)],
                 features={'#L' if kind == '#L' else 'nL', *features})


def plain_weekday(random: Random) -> Field:
    # 7 is Sunday, at the end of a range too.
    if random.random() < 0.15:
        first = random.randint(1, 7)
        text = f'{first}-7' if random.random() < 0.5 and first < 7 else '7'
        values = range(first, 8) if '-' in text else (7,)
        return Field(text, frozenset(value % 7 for value in values), features={'7'})
    return item(random, 0, 6, WEEKDAY_NAMES)


def weekday_field(random: Random, special: float) -> Field:
    if random.random() < 0.5:
        return star(0, 6, '?' if random.random() < 0.1 else '*')
    if random.random() < special:
        items = [special_weekday(random)]
        if random.random() < 0.3:
            items.append(random.choice((special_weekday, plain_weekday))(random))
        return joined(items)
    return listed(random, lambda: plain_weekday(random))


def month_field(random: Random) -> Field:
    if random.random() < 0.6:
        return star(1, 12)
    return listed(random, lambda: item(random, 1, 12, MONTH_NAMES))


def year_item(random: Random) -> Field:
    if random.random() < 0.1:
        return Field('*/4', frozenset(range(1970, 2200, 4)), features={'*/n'})
    # `*` is not 2020 to 2040.
    years = item(random, 2020, 2040)
    return years if '*' not in years.text else year_item(random)


def year_field(random: Random) -> Field:
    if random.random() < 0.3:
        return star(1970, 2199)
    return listed(random, lambda: year_item(random))


def random_expression(
    random: Random, *, special: float = 0.25, count: int | None = None
) -> Expression:
    """An expression that is right by the grammar; `special` is the share of
    day fields with L, W or #, `count` the number of its fields."""
    count = count or random.choice((5, 5, 5, 6, 7))
    second = time_field(random, 59, 0.1) if count > 5 else Field('0', frozenset((0,)))
    minute, hour = time_field(random, 59, 0.2), time_field(random, 23, 0.3)
    day, month = day_field(random, special), month_field(random)
    weekday = weekday_field(random, special)
    year = year_field(random) if count > 6 else star(1970, 2199)
    both = random.random() < 0.15
    words = [minute.text, hour.text, day.text, month.text, '+' * both + weekday.text]
    if count > 5:
        words.insert(0, second.text)
    if count > 6:
        words.append(year.text)
    blank = random.choice((' ', ' ', ' ', '  ', '\t'))
    return Expression(second, minute, hour, day, month, weekday, year, blank.join(words), both)
