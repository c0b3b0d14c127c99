"""Sets of numbers in plain English.

Example::

    listing(['Monday', 'Friday'])       # 'Monday and Friday'
    numbers((0, 25, 50))                # '0, 25 and 50'
    numbers((1, 2, 3, 4, 7))            # '1 to 4 and 7'
    numbers((2024, 2026, 2028, 2030))   # 'every 2nd from 2024 to 2030'
    ordinal(22)                         # '22nd'

Every function takes its numbers in rising order, without repetition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

__all__ = [
    'MONTHS', 'WEEKDAYS', 'clock', 'listing', 'months', 'numbers', 'ordinal',
    'plural', 'progression', 'runs', 'weekdays',
]

WEEKDAYS = (
    'Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday',
)
MONTHS = (
    'January', 'February', 'March', 'April', 'May', 'June', 'July', 'August',
    'September', 'October', 'November', 'December',
)

# Two neighbours are a list ("1 and 2"), three are a range ("1 to 3").
SHORTEST_RANGE = 3
# A progression of fewer members is as short as a list.
SHORTEST_PROGRESSION = 4


def listing(items: Iterable[str], last: str = 'and') -> str:
    """`a`, `a and b`, `a, b and c`."""
    *head, tail = items
    return f'{", ".join(head)} {last} {tail}' if head else tail


def plural(word: str, values: Sequence[object]) -> str:
    return word if len(values) == 1 else f'{word}s'


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th, 21st."""
    if number % 100 in (11, 12, 13):
        return f'{number}th'
    return f'{number}{ {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")}'


def runs(values: Iterable[int]) -> list[tuple[int, int]]:
    """The stretches without a hole, as (first, last)."""
    found: list[tuple[int, int]] = []
    for value in values:
        if found and found[-1][1] == value - 1:
            found[-1] = (found[-1][0], value)
        else:
            found.append((value, value))
    return found


def progression(values: Sequence[int]) -> int | None:
    """The distance, when it is the same between all of the values (at least
    two), else None."""
    gaps = {after - before for before, after in pairwise(values)}
    return gaps.pop() if len(gaps) == 1 else None


def numbers(values: Sequence[int], name: Callable[[int], str] = str) -> str:
    """The values in the shortest wording."""
    step = progression(values)
    if step is not None and step > 1 and len(values) >= SHORTEST_PROGRESSION:
        return f'every {ordinal(step)} from {name(values[0])} to {name(values[-1])}'
    return listing(_ranges(values, name))


def _ranges(values: Iterable[int], name: Callable[[int], str]) -> list[str]:
    said = []
    for first, last in runs(values):
        if last - first + 1 >= SHORTEST_RANGE:
            said.append(f'{name(first)} to {name(last)}')
        else:
            said.extend(name(value) for value in range(first, last + 1))
    return said


def months(values: Sequence[int]) -> str:
    """`January`, `June to August`, `January, April, July and October`."""
    return listing(_ranges(values, lambda month: MONTHS[month - 1]))


def weekdays(values: Sequence[int]) -> str:
    """`Monday`, `Monday to Friday`. 0 is Sunday, which comes last."""
    from_monday = sorted((value - 1) % 7 for value in values)
    return listing(_ranges(from_monday, lambda day: WEEKDAYS[(day + 1) % 7]))


def clock(hour: int, minute: int = 0, second: int | None = None) -> str:
    """`09:00`, or `09:00:00` with a second."""
    said = f'{hour:02}:{minute:02}'
    return said if second is None else f'{said}:{second:02}'
