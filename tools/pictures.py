"""The pictures of docs/time.md: what runs on the two odd days of the year.

Example::

    python tools/pictures.py        # writes docs/images/spring.svg and autumn.svg

Each mark is a run that `Schedule` names, so a picture cannot be wrong about it;
`tests/test_pictures.py` sees that the files are those that this makes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from cronsched import Schedule

IMAGES = Path(__file__).parent.parent / 'docs' / 'images'
ZONE = ZoneInfo('Europe/Zurich')
EXPRESSIONS = ('30 2 * * *', '0 2,3 * * *', '*/15 * * * *', '0 * * * *')

# Pixels.
LEFT, WIDTH, HOUR, TOP, ROW = 150, 780, 200, 96, 52
INK, RUN, MOVED, SHADE = '#64748b', '#0d9488', '#d97706', '#94a3b8'


@dataclass(frozen=True)
class Day:
    """Three hours around a change of clocks; `change` is when they are set,
    `shaded` the hours that are told about, from it."""

    name: str
    title: str
    change: datetime
    shaded: tuple[float, float]
    told: str

    @property
    def start(self) -> datetime:
        return self.change - timedelta(minutes=75)

    @property
    def end(self) -> datetime:
        return self.start + timedelta(hours=3)

    def x(self, at: datetime) -> float:
        return LEFT + (at - self.start) / timedelta(hours=1) * HOUR


DAYS = (
    Day('spring', 'Sunday 28 March 2027, Europe/Zurich: clocks go from 02:00 to 03:00',
        datetime(2027, 3, 28, 1, tzinfo=UTC), (0, 0), '02:00 to 03:00 does not exist'),
    Day('autumn', 'Sunday 31 October 2027, Europe/Zurich: clocks go from 03:00 back to 02:00',
        datetime(2027, 10, 31, 1, tzinfo=UTC), (-1, 1), '02:00 to 03:00 comes twice'),
)


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    for day in DAYS:
        (IMAGES / f'{day.name}.svg').write_text(picture(day))


def picture(day: Day) -> str:
    height = TOP + ROW * len(EXPRESSIONS) + 8
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="13" fill="{INK}">',
        f'<title>{day.title}</title>',
        *axis(day, height),
    ]
    for row, expression in enumerate(EXPRESSIONS):
        lines += runs(day, expression, TOP + ROW * row + 20)
    return '\n'.join([*lines, '</svg>', ''])


def axis(day: Day, height: int) -> Iterator[str]:
    """The title, both clocks, and what is odd about them."""
    yield text(0, 16, day.title, 'font-size="15" font-weight="600"')
    yield text(0, 50, 'wall clock')
    yield text(0, 72, 'UTC')
    first, last = (day.x(day.change + timedelta(hours=hours)) for hours in day.shaded)
    yield (f'<rect x="{first - 2:g}" y="32" width="{last - first + 4:g}" height="{height - 40}" '
           f'fill="{SHADE}" opacity="0.25"/>')
    yield text(day.x(day.change), 34, day.told, f'text-anchor="middle" fill="{MOVED}"')
    at = day.change - timedelta(hours=1)
    while at < day.end:
        yield text(day.x(at), 52, wall(day, at), 'text-anchor="middle" font-weight="600"')
        yield text(day.x(at), 72, f'{at:%H:%M}', 'text-anchor="middle"')
        at += timedelta(hours=1)


def wall(day: Day, at: datetime) -> str:
    local = at.astimezone(ZONE)
    before = (at - timedelta(seconds=1)).astimezone(ZONE) + timedelta(seconds=1)
    return f'{local:%H:%M}' if at != day.change else f'{before:%H:%M} = {local:%H:%M}'


def runs(day: Day, expression: str, y: int) -> Iterator[str]:
    """A row: the expression, and a mark for each of its runs."""
    yield text(0, y + 5, expression, 'font-family="ui-monospace, monospace"')
    yield f'<path d="M{LEFT} {y}H{WIDTH}" stroke="{SHADE}" opacity="0.5"/>'
    schedule = Schedule(expression, timezone='Europe/Zurich')
    for at in schedule.between(day.start, day.end):
        colour = RUN if is_written(expression, at) else MOVED
        x = day.x(at.astimezone(UTC))
        yield f'<circle cx="{x:g}" cy="{y}" r="6" fill="{colour}"/>'
        yield text(x, y + 22, f'{at:%H:%M}', 'text-anchor="middle" font-size="11"')


def is_written(expression: str, at: datetime) -> bool:
    """Whether the wall clock shows what the expression says; a run that was
    moved out of a gap is where it does not."""
    minutes, hours, *_ = expression.split()
    return (
        (minutes.startswith('*') or f'{at:%M}' == minutes.zfill(2))
        and (hours == '*' or str(at.hour) in hours.split(','))
    )


def text(x: float, y: float, words: str, style: str = '') -> str:
    return f'<text x="{x:g}" y="{y:g}" {style}'.rstrip() + f'>{words}</text>'


if __name__ == '__main__':
    main()
