"""The command `next`: when an expression runs.

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
from itertools import islice
from math import ceil, floor

from cronsched._cronsched import Schedule
from cronsched.cli.expressions import add_expression, schedule_of
from cronsched.cli.runs import REBOOT, as_data, row_of, run_data, runs_of, write_json
from cronsched.cli.terminal import Terminal, table

__all__ = ['add_arguments', 'run']

DESCRIPTION = """\
The next runs of an expression, in its time zone and in UTC, with what clocks
that go forward or back do to them."""
EXAMPLES = (
    "cronsched next '0 9 * * MON-FRI'",
    "cronsched next '30 2 * * *' --tz Europe/Zurich --after 2027-03-27 -n 3",
    "cronsched next '@hourly' --previous -n 1",
)
STATUSES = (('1', 'there is no such run'), ('2', 'the expression, or another argument, is wrong'))
NO_RUN = 1
MOST_RUNS = 1_000_000
LOCAL = 2       # the columns before what is remarkable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_expression(parser)
    parser.add_argument('-n', '--count', type=_count, default=5, help='how many (default 5)')
    parser.add_argument(
        '--after', metavar='TIME',
        help='begin there instead of now; in the time zone of --tz, or with an offset')
    parser.add_argument('--previous', action='store_true', help='go back in time instead')


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:10]) <= MOST_RUNS:
        raise argparse.ArgumentTypeError(f'{text[:20]!r} is not a number from 1 to {MOST_RUNS}')
    return int(text)


def run(options: argparse.Namespace) -> int:
    schedule = schedule_of(options)
    start = _instant(options.after, schedule)
    whole = ceil(start) if options.previous else floor(start)
    runs = list(islice(runs_of(schedule, whole, backwards=options.previous), options.count))
    if options.json:
        write_json({**as_data(schedule), 'runs': [run_data(schedule, run) for run in runs]})
    else:
        _write_runs(schedule, runs)
    if not runs:
        direction = 'before' if options.previous else 'after'
        never = f'no run {direction} that, from 1970 to 2199'
        reason = REBOOT if schedule.parts['reboot'] else never
        sys.stderr.write(f'cronsched: {schedule.expression!r}: {reason}\n')
    return 0 if runs else NO_RUN


def _instant(text: str | None, schedule: Schedule) -> float:
    if text is None:
        return time.time()
    from cronsched.cli.times import parse_time
    from cronsched.errors import CronError, OptionError

    try:
        return parse_time(text, schedule.timezone, time.time())
    except CronError as error:
        raise OptionError(f'--after {error}', field='after') from error


def _write_runs(schedule: Schedule, runs: list[int]) -> None:
    terminal = Terminal(sys.stdout)
    rows = [[terminal.strong(schedule.zone.name), terminal.strong('UTC')]] if runs else []
    found = [row_of(schedule, run, terminal) for run in runs]
    lines = table([*rows, *(row[:LOCAL] for row in found)])
    for line, row in zip(lines, [*rows, *found], strict=True):
        for part in terminal.fold_behind(line, row[LOCAL:]):
            terminal.write(part)
