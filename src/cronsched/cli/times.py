"""Times as the command line shows and accepts them: what it shows, it accepts.

Example::

    clock_text(at, zone, now)                # '14:42:00'; '24 Nov 08:00' on another day
    late_text(22.4)                          # '+22 s'
    parse_time('24 Nov 08:00 +22 s', zone, now)

In the zone of the job, without its name. A time that the clocks show twice has
the abbreviation of its zone, like CEST, behind it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from cronsched.errors import CronError

__all__ = ['clock_text', 'late_text', 'parse_time', 'took_text']

MONTHS: Final = ('Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun',
                 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec')
# A bare time is of today, and not this far ahead; a day without its year is at
# most so many days ahead.
SOON: Final = 12 * 3600
DAYS_AHEAD: Final = 180
# Delays shorter than this (seconds) are not shown.
PUNCTUAL: Final = 0.5
SECONDS_UNTIL: Final = 100
MINUTES_UNTIL: Final = 100 * 60

LATE = re.compile(r'\s+\+[0-9]+(\.[0-9]+)?\s*(s|min|h)$')
WEEKDAY = re.compile(r'(Mon|Tue|Wed|Thu|Fri|Sat|Sun)\s+')
DAY = re.compile(r'([0-9]{1,2}) ([A-Z][a-z]{2})(?: ([0-9]{4}))?(?=\s|$)')
CLOCK = re.compile(r'[0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?')
# 2026-11-24 08:00 +01:00, 2026-11-24 08:00:00 UTC
ZONE = re.compile(r'\s*(Z|UTC|GMT|[A-Z]{2,6}|[+-][0-9]{2}(?::?[0-9]{2})?)$')
EPOCH = re.compile(r'[0-9]{9,11}')


def clock_text(at: float, zone: tzinfo, now: float) -> str:
    """A time for people; seconds of another day only where they are not 0."""
    local, today = (datetime.fromtimestamp(each, UTC).astimezone(zone) for each in (at, now))
    if local.date() == today.date() and at - now <= SOON:
        text = f'{local:%H:%M:%S}'
    else:
        near = local.year == today.year and at - now < DAYS_AHEAD * 86400
        day = f'{local.day} {MONTHS[local.month - 1]}' if near else f'{local:%Y-%m-%d}'
        text = f'{day} {local:%H:%M:%S}' if local.second else f'{day} {local:%H:%M}'
    return f'{text} {local:%Z}' if _is_shown_twice(local) else text


def late_text(seconds: float) -> str:
    """How long after its scheduled time; '' for what is punctual."""
    if seconds < PUNCTUAL:
        return ''
    return f'+{seconds:.0f} s' if seconds < SECONDS_UNTIL else f'+{took_text(seconds)}'


def took_text(seconds: float | None) -> str:
    if seconds is None:
        return '-'
    if seconds < SECONDS_UNTIL:
        return f'{seconds:.1f} s'
    if seconds < MINUTES_UNTIL:
        return f'{seconds / 60:.0f} min'
    return f'{seconds / 3600:.0f} h'


def parse_time(text: str, zone: tzinfo, now: float) -> float:
    """UTC seconds. Without an offset, in `zone`. Raises `CronError`."""
    bare = LATE.sub('', WEEKDAY.sub('', text.strip(), count=1))
    if EPOCH.fullmatch(bare):
        return float(bare)
    try:
        found = _iso(bare, zone) or _short(bare, zone, now)
    except (ValueError, OverflowError):
        found = None
    if found is None:
        raise CronError(
            f"{text!r} is not a time: write '14:42' for today, '24 Nov 08:00', "
            "'2026-11-24 08:00', or with +01:00 or UTC")
    return found.timestamp()


def _is_shown_twice(local: datetime) -> bool:
    return local.utcoffset() != local.replace(fold=1 - local.fold).utcoffset()


def _iso(text: str, zone: tzinfo) -> datetime | None:
    """None where it is not ISO 8601, with an offset or abbreviation."""
    mark = ZONE.search(text)
    for bare, name in [(text, ''), *([(text[: mark.start()], mark[1])] if mark else [])]:
        try:
            at = datetime.fromisoformat(bare)
        except ValueError:
            continue
        return at if at.tzinfo else _localized(at, zone, name)
    return None


def _short(text: str, zone: tzinfo, now: float) -> datetime | None:
    """'14:42', '24 Nov 08:00:05', '1 Jan 2027', each with a zone behind it."""
    today = datetime.fromtimestamp(now, UTC).astimezone(zone)
    day = DAY.match(text)
    rest = text[day.end():].strip() if day else text
    clock = CLOCK.match(rest)
    if not day and not clock:
        return None
    name = rest[clock.end():].strip() if clock else rest
    if name and not ZONE.fullmatch(name):
        return None
    time = datetime.fromisoformat(f'2000-01-01 {clock[0].zfill(5)}').time() if clock else None
    at = _day(day, today) if day else today.replace(tzinfo=None, fold=0)
    at = at.replace(hour=0, minute=0, second=0, microsecond=0) if time is None else (
        datetime.combine(at.date(), time))
    found = _localized(at, zone, name)
    if not day and found.timestamp() - now > SOON:
        found = _localized(at - timedelta(days=1), zone, name)
    return found


def _day(found: re.Match[str], today: datetime) -> datetime:
    month = MONTHS.index(found[2]) + 1      # ValueError: no such month
    year = int(found[3] or today.year)
    at = datetime(year, month, int(found[1]))
    if not found[3] and (at - today.replace(tzinfo=None)).days >= DAYS_AHEAD:
        return at.replace(year=year - 1)
    return at


def _localized(at: datetime, zone: tzinfo, name: str) -> datetime:
    """In `zone`, or in the one that `name` is the offset or abbreviation of."""
    if name in ('Z', 'UTC', 'GMT'):
        return at.replace(tzinfo=UTC)
    if name[:1] in ('+', '-'):
        return datetime.fromisoformat(f'{at.isoformat()}{name}')
    for fold in (0, 1):
        local = at.replace(tzinfo=zone, fold=fold)
        if not name or local.tzname() == name:
            return local
    raise CronError(
        f'{name} is not what clocks in {zone} show at {at}: write {at}+01:00, or with UTC')
