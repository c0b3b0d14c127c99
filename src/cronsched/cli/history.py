"""The command `history`: what ran, and why something did not.

Example::

    $ cronsched history cleanup -n 2
    SCHEDULED       APPLICATION  JOB      STATE   TOOK   DETAIL
    14:57:00 +22 s  org/zug      cleanup  failed  0.3 s  status 500, ValueError: no town
    14:42:00 +22 s  org/zug      cleanup  ok      1.2 s

    $ cronsched history cleanup --at 14:57
    cleanup of org/zug: The run of 2026-11-24 14:57:00 CET ran at ... and failed, ...
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC

from cronsched.base.text import printable
from cronsched.cli.access import add_ledger_options, add_wide, jobs_of, opened
from cronsched.cli.overview import HISTORY, history_row
from cronsched.cli.places import several, with_places
from cronsched.cli.runs import write_json
from cronsched.cli.stream import newest, write_stream
from cronsched.cli.terminal import Column, Terminal
from cronsched.cli.times import parse_time
from cronsched.cli.zones import Zones
from cronsched.errors import CronError
from cronsched.ledger import KnownJob, Ledger
from cronsched.report.reasons import explain, schedule_of

__all__ = ['add_arguments', 'run']

DESCRIPTION = """\
Runs, the newest first, in the time zone of their job. With --at: what became
of the run of that time, in a sentence; also why it did not happen."""
EXAMPLES = (
    'cronsched history -n 50',
    'cronsched history cleanup -a org/zug',
    'cronsched history cleanup --at 14:42',
    "cronsched history cleanup --at '24 Nov 08:00'",
    'cronsched history --json -n 1000000 > history.json',
)
STATUSES = (('2', 'there is no such job or time, or no ledger'),)
MOST_OF_ANSWER = 4096   # characters


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('job', metavar='JOB', nargs='?', help='the name of a job; else all')
    parser.add_argument('-n', '--limit', type=int, default=20, help='how many (default 20)')
    parser.add_argument('--at', metavar='TIME',
                        help="what became of the run of this time: 14:42, '24 Nov 08:00', "
                        '2026-11-24T08:00+01:00, or any time that a command has shown')
    add_wide(parser)
    add_ledger_options(parser)


def run(arguments: argparse.Namespace) -> None:
    with opened(arguments, looks=True) as ledger:
        if arguments.at is not None:
            return _write_answers(arguments, ledger)
        if arguments.job is not None:
            jobs_of(arguments, ledger, arguments.job)
        if arguments.json:
            return write_stream(
                newest(ledger, arguments.application, arguments.job, arguments.limit))
        return _write_table(arguments, ledger)


def _write_table(arguments: argparse.Namespace, ledger: Ledger) -> None:
    rows = list(newest(ledger, arguments.application, arguments.job, arguments.limit))
    terminal, zones, now = Terminal(sys.stdout, wide=arguments.wide), Zones(ledger.jobs()), (
        time.time())
    cells = [
        history_row(row, zones.of(row.run.application_id, row.run.job), now, terminal)
        for row in rows
    ]
    columns: Sequence[Column] = HISTORY
    if several(rows):
        columns, cells = with_places(HISTORY, cells, rows)
    for line in terminal.table(columns, cells):
        terminal.write(line)
    sentence = zones.sentence((row.run.application_id, row.run.job) for row in rows)
    if sentence:
        terminal.write()
        terminal.write_folded(sentence)


def _write_answers(arguments: argparse.Namespace, ledger: Ledger) -> None:
    if arguments.job is None:
        raise CronError('--at needs a job: cronsched history JOB --at TIME')
    now = time.time()
    answers = [
        explain(ledger, job, _epoch(arguments.at, job, now), now=now)
        for job in jobs_of(arguments, ledger, arguments.job)
    ]
    if arguments.json:
        return write_json([asdict(answer) for answer in answers])
    terminal = Terminal(sys.stdout, wide=arguments.wide)
    for answer in answers:
        name = f'{terminal.name(answer.job)} of {terminal.name(answer.application_id)}'
        terminal.write_folded(f'{name}: {printable(answer.sentence, MOST_OF_ANSWER)}')


def _epoch(text: str, job: KnownJob, now: float) -> int:
    """A time as people write it; without an offset, in the zone of the job."""
    schedule = schedule_of(job)
    return int(parse_time(text, UTC if schedule is None else schedule.timezone, now))
