"""A schedule for those who know crontab(5) only.

Example::

    five_fields(Schedule('H/15 8-18 * * MON-FRI', 'UTC', seed='x'))
    # '7,22,37,52 8,9,10,11,12,13,14,15,16,17,18 * * 1,2,3,4,5'
    five_fields(Schedule('0 3 LW * *'))       # None: it cannot be said

Every value is written out, so nothing depends on how a step or `H` is read.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping
from typing import Any, Final

from cronsched.schedule import Schedule

__all__ = ['five_fields', 'smallest_gap']

FIELDS: Final = {
    'minute': range(60), 'hour': range(24), 'day': range(1, 32), 'month': range(1, 13),
    'weekday': range(7),
}
YEARS: Final = 230      # 1970 to 2199
UNKNOWN: Final = ('weekday_last', 'weekday_nth', 'last_day', 'both_days', 'reboot')
# So many times are looked at for the smallest gap.
LOOKED_AT: Final = 100
DAY: Final = 86_400.0


def five_fields(schedule: Schedule) -> str | None:
    """None for what has seconds, years, L, W, # or +, or a time zone without
    a name."""
    parts = schedule.parts
    if (
        parts['second'] != (0,)
        or len(parts['year']) != YEARS
        or parts['nearest'] is not None
        or any(parts[name] for name in UNKNOWN)
        or not _is_named(schedule.zone.name)
    ):
        return None
    return ' '.join(_text(parts, name) for name in FIELDS)


def _text(parts: Mapping[str, Any], name: str) -> str:
    every = parts.get(f'{name}_any', parts[name] == tuple(FIELDS[name]))
    return '*' if every else ','.join(map(str, parts[name]))


def _is_named(zone: str) -> bool:
    try:
        zoneinfo.ZoneInfo(zone)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        return False
    return True


def smallest_gap(schedule: Schedule) -> float:
    """Seconds between two of the next times; at most a day."""
    smallest, at = DAY, schedule.next_epoch(0)
    for _ in range(LOOKED_AT):
        following = None if at is None else schedule.next_epoch(at)
        if at is None or following is None:
            break
        smallest, at = min(smallest, following - at), following
    return smallest
