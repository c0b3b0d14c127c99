"""What a ledger knows besides runs, as SQL inside one transaction: jobs,
application ids, pauses, requests."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from cronsched.ledger.known import (
    Application,
    Declared,
    KnownJob,
    Pause,
    Plan,
    Seen,
    known_plan,
)
from cronsched.ledger.sqlite.declarations import Numbers, said_of
from cronsched.ledger.sqlite.history import find
from cronsched.ledger.sqlite.jobs import requested_by
from cronsched.ledger.values import Run

REQUEST_LIFETIME = 600.0   # seconds

KNOWN = ('application_id, job, since, newest, last_ok, expression, timezone, seed, planned, '
         'declared, offset, options, place, words')

DECLARE = (
    'INSERT INTO jobs (application_id, job, since, planned, declaration, offset) '
    'VALUES (?, ?, ?, ?, ?, ?) '
    'ON CONFLICT (application_id, job) DO UPDATE SET declared = 1, '
    # Of a plan that was not known before, nothing says that it changed.
    'planned = CASE WHEN jobs.declaration IS NULL OR EXISTS (SELECT 1 FROM declarations AS old '
    'JOIN declarations AS new ON (old.expression, old.timezone, old.seed) '
    'IS (new.expression, new.timezone, new.seed) WHERE old.id = jobs.declaration '
    'AND new.id = excluded.declaration) THEN jobs.planned ELSE excluded.planned END, '
    'declaration = excluded.declaration, offset = excluded.offset '
    'WHERE (jobs.declared, jobs.declaration, jobs.offset) '
    'IS NOT (1, excluded.declaration, excluded.offset)')
NAME = (
    'INSERT INTO jobs (application_id, job, since) VALUES (?, ?, ?) '
    'ON CONFLICT (application_id, job) DO UPDATE SET declared = 1 WHERE NOT jobs.declared')
ADDRESS = (
    'INSERT INTO applications (application_id, base_url, seen) VALUES (?, ?, ?) '
    'ON CONFLICT (application_id) DO UPDATE SET base_url = excluded.base_url, '
    'seen = excluded.seen')


def see(connection: sqlite3.Connection, seen: Iterable[Seen]) -> None:
    numbers = Numbers(connection)
    for each in seen:
        connection.execute(ADDRESS, (each.application_id, each.base_url, each.at))
        if each.jobs is not None:
            _declare(connection, numbers, each.application_id, each.jobs, each.at)
            _forget_others(connection, each.application_id, each.jobs)


def _declare(
    connection: sqlite3.Connection, numbers: Numbers, application_id: str,
    jobs: Mapping[str, Plan | Declared | None], at: float,
) -> None:
    for name, said in jobs.items():
        declared = Declared(said) if isinstance(said, Plan) else said
        if declared is None or declared.plan is None:
            connection.execute(NAME, (application_id, name, at))
        else:
            connection.execute(DECLARE, (
                application_id, name, at, at, numbers[said_of(declared)], declared.offset))


def _forget_others(
    connection: sqlite3.Connection, application_id: str, told: Collection[str],
) -> None:
    """Jobs that are no longer in the code."""
    known = connection.execute(
        'SELECT job FROM jobs WHERE application_id = ? AND declared', (application_id,)).fetchall()
    connection.executemany(
        'UPDATE jobs SET declared = 0 WHERE application_id = ? AND job = ?',
        [(application_id, job) for (job,) in known if job not in told])


def applications(connection: sqlite3.Connection) -> list[Application]:
    return [Application(*row) for row in connection.execute(
        'SELECT application_id, base_url, seen FROM applications ORDER BY application_id')]


def jobs(connection: sqlite3.Connection, application_id: str | None) -> list[KnownJob]:
    where, values = ('', ()) if application_id is None else (
        'WHERE application_id = ? ', (application_id,))
    return [known_job(row) for row in connection.execute(
        f'SELECT {KNOWN} FROM known_jobs {where}ORDER BY application_id, job', values)]


def known_job(row: tuple[Any, ...]) -> KnownJob:
    """From the columns KNOWN."""
    return KnownJob._make(
        (*row[:5], known_plan(*row[5:8]), row[8], bool(row[9]), *row[10:]))


def job_ids(connection: sqlite3.Connection) -> list[int]:
    return [row[0] for row in connection.execute('SELECT id FROM jobs')]


# -- what people ask for

def pause(connection: sqlite3.Connection, paused: Pause) -> None:
    resume(connection, paused.application_id, paused.job)
    connection.execute(
        'INSERT INTO pauses (application_id, job, note, at, asked_by) VALUES (?, ?, ?, ?, ?)',
        (paused.application_id, paused.job, paused.note, paused.at, paused.by))


def resume(connection: sqlite3.Connection, application_id: str | None, job: str) -> None:
    connection.execute(
        'DELETE FROM pauses WHERE application_id IS ? AND job = ?', (application_id, job))


def pauses(connection: sqlite3.Connection) -> list[Pause]:
    return [Pause(*row) for row in connection.execute(
        'SELECT application_id, job, note, at, asked_by FROM pauses ORDER BY job, application_id')]


def request_run(connection: sqlite3.Connection, run: Run, by: str) -> Run:
    while find(connection, run) or requested_by(connection, run) is not None:
        run = Run(run.application_id, run.job, run.scheduled + 1)
    connection.execute(
        'INSERT INTO requests (application_id, job, scheduled, asked_by) VALUES (?, ?, ?, ?)',
        (run.application_id, run.job, run.scheduled, by))
    return run


def wants_any(connection: sqlite3.Connection) -> bool:
    return connection.execute('SELECT 1 FROM requests LIMIT 1').fetchone() is not None


def take_requests(
    connection: sqlite3.Connection, application_ids: Collection[str], now: float,
) -> list[Run]:
    # What was taken stays until then, as the claim asks whether it was wanted.
    connection.execute('DELETE FROM requests WHERE scheduled < ?', (now - REQUEST_LIFETIME,))
    wanted = [Run(*row) for row in connection.execute(
        'SELECT application_id, job, scheduled FROM requests WHERE NOT taken ORDER BY scheduled')]
    taken = [run for run in wanted if run.application_id in application_ids]
    connection.executemany(
        'UPDATE requests SET taken = 1 WHERE application_id = ? AND job = ? AND scheduled = ?',
        [(run.application_id, run.job, run.scheduled) for run in taken])
    return taken
