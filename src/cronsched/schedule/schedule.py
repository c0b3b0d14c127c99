"""A cron expression with a time zone, and the instants it names.

Example::

    s = Schedule('*/15 8-18 * * MON-FRI', timezone='Europe/Zurich')
    s.next()                     # aware datetime, strictly after now
    s.next_epoch(1792000000)     # the fast path: UTC seconds in and out
    Schedule.from_fields(hour=8, minute=0, timezone='Europe/Zurich')

The type is native (`cronsched._cronsched`); methods that need not be fast are
written here and added to it. Grammar: Open Cron Pattern Specification 1.0 to 1.4,
with LW, L-3 and H. Instants: 1970 to 2199, whole seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, tzinfo

from cronsched._cronsched import Schedule, Zone
from cronsched.errors import ExpressionError
from cronsched.schedule import zones  # noqa: F401  (tells the native side how to find zones)

TYPE_CHECKING = False    # as in typing, which is slow to load
if TYPE_CHECKING:
    from typing import Any

    from cronsched.schedule.english.lint import Finding

__all__ = ['FIELDS', 'Schedule', 'expression_of']

FIELDS = ('second', 'minute', 'hour', 'day', 'month', 'weekday', 'year')

# The finer fields that must be given along with each field. If they were
# omitted they would mean "every": huey's hour='*/2' ran every minute.
NEEDED = {
    'hour': ('minute',),
    'day': ('hour', 'minute'),
    'weekday': ('hour', 'minute'),
    'month': ('day', 'hour', 'minute'),
    'year': ('month', 'day', 'hour', 'minute'),
}


def expression_of(**fields: Any) -> str:
    """The expression that the keywords `second minute hour day month weekday
    year` mean: ints, text, or several of them. `None` is "not given". Raises
    `ExpressionError` when a finer field is missing."""
    given = {name: _text_of(name, value) for name, value in fields.items() if value is not None}
    unknown = given.keys() - set(FIELDS)
    if unknown:
        raise ExpressionError(
            f'no such field: {", ".join(sorted(unknown))}; there are {", ".join(FIELDS)}'
        )
    if not given:
        raise ExpressionError(
            "say when: for example hour=8, minute=0, or an expression '0 8 * * *'"
        )
    _check_needed(given)
    words = [given.get(name, '*') for name in FIELDS[1:6]]
    if 'second' in given or 'year' in given:
        words.insert(0, given.get('second', '0'))
    if 'year' in given:
        words.append(given['year'])
    return ' '.join(words)


def _check_needed(given: dict[str, str]) -> None:
    for name in given.keys() & NEEDED.keys():
        for finer in NEEDED[name]:
            # One of the two day fields says which days.
            if finer in given or (finer == 'day' and 'weekday' in given):
                continue
            first = 1 if finer in ('day', 'month') else 0
            error = ExpressionError(
                f'{name}={given[name]!r} is given without {finer}: '
                f"write {finer}={first}, or {finer}='*' if every {finer} is meant"
            )
            error.field = finer
            raise error


def _text_of(name: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, str, Iterable)):
        error = ExpressionError(f'{name}={value!r} is not a number or text like "*/5"')
        error.field = name
        raise error
    if isinstance(value, int):
        return str(value)
    text = value if isinstance(value, str) else ','.join(_text_of(name, part) for part in value)
    if not text or text.split() != [text]:
        error = ExpressionError(f'{name}={value!r} is not one field; write text without spaces')
        error.field = name
        raise error
    return text


def _from_fields(
    cls: type[Schedule],
    /,
    *,
    timezone: str | tzinfo | Zone = 'UTC',
    seed: str | None = None,
    **fields: Any,
) -> Schedule:
    """A schedule from keywords; see `expression_of`."""
    return cls(expression_of(**fields), timezone, seed=seed)


def _between(self: Schedule, start: datetime, end: datetime) -> Iterator[datetime]:
    """Every instant of the schedule in [start, end), in order."""
    if start < end and self.matches(start):
        yield start.astimezone(self.timezone)
    at = self.next(start)
    while at is not None and at < end:
        yield at
        at = self.next(at)


# The English descriptions are loaded on first use.

def _describe(self: Schedule) -> str:
    """What it means, in plain English; see `cronsched.schedule.english`."""
    from cronsched.schedule.english.describe import describe

    return describe(self)


def _lint(self: Schedule) -> tuple[Finding, ...]:
    """What may not be intended; see `cronsched.schedule.english`."""
    from cronsched.schedule.english.lint import lint

    return lint(self)


Schedule.from_fields = classmethod(_from_fields)  # type: ignore[method-assign,assignment]
Schedule.between = _between  # type: ignore[method-assign]
Schedule.describe = _describe  # type: ignore[method-assign]
Schedule.lint = _lint  # type: ignore[method-assign]
