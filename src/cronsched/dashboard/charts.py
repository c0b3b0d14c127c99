"""Where the parts of a picture stand: numbers only, which templates draw.

Example::

    for bar in bars(rows, width=720, height=96, most=100):
        bar.x, bar.y, bar.width, bar.height, bar.state
    paths(rows, width=90, height=18, most=30)

Colours are classes of the style sheet and shapes differ too, so that a picture
says the same in black and white; nothing of it is inline style.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from cronsched.dashboard.words import lasted, state
from cronsched.ledger import Row, Tally
from cronsched.report.overview import took_of

__all__ = ['Bar', 'Cell', 'Column', 'bars', 'calendar', 'columns', 'median', 'paths', 'percentile']

DAY: Final = 86400
LOWEST: Final = 2.0       # of a bar that is there
WORST: Final = (
    'lost', 'failed', 'timed_out', 'unreachable', 'missed', 'skipped_overlap',
    'skipped_paused', 'running', 'queued', 'ok',
)


class Bar(NamedTuple):
    x: float
    y: float
    width: float
    height: float
    state: str
    title: str


class Cell(NamedTuple):
    x: int
    y: int
    at: int
    state: str | None
    title: str


class Column(NamedTuple):
    x: float
    y: float
    width: float
    height: float
    at: int
    calls: int


def bars(rows: Sequence[Row], width: float, height: float, most: int) -> list[Bar]:
    """The oldest first, one for each run, as high as it took long; what took no
    time, as it never ran, is as high as there is room."""
    wide = round(width / most * 0.75, 2)
    return [
        Bar(x, y, wide, tall, row.state,
            state(row.state).word + ('' if took is None else f', {lasted(took)}'))
        for row, took, x, y, tall in _placed(rows, width, height, most)
    ]


def paths(
    rows: Sequence[Row], width: float, height: float, most: int,
) -> list[tuple[str, str]]:
    """The same as a small picture: one path for each kind of state, and the
    notches of the bad ones."""
    wide = round(width / most * 0.75, 2)
    half = round(wide / 2, 2)
    found: dict[str, list[str]] = {}
    for row, _, x, y, tall in _placed(rows, width, height, most):
        kind = state(row.state).kind
        found.setdefault(f'bar {kind}', []).append(f'M{x} {y}h{wide}v{tall}h-{wide}z')
        if kind == 'bad':
            # From above the bar on, so that no line of it is left.
            deep = round(min(wide * 1.2, tall) + 1, 2)
            found.setdefault('notch', []).append(f'M{x} {round(y - 1, 2)}h{wide}l-{half} {deep}z')
    # The notches last, on top of the bars.
    return [(name, ''.join(found[name])) for name in sorted(found)]


def _placed(
    rows: Sequence[Row], width: float, height: float, most: int,
) -> Iterator[tuple[Row, float | None, float, float, float]]:
    """Each row with how long it took, and its bar's x, y and height."""
    times = [took_of(row) for row in rows]
    longest = max((took for took in times if took is not None), default=0.0) or 1.0
    step = width / most
    x = width - step * len(rows)
    for row, took in zip(reversed(rows), reversed(times), strict=True):
        tall = height if took is None else max(took / longest * height, LOWEST)
        yield row, took, round(x, 2), round(height - tall, 2), round(tall, 2)
        x += step


def median(rows: Iterable[Row]) -> float | None:
    return percentile(rows, 0.5)


def percentile(rows: Iterable[Row], share: float) -> float | None:
    """Of how long those took that ended well or failed; None for none."""
    times = sorted(
        took for row in rows
        if row.state in ('ok', 'failed') and (took := took_of(row)) is not None
    )
    return times[min(int(len(times) * share), len(times) - 1)] if times else None


def calendar(
    tallies: Iterable[Tally], first: int, days: int, weekday: int, labels: Sequence[str],
) -> list[Cell]:
    """A cell for each day in columns of weeks, by the worst that happened.
    `weekday` is that of the first day, 0 for Monday."""
    counted: dict[int, dict[str, int]] = {}
    for tally in tallies:
        day = counted.setdefault((tally.at - first) // DAY, {})
        day[tally.state] = day.get(tally.state, 0) + tally.count
    return [
        Cell(
            (index + weekday) // 7, (index + weekday) % 7, first + index * DAY,
            _worst(counted.get(index, {})), f'{labels[index]}: {_told(counted.get(index, {}))}',
        )
        for index in range(days)
    ]


def _worst(counts: dict[str, int]) -> str | None:
    return next((name for name in WORST if name in counts), None)


def _told(counts: dict[str, int]) -> str:
    return ', '.join(
        f'{counts[name]} {state(name).word}' for name in reversed(WORST) if name in counts
    ) or 'nothing'


def columns(
    counts: Sequence[int], start: int, step: int, width: float, height: float,
) -> Iterator[Column]:
    """Neighbours that would be thinner than a unit are one, as high as the
    highest of them."""
    most = max(counts, default=0) or 1
    together = max(-(-len(counts) // int(width)), 1)
    groups = [counts[at:at + together] for at in range(0, len(counts), together)]
    wide = width / max(len(groups), 1)
    for index, group in enumerate(groups):
        highest = max(group)
        if highest:
            tall = max(highest / most * height, 1.0)
            yield Column(
                round(index * wide, 2), round(height - tall, 2), round(wide, 2), round(tall, 2),
                start + (index * together + list(group).index(highest)) * step, highest,
            )
