"""The commands `next` and `explain`: what one expression means, and when.

Example::

    $ cronsched next '30 2 * * *' --tz Europe/Zurich --after 2027-03-27T12:00 -n 2
    Europe/Zurich                 UTC
    Sun 2027-03-28 03:00 +02:00   2027-03-28 01:00  moved from 02:30: clocks go forward
    Mon 2027-03-29 02:30 +02:00   2027-03-29 00:30
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from itertools import islice
from math import ceil, floor
from typing import Any

from cronsched._cronsched import Schedule
from cronsched.cli.terminal import Terminal, table
from cronsched.errors import OptionError
from cronsched.schedule.english.moves import move_of

__all__ = ['add_explain', 'add_next', 'as_data']

Commands = Any   # what argparse gives for add_subparsers; its type is private

NO_RUN = 1
MOST_RUNS = 1_000_000
WEEKDAYS = ('Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun')

FIXED = 'fixed: a time that clocks skip runs right after the gap, a repeated one once'
INTERVAL = 'interval: nothing runs in a gap of the clocks, and a repeated hour counts twice'
REBOOT = 'runs once when the process that owns the jobs starts'


def add_next(commands: Commands) -> None:
    parser = commands.add_parser('next', help='the next runs of an expression')
    _add_expression(parser)
    parser.add_argument('-n', '--count', type=_count, default=5, help='so many (5)')
    parser.add_argument(
        '--after', metavar='ISO', help='start there instead of now; without an offset, local time'
    )
    parser.add_argument('--previous', action='store_true', help='go back in time instead')
    parser.set_defaults(run=_next)


def add_explain(commands: Commands) -> None:
    parser = commands.add_parser('explain', help='what an expression means')
    _add_expression(parser)
    parser.set_defaults(run=_explain)


def _add_expression(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('expression', metavar='EXPRESSION')
    parser.add_argument('--tz', default='UTC', metavar='ZONE', help='time zone (UTC)')
    parser.add_argument('--seed', help='the name of the job: it chooses what H means')
    parser.add_argument('--json', action='store_true', help='for programs')


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:10]) <= MOST_RUNS:
        raise argparse.ArgumentTypeError(f'{text[:20]!r} is not a number from 1 to {MOST_RUNS}')
    return int(text)


def _next(options: argparse.Namespace) -> int:
    schedule = Schedule(options.expression, options.tz, seed=options.seed)
    start = _instant(options.after, schedule.timezone)
    whole = ceil(start) if options.previous else floor(start)
    runs = list(islice(_runs(schedule, whole, options.previous), options.count))
    if options.json:
        _write_json({**as_data(schedule), 'runs': [_run_data(schedule, run) for run in runs]})
    else:
        _write_runs(schedule, runs)
    if not runs:
        direction = 'before' if options.previous else 'after'
        never = f'no run {direction} that, from 1970 to 2199'
        reason = REBOOT if schedule.parts['reboot'] else never
        sys.stderr.write(f'cronsched: {schedule.expression!r}: {reason}\n')
    return 0 if runs else NO_RUN


def _instant(text: str | None, timezone: tzinfo) -> float:
    if text is None:
        return time.time()
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise OptionError(
            f'--after {text!r} is not a time: write 2027-03-28T02:30, or with an offset',
            field='after',
        ) from error
    return (at if at.tzinfo else at.replace(tzinfo=timezone)).timestamp()


def _runs(schedule: Schedule, start: int, backwards: bool) -> Iterator[int]:
    step = schedule.previous_epoch if backwards else schedule.next_epoch
    at = step(start)
    while at is not None:
        yield at
        at = step(at)


def _write_runs(schedule: Schedule, runs: list[int]) -> None:
    terminal = Terminal(sys.stdout)
    rows = [[terminal.strong(schedule.zone.name), terminal.strong('UTC')]] if runs else []
    rows.extend(_row(schedule, run, terminal) for run in runs)
    for line in table(rows):
        terminal.write(line)


def _row(schedule: Schedule, at: int, terminal: Terminal) -> list[str]:
    utc = datetime.fromtimestamp(at, UTC)
    local = utc.astimezone(schedule.timezone)
    clock = '%Y-%m-%d %H:%M:%S' if at % 60 else '%Y-%m-%d %H:%M'
    move = move_of(schedule, at)
    return [
        f'{WEEKDAYS[local.weekday()]} {local:{clock}} {local.isoformat()[19:]}',
        f'{utc:{clock}}',
        *([terminal.warning(str(move))] if move else []),
    ]


def _run_data(schedule: Schedule, at: int) -> dict[str, Any]:
    utc = datetime.fromtimestamp(at, UTC)
    move = move_of(schedule, at)
    return {
        'local': utc.astimezone(schedule.timezone).isoformat(),
        'utc': f'{utc:%Y-%m-%dT%H:%M:%SZ}',
        'epoch': at,
        'move': {**move._asdict(), 'text': str(move)} if move else None,
    }


def as_data(schedule: Schedule) -> dict[str, Any]:
    """What there is to say about a schedule, for `--json`."""
    # `next` needs none of it.
    from dataclasses import asdict

    from cronsched.schedule.english.lint import lint

    return {
        'expression': schedule.expression,
        'canonical': str(schedule),
        'timezone': schedule.zone.name,
        'description': schedule.describe(),
        'findings': [asdict(finding) for finding in lint(schedule)],
    }


def _explain(options: argparse.Namespace) -> int:
    schedule = Schedule(options.expression, options.tz, seed=options.seed)
    runs = list(islice(_runs(schedule, int(time.time()), False), 3))
    if options.json:
        data = {**as_data(schedule), 'kind': _kind(schedule).partition(':')[0]}
        _write_json({**data, 'runs': [_run_data(schedule, run) for run in runs]})
        return 0
    terminal = Terminal(sys.stdout)
    terminal.write(terminal.strong(schedule.describe()))
    for line in table(_explanation(schedule, runs, terminal)):
        terminal.write(line)
    return 0


def _kind(schedule: Schedule) -> str:
    if schedule.parts['reboot']:
        return REBOOT
    return INTERVAL if schedule.parts['interval'] else FIXED


def _explanation(schedule: Schedule, runs: list[int], terminal: Terminal) -> list[list[str]]:
    rows = [['short', str(schedule)], ['kind', _kind(schedule)]]
    for run in runs:
        local, utc, *marks = _row(schedule, run, terminal)
        rows.append(['next', '  '.join([local, f'({utc} UTC)', *marks])])
    rows.extend([terminal.warning('warning'), str(finding)] for finding in schedule.lint())
    return rows


def _write_json(data: Any) -> None:
    import json

    json.dump(data, sys.stdout, indent=2)
    sys.stdout.write('\n')
