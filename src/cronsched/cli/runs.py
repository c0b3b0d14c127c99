"""The instants of a schedule, as `next` and `explain` write them.

Example::

    rows = [row_of(schedule, at, terminal) for at in islice(runs_of(schedule, now), 5)]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime

from cronsched._cronsched import Schedule
from cronsched.cli.terminal import Terminal

TYPE_CHECKING = False    # as in typing, which is slow to load
if TYPE_CHECKING:
    from typing import Any

    from cronsched.schedule.english.moves import Move

__all__ = ['REBOOT', 'as_data', 'row_of', 'run_data', 'runs_of', 'write_json']

WEEKDAYS = ('Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun')
# Farther than this (seconds) from a change of the clocks, every time is its own.
NEAR = 2 * 86400
REBOOT = 'runs once when the process that owns the jobs starts'


def runs_of(schedule: Schedule, start: int, *, backwards: bool = False) -> Iterator[int]:
    """After `start`, or before it; UTC seconds."""
    step = schedule.previous_epoch if backwards else schedule.next_epoch
    at = step(start)
    while at is not None:
        yield at
        at = step(at)


def row_of(schedule: Schedule, at: int, terminal: Terminal) -> list[str]:
    """Local time, UTC, and where it is not as written, why."""
    utc = datetime.fromtimestamp(at, UTC)
    local = utc.astimezone(schedule.timezone)
    clock = '%Y-%m-%d %H:%M:%S' if at % 60 else '%Y-%m-%d %H:%M'
    move = _move_of(schedule, at)
    return [
        f'{WEEKDAYS[local.weekday()]} {local:{clock}} {local.isoformat()[19:]}',
        f'{utc:{clock}}',
        *([terminal.warning(str(move))] if move else []),
    ]


def _move_of(schedule: Schedule, at: int) -> Move | None:
    """As `move_of`, which is loaded only near a change of the clocks."""
    begin, end, _ = schedule.zone.span_at(at)
    if (begin is None or at - begin > NEAR) and (end is None or end - at > NEAR):
        return None
    from cronsched.schedule.english.moves import move_of

    return move_of(schedule, at)


def run_data(schedule: Schedule, at: int) -> dict[str, Any]:
    utc = datetime.fromtimestamp(at, UTC)
    move = _move_of(schedule, at)
    return {
        'local': utc.astimezone(schedule.timezone).isoformat(),
        'utc': f'{utc:%Y-%m-%dT%H:%M:%SZ}',
        'epoch': at,
        'move': {'kind': move.kind, 'times': move.times, 'text': str(move)} if move else None,
    }


def as_data(schedule: Schedule) -> dict[str, Any]:
    """A schedule with its findings, for `--json`."""
    # Loaded here, as `next` without --json does not need it.
    from dataclasses import asdict

    from cronsched.schedule.english.lint import lint

    return {
        'expression': schedule.expression,
        'canonical': str(schedule),
        'timezone': schedule.zone.name,
        'description': schedule.describe(),
        'findings': [asdict(finding) for finding in lint(schedule)],
    }


def write_json(data: Any) -> None:
    import json

    json.dump(data, sys.stdout, indent=2)
    sys.stdout.write('\n')
