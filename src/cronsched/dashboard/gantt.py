"""Where the marks of a day stand. Neighbours that would touch are one mark, so
that a job of each minute is a band and not 1,440 of them.

Example::

    marks([Item(begin, end, 'ok', scheduled)], start, end, 960, told, place)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from cronsched.dashboard.words import zone_of

__all__ = ['Item', 'Mark', 'busy', 'labels', 'marks']

NARROWEST: Final = 2.5
TOUCHING: Final = 1.5
REACH: Final = 3.0        # around a mark, for who points at it
BINS: Final = 240


class Item(NamedTuple):
    begin: float
    end: float
    state: str
    scheduled: int


class Mark(NamedTuple):
    """`href`: None for what leads nowhere. `left` and `reach`: where it may be
    pointed at, which is never nearer to another one."""

    x: float
    width: float
    state: str
    title: str
    href: str | None
    left: float
    reach: float


class _Band:
    """Items that are drawn as one."""

    def __init__(self, item: Item, x: float, end: float) -> None:
        self.x, self.end, self.state, self.count = x, end, item.state, 1
        self.first = self.last = item.scheduled

    def takes(self, item: Item, x: float, end: float) -> bool:
        if item.state != self.state or x - self.end > TOUCHING:
            return False
        self.end = max(self.end, end)
        self.last, self.count = item.scheduled, self.count + 1
        return True


def marks(
    items: Iterable[Item],
    start: int,
    end: int,
    width: float,
    told: Callable[[str, int, float, float], str],
    place: Callable[[str, int, int, int], str | None],
) -> list[Mark]:
    """`told` and `place` are asked with state, count, first and last scheduled
    time."""
    bands: list[_Band] = []
    for item in items:
        x = max((item.begin - start) / (end - start) * width, 0.0)
        last = min((item.end - start) / (end - start) * width, width)
        last = max(last, x + NARROWEST)
        if not bands or not bands[-1].takes(item, x, last):
            bands.append(_Band(item, x, last))
    if not bands:
        return []
    bands.sort(key=lambda band: band.x)
    before = [-REACH, *(band.end for band in bands[:-1])]
    after = [*(band.x for band in bands[1:]), width + REACH]
    return [
        _mark(band, max(min(band.x - last, 2 * REACH), 0) / 2,
              max(min(following - band.end, 2 * REACH), 0) / 2, told, place)
        for band, last, following in zip(bands, before, after, strict=True)
    ]


def _mark(
    band: _Band, left: float, right: float, told: Callable[[str, int, float, float], str],
    place: Callable[[str, int, int, int], str | None],
) -> Mark:
    given = band.state, band.count, band.first, band.last
    return Mark(
        round(band.x, 2), round(band.end - band.x, 2), band.state, told(*given), place(*given),
        round(band.x - left, 2), round(band.end - band.x + left + right, 2))


def busy(items: Sequence[Item], start: int, end: int) -> list[int]:
    """How many execute at once, at most, in each of 240 parts of the extent."""
    found = [0] * BINS
    changes = sorted(
        change for item in items
        for change in ((item.begin, 1), (max(item.end, item.begin), -1))
    )
    count, before = 0, 0
    for at, change in changes:
        here = min(max(int((at - start) / (end - start) * BINS), 0), BINS - 1)
        for index in range(before, here + 1):
            found[index] = max(found[index], count)
        count, before = count + change, here
        found[here] = max(found[here], count)
    return found


def labels(start: int, end: int, segments: int, timezone: str | None) -> list[str]:
    """The local times at which equal parts of the extent begin."""
    zone = zone_of(timezone)
    step = (end - start) / segments
    form = '%H:%M' if end - start < 2 * 86400 else '%a %H:%M'
    return [
        format(datetime.fromtimestamp(start + step * each, zone), form)
        for each in range(segments)
    ]
