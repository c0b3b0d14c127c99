"""The half of the command line that looks at the ledger.

Example::

    cronsched status                              # the last run of each job
    cronsched history cleanup -a org/zug          # its runs, the newest first
    cronsched history cleanup --at '2026-11-23 08:00'   # why did it not run?
    cronsched run cleanup -a org/zug              # now, by whoever owns it
    cronsched pause cleanup --note 'new server'
    cronsched resume cleanup

Without --json, times are UTC, and those of an answer in the zone of the job;
with it they are UTC seconds.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cronsched.base.directories import find_state_directory
from cronsched.base.text import printable
from cronsched.cli import doctor
from cronsched.cli.overview import history_row, status_row
from cronsched.cli.stream import newest, write_stream
from cronsched.cli.terminal import Terminal, table
from cronsched.errors import CronError
from cronsched.ledger import KnownJob, Ledger, open_ledger
from cronsched.ledger.sqlite import SQLiteLedger
from cronsched.report.overview import Statuses
from cronsched.report.reasons import explain, schedule_of, time_text
from cronsched.scheduler.site import LEDGER_FILE, ledger_url

__all__ = ['add_commands']

MOST_OF_ANSWER = 4096   # characters

Command = Callable[[argparse.Namespace, Ledger], int | None]


def add_commands(subparsers: Any) -> None:
    """Add `status history doctor run pause resume` to what `add_subparsers`
    gave."""
    _add(subparsers, 'status', show_status, 'show the last run of each job', looks=True)
    history = _add(
        subparsers, 'history', show_history, 'show runs, the newest first', looks=True)
    history.add_argument('job', metavar='JOB', nargs='?', help='the name of a job; all otherwise')
    history.add_argument('-n', '--limit', type=int, default=20, help='how many (default 20)')
    history.add_argument('--at', metavar='TIME', help='why the run of this time did not happen')
    doctor.add_options(_add(
        subparsers, 'doctor', doctor.examine, 'ask whether applications are reached, and who '
        'answers', looks=True))
    run = _add(subparsers, 'run', request_run, 'run a job now')
    run.add_argument('--all', action='store_true', help='for all application ids that have it')
    pause = _add(subparsers, 'pause', pause_job, 'skip the runs of a job from now on')
    pause.add_argument('--note', default='', help='why; shown where a run was skipped')
    resume = _add(subparsers, 'resume', resume_job, 'end the pause of a job')
    for parser in (run, pause, resume):
        parser.add_argument('job', metavar='JOB', help='the name of the job')


def _add(
    subparsers: Any, name: str, command: Command, summary: str, *, looks: bool = False,
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = subparsers.add_parser(
        name, help=summary, description=f'{summary[0].upper()}{summary[1:]}.')
    parser.add_argument('-a', '--application', metavar='ID', action='append',
                        help='only this application id (can be repeated)')
    parser.add_argument('--json', action='store_true', help='write JSON')
    where = parser.add_mutually_exclusive_group()
    where.add_argument('--ledger', metavar='URL', help='sqlite:///absolute/path')
    where.add_argument('--state-directory', metavar='DIRECTORY',
                       help='where the application keeps its state')
    parser.set_defaults(run=lambda arguments: _call(command, arguments, looks))
    return parser


def _call(command: Command, arguments: argparse.Namespace, looks: bool) -> int | None:
    ledger = _ledger(arguments, looks)
    try:
        return command(arguments, ledger)
    finally:
        ledger.close()


def _ledger(arguments: argparse.Namespace, looks: bool) -> Ledger:
    """The ledger that is there: no command makes one, and one that only looks
    makes and changes nothing, whoever calls it."""
    url = arguments.ledger
    if url is None and arguments.state_directory is None and arguments.settings is not None:
        url = ledger_url(arguments.settings)
    if url is None:
        path = find_state_directory(arguments.state_directory) / LEDGER_FILE
        url = f'sqlite://{quote(str(path))}'
    ledger = open_ledger(url, looking=looks)
    if isinstance(ledger, SQLiteLedger) and _is_missing(ledger.path):
        raise CronError(
            f'there is no ledger at {ledger.path}: name the one of the application with '
            '--state-directory or --ledger, or run this as its user')
    return ledger


def _is_missing(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False    # opening it will say why
    return False


# -- The commands

def show_status(arguments: argparse.Namespace, ledger: Ledger) -> None:
    statuses = Statuses(ledger)
    rows = [statuses.of(job) for job in _jobs(arguments, ledger)]
    if arguments.json:
        return _write_json(rows)
    terminal = Terminal(sys.stdout)
    head = ['APPLICATION', 'JOB', 'LAST RUN', 'STATE', 'TOOK', 'LAST OK', 'NEXT', 'PAUSED']
    _write(table([head, *(status_row(row, terminal) for row in rows)]))


def show_history(arguments: argparse.Namespace, ledger: Ledger) -> None:
    if arguments.at is not None:
        return _show_reasons(arguments, ledger)
    if arguments.job is not None:
        _jobs(arguments, ledger, arguments.job)
    if arguments.json:
        return write_stream(newest(ledger, arguments.application, arguments.job, arguments.limit))
    rows = list(newest(ledger, arguments.application, arguments.job, arguments.limit))
    terminal = Terminal(sys.stdout)
    head = ['SCHEDULED', 'APPLICATION', 'JOB', 'STATE', 'TOOK', 'ATTEMPT', 'DETAIL']
    _write(table([head, *(history_row(row, terminal) for row in rows)]))


def _show_reasons(arguments: argparse.Namespace, ledger: Ledger) -> None:
    if arguments.job is None:
        raise CronError('--at needs a job: cronsched history JOB --at TIME')
    now = time.time()
    answers = [
        explain(ledger, job, _epoch(arguments.at, job), now=now)
        for job in _jobs(arguments, ledger, arguments.job)
    ]
    if arguments.json:
        return _write_json([asdict(answer) for answer in answers])
    _write(
        printable(f'{answer.job} of {answer.application_id}: {answer.sentence}', MOST_OF_ANSWER)
        for answer in answers)


def request_run(arguments: argparse.Namespace, ledger: Ledger) -> None:
    jobs = _jobs(arguments, ledger, arguments.job)
    if len(jobs) > 1 and not (arguments.all or arguments.application):
        names = ', '.join(job.application_id for job in jobs[:5])
        raise CronError(
            f'{len(jobs)} application ids have the job {arguments.job} ({names}, ...): choose '
            'with -a ID, or say --all')
    runs = [ledger.request_run(job.application_id, job.job, time.time()) for job in jobs]
    if arguments.json:
        return _write_json([asdict(run) for run in runs])
    _write(
        f'{run.job} of {run.application_id} is asked for, as the run of '
        f'{time_text(run.scheduled)}; see cronsched history {run.job}' for run in runs)


def pause_job(arguments: argparse.Namespace, ledger: Ledger) -> None:
    _jobs(arguments, ledger, arguments.job)
    for application_id in arguments.application or [None]:
        ledger.pause(application_id, arguments.job, note=arguments.note, at=time.time())
    _tell_pauses(arguments, ledger)


def resume_job(arguments: argparse.Namespace, ledger: Ledger) -> None:
    paused = [application_id for application_id, job in ledger.paused() if job == arguments.job]
    for application_id in arguments.application or [None]:
        if application_id not in paused:
            raise CronError(_not_paused(arguments.job, application_id, paused))
        ledger.resume(application_id, arguments.job)
    _tell_pauses(arguments, ledger)


def _not_paused(job: str, application_id: str | None, paused: list[str | None]) -> str:
    whom = 'all application ids' if application_id is None else application_id
    ways = ['without -a' if each is None else f'with -a {each}' for each in paused]
    return f'{job} is not paused for {whom}' + (f': resume it {" or ".join(ways)}' if ways else '')


def _tell_pauses(arguments: argparse.Namespace, ledger: Ledger) -> None:
    pauses = [
        {'application_id': application_id, 'job': job, 'note': note}
        for (application_id, job), note in ledger.paused().items() if job == arguments.job
    ]
    if arguments.json:
        return _write_json(pauses)
    for pause in pauses:
        whom = pause['application_id'] or 'all application ids'
        note = f': {pause["note"]}' if pause['note'] else ''
        _write([printable(f'{arguments.job} is paused for {whom}{note}', MOST_OF_ANSWER)])
    if not pauses:
        _write([f'{arguments.job} is not paused'])


# -- What they share

def _write(lines: Iterable[str]) -> None:
    terminal = Terminal(sys.stdout)
    for line in lines:
        terminal.write(line)


def _write_json(data: Any) -> None:
    _write([json.dumps(data, indent=2, ensure_ascii=False)])


def _jobs(
    arguments: argparse.Namespace, ledger: Ledger, name: str | None = None,
) -> list[KnownJob]:
    """The jobs that the arguments choose. Raises `CronError` for names that
    the ledger does not know, with the one that was meant."""
    jobs = list(ledger.jobs())
    if arguments.application:
        known = {job.application_id for job in jobs}
        for application_id in arguments.application:
            _check_known('application id', application_id, known)
        jobs = [job for job in jobs if job.application_id in arguments.application]
    if name is not None:
        _check_known('job', name, {job.job for job in jobs})
        jobs = [job for job in jobs if job.job == name]
    return jobs


def _check_known(what: str, name: str, known: set[str]) -> None:
    if name in known:
        return
    close = get_close_matches(name, known, n=1) or sorted(known)[:5]
    hint = f'; there is {", ".join(close)}' if close else '; the ledger has none yet'
    raise CronError(f'there is no {what} {name!r}{hint}')


def _epoch(text: str, job: KnownJob) -> int:
    """A time as people write it; without an offset, in the zone of the job."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise CronError(
            f"{text!r} is not a time: write '2026-11-23 08:00', or with +01:00"
        ) from None
    if at.tzinfo is None:
        schedule = schedule_of(job)
        at = at.replace(tzinfo=UTC if schedule is None else schedule.timezone)
    return int(at.timestamp())
