"""The command `explain`: what an expression means.

Example::

    $ cronsched explain '*/15 8-18 * * MON-FRI' --tz Europe/Zurich
    Every 15 minutes, from 08:00 to 18:59, Monday to Friday, Europe/Zurich
    short  */15 8-18 * * 1-5
    kind   interval: nothing runs in a gap of the clocks, and a repeated hour counts twice
    next   Thu 2026-11-26 08:00 +01:00  (2026-11-26 07:00 UTC)
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from itertools import islice

from cronsched._cronsched import Schedule
from cronsched.cli.expressions import add_expression, schedule_of
from cronsched.cli.runs import REBOOT, as_data, row_of, run_data, runs_of, write_json
from cronsched.cli.terminal import Terminal

__all__ = ['add_arguments', 'run']

DESCRIPTION = """\
What an expression means in plain English, in its shortest form, and what it
probably was not meant to mean."""
EXAMPLES = (
    "cronsched explain '*/15 8-18 * * MON-FRI'",
    "cronsched explain '30 2 * * *' --tz Europe/Zurich",
    "cronsched explain 'H H * * *' --seed cleanup --json",
)
STATUSES = (('2', 'the expression, or another argument, is wrong'),)

FIXED = 'fixed: a time that the clocks skip runs right after the gap, a repeated one once'
INTERVAL = 'interval: nothing runs in a gap of the clocks, and a repeated hour counts twice'
RUNS = 3
LABEL = 9       # characters of 'warning' and a gap


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_expression(parser)


def run(options: argparse.Namespace) -> int:
    schedule = schedule_of(options)
    runs = list(islice(runs_of(schedule, int(time.time())), RUNS))
    if options.json:
        data = {**as_data(schedule), 'kind': _kind(schedule).partition(':')[0]}
        write_json({**data, 'runs': [run_data(schedule, run) for run in runs]})
        return 0
    terminal = Terminal(sys.stdout)
    terminal.write_folded(terminal.strong(schedule.describe()))
    for label, text in _explanation(schedule, runs, terminal):
        terminal.write_folded(f'{label}{" " * (LABEL - len(label))}{text}', LABEL)
    return 0


def _kind(schedule: Schedule) -> str:
    if schedule.parts['reboot']:
        return REBOOT
    return INTERVAL if schedule.parts['interval'] else FIXED


def _explanation(
    schedule: Schedule, runs: list[int], terminal: Terminal,
) -> Iterator[tuple[str, str]]:
    yield 'short', str(schedule)
    yield 'kind', _kind(schedule)
    for run in runs:
        local, utc, *marks = row_of(schedule, run, terminal)
        yield 'next', '  '.join([local, f'({utc} UTC)', *marks])
    for finding in schedule.lint():
        yield 'warning', terminal.warning(str(finding))
