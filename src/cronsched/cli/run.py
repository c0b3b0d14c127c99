"""The command `run`: run a job now.

Example::

    $ cronsched run cleanup --wait
    cleanup of org/zug: The run of 2026-11-24 14:44:10 CET ran from ... to ..., ok.

The process that owns the application id makes the call, as it does any other:
the run is in the history, and waits for others as `overlap` says.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from cronsched.base.text import printable
from cronsched.cli.access import add_job, add_ledger_options, jobs_of, opened
from cronsched.cli.owners import Owners
from cronsched.cli.runs import write_json
from cronsched.cli.terminal import Terminal
from cronsched.cli.zones import Zones
from cronsched.errors import CronError
from cronsched.ledger import OUTCOMES, KnownJob, Ledger, Row, Run
from cronsched.report.reasons import Answer, explain, time_text

__all__ = ['add_arguments', 'run']

DESCRIPTION = """\
Asks the process that runs the jobs to run one now. With --wait, this command
ends when the run has ended, its further attempts included."""
EXAMPLES = (
    'cronsched run cleanup',
    'cronsched run cleanup --wait && echo done',
    'cronsched run cleanup -a org/zug -a org/bern --wait --timeout 60',
    'cronsched run cleanup --all',
)
STATUSES = (
    ('0', 'it is asked for; with --wait: it ended well'),
    ('1', 'with --wait: it ended otherwise (failed, timed out, skipped, ...)'),
    ('2', 'there is no such job, or no ledger'),
    ('3', 'no process runs the application id; with --wait, none began'),
    ('4', 'with --wait: it still executed after --timeout seconds'),
)
BAD, NOBODY, UNFINISHED = 1, 3, 4
POLL: Final = 0.2       # seconds
# Requests that no process took by then are dropped, seconds.
FORGOTTEN: Final = 600.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_job(parser)
    parser.add_argument('--all', action='store_true', help='for all application ids that have it')
    parser.add_argument('--wait', action='store_true', help='until the run has ended')
    parser.add_argument('--timeout', type=_seconds, metavar='SECONDS',
                        help='wait no longer than this (default: until it has ended)')
    add_ledger_options(parser)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e9:
        raise argparse.ArgumentTypeError(f'{text!r} is not a number of seconds')
    return seconds


def run(arguments: argparse.Namespace) -> int:
    with opened(arguments, looks=False) as ledger:
        jobs = _jobs(arguments, ledger)
        zones = Zones(jobs)
        owners = Owners(ledger, zones, time.time())
        asked = [
            (job, ledger.request_run(job.application_id, job.job, time.time())) for job in jobs
        ]
        missing = [job for job in jobs if not owners.alive(job.application_id)]
        for job in missing:
            _warn(f'{job.application_id}: {owners.nobody(job.application_id)}. The run begins '
                  'if one does within ten minutes')
        if arguments.wait:
            return Waiting(arguments, ledger, asked).write()
        _write_requests(arguments, [run for _, run in asked], zones)
        return NOBODY if missing else 0


def _jobs(arguments: argparse.Namespace, ledger: Ledger) -> Sequence[KnownJob]:
    jobs = jobs_of(arguments, ledger, arguments.job)
    gone = [job for job in jobs if not job.declared]
    jobs = [job for job in jobs if job.declared]
    if not jobs:
        raise CronError(
            f'{arguments.job} of {gone[0].application_id} is no longer in the code of its '
            'application, so nothing can run it')
    if len(jobs) > 1 and not (arguments.all or arguments.application):
        names = ', '.join(job.application_id for job in jobs[:5])
        raise CronError(
            f'{len(jobs)} application ids have the job {arguments.job} ({names}, ...): choose '
            'with -a ID, or write --all')
    return jobs


def _write_requests(
    arguments: argparse.Namespace, runs: Sequence[Run], zones: Zones,
) -> None:
    if arguments.json:
        return write_json([run._asdict() for run in runs])
    terminal = Terminal(sys.stdout)
    for run in runs:
        terminal.write_folded(
            f'{terminal.name(run.job)} of {terminal.name(run.application_id)} is asked for, as '
            f'the run of {time_text(run.scheduled, zones.of(run.application_id, run.job))}; '
            f'see cronsched history {run.job}')


def _warn(text: str) -> None:
    terminal = Terminal(sys.stderr)
    terminal.write_folded(f'cronsched: {terminal.warning("warning:")} {printable(text, 1000)}')


class Waiting:
    """Follows runs until all of them have ended."""

    def __init__(
        self, arguments: argparse.Namespace, ledger: Ledger,
        asked: Sequence[tuple[KnownJob, Run]],
    ) -> None:
        self._arguments = arguments
        self._ledger = ledger
        self._asked = asked
        self._begun = time.monotonic()

    def write(self) -> int:
        """Each run when it has ended; the exit status of the worst."""
        pending, worst, answers = list(self._asked), 0, []
        while pending:
            late = self._is_late()
            for job, run in list(pending):
                row = self._ledger.find(run)
                status = _status_of(row)
                if status is None and not late and not self._is_forgotten(row):
                    continue
                pending.remove((job, run))
                worst = max(worst, _unfinished(row) if status is None else status)
                answers.append(self._tell(job, run))
            if pending:
                time.sleep(POLL)
        if self._arguments.json:
            write_json([asdict(answer) for answer in answers])
        return worst

    def _is_late(self) -> bool:
        most = self._arguments.timeout
        return most is not None and time.monotonic() - self._begun > most

    def _is_forgotten(self, row: Row | None) -> bool:
        return row is None and time.monotonic() - self._begun > FORGOTTEN

    def _tell(self, job: KnownJob, run: Run) -> Answer:
        answer = explain(self._ledger, job, run.scheduled, now=time.time())
        if self._ledger.find(run) is None:
            # It is not one of the schedule, so this says what is known.
            answer = Answer(run.application_id, run.job, run.scheduled, None,
                            'The run was not started: no process has taken it.')
        if not self._arguments.json:
            terminal = Terminal(sys.stdout)
            name = f'{terminal.name(run.job)} of {terminal.name(run.application_id)}'
            terminal.write_folded(f'{name}: {printable(answer.sentence, 4096)}')
            sys.stdout.flush()
        return answer


def _status_of(row: Row | None) -> int | None:
    """None until the run has ended, and no further attempt follows."""
    if row is None or row.state not in OUTCOMES or row.next_attempt is not None:
        return None
    return 0 if row.state == 'ok' else BAD


def _unfinished(row: Row | None) -> int:
    return NOBODY if row is None else UNFINISHED
