"""Which ledger is meant, and which of its jobs.

Example::

    add_ledger_options(parser)
    with opened(arguments, looks=True) as ledger:
        jobs = jobs_of(arguments, ledger, 'cleanup')
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import quote

from cronsched.base.directories import find_state_directory
from cronsched.errors import CronError
from cronsched.ledger import KnownJob, Ledger, open_ledger
from cronsched.ledger.sqlite import SQLiteLedger
from cronsched.scheduler.site import LEDGER_FILE, ledger_url

__all__ = ['add_job', 'add_ledger_options', 'add_wide', 'jobs_of', 'opened']


def add_ledger_options(parser: argparse.ArgumentParser) -> None:
    """Those of every command that opens a ledger."""
    parser.add_argument('-a', '--application', metavar='ID', action='append',
                        help='only this application id; can be repeated')
    parser.add_argument('--json', action='store_true', help='write JSON; times are UTC seconds')
    where = parser.add_mutually_exclusive_group()
    where.add_argument('--ledger', metavar='URL',
                       help='of the ledger: sqlite:///absolute/path, or '
                            'postgresql://user@host/database')
    where.add_argument('--state-directory', metavar='DIRECTORY',
                       help='where the application keeps its state')


def add_wide(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('-w', '--wide', action='store_true',
                        help='cut nothing, however long the lines become')


def add_job(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('job', metavar='JOB', help='the name of the job')


@contextmanager
def opened(arguments: argparse.Namespace, *, looks: bool) -> Iterator[Ledger]:
    """The ledger that exists: no command makes one, and one that only `looks`
    changes nothing. Raises `CronError`."""
    with closing(_open(arguments, looks)) as ledger:
        yield ledger


def _open(arguments: argparse.Namespace, looks: bool) -> Ledger:
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


def jobs_of(
    arguments: argparse.Namespace, ledger: Ledger, name: str | None = None,
) -> Sequence[KnownJob]:
    """The jobs that the arguments choose. Raises `CronError` for a name that
    the ledger does not know, with the one that was probably meant."""
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
