"""The command `status`: the jobs, and who runs them.

Example::

    $ cronsched status
    APPLICATION  JOB      LAST RUN        STATE  TOOK   NEXT
    org/zug      cleanup  14:42:00 +22 s  ok     1.2 s  14:57:00 +22 s

    org/zug: process 4121 on web1 since 14:40:02, at http://127.0.0.1:8000
    Times are Europe/Zurich.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from cronsched.base.text import printable
from cronsched.cli.access import add_ledger_options, add_wide, jobs_of, opened
from cronsched.cli.overview import STATUS, status_row
from cronsched.cli.owners import Owners
from cronsched.cli.problems import overdue_of, problems_of
from cronsched.cli.runs import write_json
from cronsched.cli.terminal import Column, Terminal
from cronsched.cli.times import clock_text
from cronsched.cli.zones import Zones
from cronsched.ledger import KnownJob, Ledger
from cronsched.report.overview import Statuses

__all__ = ['add_arguments', 'run']

DESCRIPTION = """\
Each job with its last run and its next one, in the time zone of the job, and
the process that runs it. "+22 s" is how long after its scheduled time a run
began, or is due: the offset that spreads the load, and the time it waited."""
EXAMPLES = (
    'cronsched status',
    'cronsched status -a org/zug --wide',
    'cronsched status --check      # for monitoring: a line for each problem',
    'cronsched status --json',
)
STATUSES = (
    ('1', 'with --check: something is wrong'),
    ('2', 'there is no ledger, or it cannot be read'),
)
WRONG = 1
LAST_OK = Column('LAST OK')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--check', action='store_true',
                        help='only what is wrong, a line each, and exit status 1 for that')
    add_wide(parser)
    add_ledger_options(parser)


def run(arguments: argparse.Namespace) -> int:
    with opened(arguments, looks=True) as ledger:
        return Report(arguments, ledger).write()


class Report:
    """What is known at this moment of the jobs that are meant."""

    def __init__(self, arguments: argparse.Namespace, ledger: Ledger) -> None:
        self._arguments = arguments
        self.now = time.time()
        self.jobs: Sequence[KnownJob] = jobs_of(arguments, ledger)
        statuses = Statuses(ledger)
        self.rows = [statuses.of(job) for job in self.jobs]
        self.zones = Zones(self.jobs)
        self.owners = Owners(ledger, self.zones, self.now)
        self._terminal = Terminal(sys.stdout, wide=arguments.wide)

    def write(self) -> int:
        if self._arguments.check:
            return self._check()
        if self._arguments.json:
            write_json([self._data(row) for row in self.rows])
        else:
            self._write_table()
        return 0

    def _data(self, row: Mapping[str, Any]) -> dict[str, Any]:
        return {**row, 'owner': self.owners.data(row['application_id'])}

    def _write_table(self) -> None:
        terminal = self._terminal
        wide = self._arguments.wide
        columns = [*STATUS, *([LAST_OK] if wide else [])]
        for line in terminal.table(columns, [self._cells(row, wide) for row in self.rows]):
            terminal.write(line)
        terminal.write()
        for job, row in zip(self.jobs, self.rows, strict=True):
            for text in overdue_of(row, self._zone(row), self.now):
                name = f'{terminal.name(job.job)} of {terminal.name(job.application_id)}'
                terminal.write_folded(terminal.bad(f'{name} {text}'))
        ids = list(dict.fromkeys(job.application_id for job in self.jobs))
        for sentence in self.owners.sentences(ids, terminal):
            terminal.write_folded(sentence)
        terminal.write_folded(
            self.zones.sentence((job.application_id, job.job) for job in self.jobs))

    def _cells(self, row: Mapping[str, Any], wide: bool) -> list[str]:
        zone = self._zone(row)
        owned = self.owners.alive(row['application_id'])
        cells = status_row(row, zone, self.now, owned, self._terminal)
        if wide:
            last = row['last_success']
            cells.append('-' if last is None else clock_text(last, zone, self.now))
        return cells

    def _zone(self, row: Mapping[str, Any]) -> Any:
        return self.zones.of(row['application_id'], row['job'])

    def _check(self) -> int:
        """A first line that a monitoring system shows, and one for each problem."""
        problems = list(problems_of(self.jobs, self.rows, self.owners, self.zones, self.now))
        if self._arguments.json:
            write_json(problems)
            return WRONG if problems else 0
        ids = {job.application_id for job in self.jobs}
        if problems:
            first = f'cronsched WARNING: {_count(len(problems), "problem")}, {problems[0]}'
        else:
            first = (f'cronsched OK: {_count(len(self.jobs), "job")} of '
                     f'{_count(len(ids), "application id")}')
        for line in (printable(first, len(first)), *problems[1:]):
            self._terminal.write_cut(line)
        return WRONG if problems else 0


def _count(number: int, what: str) -> str:
    return f'{number} {what}{"" if number == 1 else "s"}'
