"""Steps that leave uneven gaps, and what to write instead.

Example::

    judge('minute', '*/25', (0, 25, 50))
    # ('*/25 is uneven: the gaps are 25, 25 and 10 minutes',
    #  'write 0,25,50 if these minutes are meant, or an even step: */20 or */30')
    judge('minute', '*/15', (0, 15, 30, 45))   # None
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from cronsched.schedule.english.phrases import listing

__all__ = ['CYCLES', 'judge']

# The number of values of a field before it starts again.
CYCLES: Final = {'second': 60, 'minute': 60, 'hour': 24, 'day': 31, 'month': 12, 'weekday': 7}
# A step through all values; the end of a written range is intended.
STEP = re.compile(r'\*/(\d+)')
# More values than this are written as a range with a step, more gaps counted.
MOST_LISTED = 8
MOST_GAPS = 4


def judge(field: str, text: str, values: Sequence[int]) -> tuple[str, str] | None:
    """What is uneven about the text of a field, and the advice."""
    match = STEP.fullmatch(text)
    if not match or field not in CYCLES:
        return None
    step = int(match[1])
    if len(values) == 1:
        return f'{text} is {values[0]} only', f'write {values[0]} if this {field} is meant'
    if field == 'day' and step > 1:
        message = f'{text} is uneven: it starts again on day 1 of each month'
        return message, _as_meant(field, values)
    if CYCLES[field] % step:
        return _uneven(field, text, step, values)
    return None


def _uneven(field: str, text: str, step: int, values: Sequence[int]) -> tuple[str, str]:
    size = CYCLES[field]
    round_about = (*values[1:], values[0] + size)
    gaps = [after - before for before, after in zip(values, round_about, strict=True)]
    unit = 'day' if field == 'weekday' else field
    even = [other for other in range(2, size) if size % other == 0]
    near = sorted(sorted(even, key=lambda other: abs(other - step))[:2])
    instead = [_as_meant(field, values)]
    if near:
        instead.append(f'an even step: {listing([f"*/{other}" for other in near], "or")}')
    return f'{text} is uneven: the gaps are {_gaps(gaps)} {unit}s', ', or '.join(instead)


def _as_meant(field: str, values: Sequence[int]) -> str:
    """The same values, written so that they are not misread."""
    text = ','.join(map(str, values))
    if len(values) > MOST_LISTED:
        text = f'{values[0]}-{values[-1]}/{values[1] - values[0]}'
    return f'write {text} if these {field}s are meant'


def _gaps(gaps: list[int]) -> str:
    """`25, 25 and 10`; `7 (8 times) and 4`."""
    if len(gaps) <= MOST_GAPS:
        return listing(map(str, gaps))
    return f'{gaps[0]} ({len(gaps) - 1} times) and {gaps[-1]}'
