"""Time zones: from what a caller wrote to the rules the native side uses.

Example::

    zone = resolve('Europe/Zurich')
    zone = resolve(ZoneInfo('Europe/Zurich'))
    zone = resolve(timezone(timedelta(hours=2)))

The bytes are found as `zoneinfo` finds them (PEP 615): along
`zoneinfo.TZPATH`, then in the `tzdata` package. Rules change while a process
runs; `refresh` looks at the files and loads what is new.
"""

from __future__ import annotations

import os
import struct
import sys
from _thread import allocate_lock
from collections.abc import Iterator
from datetime import UTC, timedelta, tzinfo
from datetime import timezone as fixed_timezone

from cronsched import _cronsched
from cronsched._cronsched import Zone
from cronsched.errors import ZoneError

try:
    import zoneinfo
except AttributeError:
    # Python 3.12, in an interpreter with a GIL of its own: the C half of
    # zoneinfo misses that of datetime, and says so with the wrong exception.
    sys.modules['_zoneinfo'] = None  # type: ignore[assignment]
    import zoneinfo

TYPE_CHECKING = False    # as in typing, which is slow to load
if TYPE_CHECKING:
    from typing import Any

__all__ = ['refresh', 'resolve']


# What `zoneinfo` raises for a file that is cut short or overwritten.
DAMAGED = (ValueError, OSError, EOFError, LookupError, ArithmeticError, struct.error)


# How people write an offset: UTC+2, GMT-03:30, +0200.
OFFSET = r'(?i:UTC|GMT|Z)?\s?([+-])([0-9]{1,2})(?::?([0-9]{2}))?'
LONGEST_NAME = 100    # characters; IANA's have 32
FARTHEST = 14    # hours from UTC; of all clocks in use


class Source:
    """Where a zone came from, and what the file looked like then: inode, size
    in bytes, mtime in ns."""

    __slots__ = 'data', 'path', 'signature'

    def __init__(self, path: str, signature: tuple[int, int, int], data: bytes) -> None:
        self.path = path
        self.signature = signature
        self.data = data


_loaded: dict[str, tuple[Zone, Source]] = {}
_lock = allocate_lock()


def resolve(timezone: Any) -> Zone:
    """The rules behind `timezone`: an IANA name, a `ZoneInfo`, a pytz zone, a
    `datetime.timezone`, or a `Zone`. Raises `ZoneError` for anything else."""
    if isinstance(timezone, Zone):
        return timezone
    name = timezone if isinstance(timezone, str) else _name_of(timezone)
    if name is None:
        return _resolve_fixed(timezone)
    _check_source(timezone)
    with _lock:
        if name not in _loaded:
            if name == 'UTC' and not _has_data():
                return Zone.fixed('UTC', 0, UTC)
            _loaded[name] = _load(name)
        return _loaded[name][0]


def refresh() -> dict[Zone, Zone]:
    """Load again the zones whose files have changed; old to new. Schedules
    made before keep the old rules: make them again."""
    changed: dict[Zone, Zone] = {}
    with _lock:
        for name, (zone, source) in list(_loaded.items()):
            if not _has_changed(source):
                continue
            try:
                fresh = _load(name, fresh=True)
            except ZoneError:
                continue   # caught in the middle of an update; looked at again
            _loaded[name] = fresh
            if fresh[1].data != source.data:
                changed[zone] = fresh[0]
    if changed:
        _cronsched.forget_zones()
    return changed


def _name_of(timezone: Any) -> str | None:
    """The IANA name of a `ZoneInfo` or a pytz zone."""
    name = getattr(timezone, 'key', None) or getattr(timezone, 'zone', None)
    return name if isinstance(name, str) else None


def _check_source(timezone: Any) -> None:
    """The rules of a zone that was read from an open file cannot be looked up:
    its key need not be the name of a file, let alone of this one."""
    if not isinstance(timezone, zoneinfo.ZoneInfo):
        return
    try:
        timezone.__reduce__()
    except Exception:   # PicklingError; its module is large, and only for this
        raise ZoneError(
            f'{timezone!r} was read from an open file, so its rules cannot be found: put '
            f'the file into a directory of zoneinfo.TZPATH, and write ZoneInfo({timezone.key!r})'
        ) from None


