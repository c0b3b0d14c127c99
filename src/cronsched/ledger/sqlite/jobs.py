"""The row of a job, and who asked for a run of it, as claims need them."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from typing import NamedTuple

from cronsched.ledger.values import Run


class Job(NamedTuple):
    """The row of a job, as far as claims need it."""

    id: int
    newest: int | None
    last_started: int | None
    last_ok: int | None
    offset: float
    fence: int = 0     # of the last claim that was granted


def job_of(connection: sqlite3.Connection, run: Run, now: float) -> Job:
    """The job's row, made if it is new."""
    key = run.application_id, run.job
    sql = ('SELECT id, newest, last_started, last_ok, offset, fence FROM jobs '
           'WHERE application_id = ? AND job = ?')
    row = connection.execute(sql, key).fetchone()
    if row is None:
        connection.execute(
            'INSERT INTO jobs (application_id, job, since) VALUES (?, ?, ?)', (*key, now))
        row = connection.execute(sql, key).fetchone()
    return Job(*row)


def ids_of(
    connection: sqlite3.Connection, application_ids: Collection[str],
) -> dict[tuple[str, str], int]:
    """Of all jobs of these application ids, some hundred at most."""
    return {(name, job): job_id for name, job, job_id in connection.execute(
        'SELECT application_id, job, id FROM jobs '
        f'WHERE application_id IN ({", ".join("?" * len(application_ids))})',
        tuple(application_ids))}


def requested_by(connection: sqlite3.Connection, run: Run) -> str | None:
    """Who asked for the run by hand ('' for somebody); None if nobody did."""
    row = connection.execute(
        'SELECT asked_by FROM requests WHERE application_id = ? AND job = ? AND scheduled = ?',
        (run.application_id, run.job, run.scheduled)).fetchone()
    return None if row is None else row[0]


def note_newest(connection: sqlite3.Connection, job: Job, scheduled: int) -> None:
    if job.newest is None or job.newest < scheduled:
        connection.execute('UPDATE jobs SET newest = ? WHERE id = ?', (scheduled, job.id))