def _resolve_fixed(timezone: Any) -> Zone:
    offset = timezone.utcoffset(None) if isinstance(timezone, tzinfo) else None
    if not isinstance(offset, timedelta):
        raise ZoneError(
            f'{timezone!r} is not a time zone that cronsched supports: write an IANA name like '
            "'Europe/Zurich', a ZoneInfo with a key, or a datetime.timezone"
        )
    seconds, rest = divmod(offset, timedelta(seconds=1))
    if rest:
        raise ZoneError(f'{timezone!r} is not a whole number of seconds from UTC')
    return Zone.fixed(str(fixed_timezone(offset)), seconds, fixed_timezone(offset))


def _load(name: str, *, fresh: bool = False) -> tuple[Zone, Source]:
    source = _find(name)
    if fresh:
        zoneinfo.ZoneInfo.clear_cache(only_keys=[name])
    try:
        # First by our own reader: zoneinfo reads for ever where a file ends
        # within its footer.
        Zone.from_tzif(name, source.data, UTC)
        return Zone.from_tzif(name, source.data, zoneinfo.ZoneInfo(name)), source
    except DAMAGED as error:
        raise ZoneError(f'time zone {name!r} in {source.path} cannot be read: {error}') from error


def _find(name: str) -> Source:
    if len(name) > LONGEST_NAME:
        raise ZoneError(f'{name[:20]!r}... is not an IANA time zone')
    for path in _candidates(name):
        try:
            return _read(path)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            continue
        except UnicodeEncodeError:
            break   # a lone surrogate: no file has such a name
        except OSError as error:
            raise ZoneError(f'time zone {name!r} cannot be read: {error}') from error
    if not _has_data():
        raise ZoneError(
            f'time zone {name!r} cannot be looked up, as there is no time zone data: install '
            "the package tzdata, by pip or the system's own; UTC needs none"
        )
    raise ZoneError(f'{name!r} is not an IANA time zone{_suggestion(name)}')


def _has_data() -> bool:
    return any(map(os.path.exists, _candidates('Europe/London')))


def _candidates(name: str) -> Iterator[str]:
    parts = name.split('/')
    if any(part in ('', '.', '..') or '\0' in part or '\\' in part for part in parts):
        return
    for root in zoneinfo.TZPATH:
        yield os.path.join(root, *parts)
    from importlib import resources  # seldom needed, and slow to load

    try:
        tzdata = resources.files('tzdata')
    except ModuleNotFoundError:
        return
    yield str(tzdata.joinpath('zoneinfo', *parts))


def _read(path: str) -> Source:
    with open(path, 'rb') as file:
        return Source(path, _signature(os.fstat(file.fileno())), file.read())


def _signature(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _has_changed(source: Source) -> bool:
    try:
        return _signature(os.stat(source.path)) != source.signature
    except OSError:
        return True   # moved away: another place may have it now


def _suggestion(name: str) -> str:
    import re  # as slow to load as all of this package

    offset = re.fullmatch(OFFSET, name)
    if offset is not None:
        return _offset_hint(*offset.groups(default='0'))
    from difflib import get_close_matches

    names = zoneinfo.available_timezones()
    by_folded = {known.casefold(): known for known in names}
    folded = name.strip().replace(' ', '_').casefold()
    close = [folded] if folded in by_folded else get_close_matches(folded, by_folded, n=1)
    if not close:
        # A bare city: people write 'Zurich' for 'Europe/Zurich'.
        close = [known for known in sorted(by_folded) if known.rpartition('/')[2] == folded][:1]
    return f': did you mean {by_folded[close[0]]!r}?' if close else ''


def _offset_hint(sign: str, hours: str, minutes: str) -> str:
    if int(hours) > FARTHEST or int(minutes) > 59:
        return ''
    written = f'hours={sign.strip("+")}{int(hours)}'
    if int(minutes):
        written += f', minutes={sign.strip("+")}{int(minutes)}'
    return (
        f': write datetime.timezone(timedelta({written})), or better the name of a place, whose '
        "clocks are known, like 'Europe/Zurich'"
    )


_cronsched.set_zone_resolver(resolve)
