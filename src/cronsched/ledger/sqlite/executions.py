"""Who executes what at this moment, and what is to be attempted next, as SQL
inside one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

from cronsched.ledger.rules import LONGEST_BACKOFF
from cronsched.ledger.sqlite.jobs import job_of
from cronsched.ledger.sqlite.totals import count_end
from cronsched.ledger.values import Claim, Due, Executing, Run

EXECUTING = (
    'SELECT application_id, job, e.scheduled, e.attempt, ifnull(r.started, 0), e.deadline, '
    'r.gave_up, m.host, m.pid, e.thread, e.member FROM executions AS e '
    'JOIN jobs ON jobs.id = e.job_id JOIN members AS m ON m.id = e.member '
    'LEFT JOIN runs AS r ON r.job_id = e.job_id AND r.scheduled = e.scheduled ')

DUE = (
    'SELECT application_id, job, r.scheduled, r.attempt, r.next_attempt, r.state, '
    "r.gave_up IS NOT NULL OR r.state = 'queued', "
    'EXISTS (SELECT 1 FROM executions AS e WHERE e.job_id = r.job_id) '
    'FROM runs AS r INDEXED BY runs_due JOIN jobs ON jobs.id = r.job_id '
    'WHERE next_attempt IS NOT NULL '
    # One that is further ahead than any back-off was said by a wrong clock.
    'AND (next_attempt <= ? OR next_attempt > ?) AND NOT EXISTS (SELECT 1 FROM executions AS e '
    'WHERE e.job_id = r.job_id AND e.scheduled = r.scheduled) ORDER BY r.scheduled')

AHEAD = 2 * LONGEST_BACKOFF   # seconds


def executes_any(connection: sqlite3.Connection) -> bool:
    return connection.execute('SELECT 1 FROM executions LIMIT 1').fetchone() is not None


def executing(
    connection: sqlite3.Connection, job_id: int, scheduled: int,
) -> list[Executing]:
    """The execution of one run."""
    return [_executing(*row) for row in connection.execute(
        f'{EXECUTING}WHERE e.job_id = ? AND e.scheduled = ?', (job_id, scheduled))]


def all_executing(
    connection: sqlite3.Connection, application_id: str | None,
) -> list[Executing]:
    where, values = ('', ()) if application_id is None else (
        'WHERE application_id = ? ', (application_id,))
    return [_executing(*row) for row in connection.execute(
        f'{EXECUTING}{where}ORDER BY r.started', values)]


def _executing(application_id: str, job: str, scheduled: int, *rest: object) -> Executing:
    return Executing(Run(application_id, job, scheduled), *rest)  # type: ignore[arg-type]


def release(connection: sqlite3.Connection, job_id: int, at: float) -> None:
    """An execution has ended: what waited for it is due since then."""
    connection.execute(
        'UPDATE runs INDEXED BY runs_due SET next_attempt = ? '
        'WHERE job_id = ? AND next_attempt < ?', (at, job_id, at))


def is_any_due(connection: sqlite3.Connection) -> bool:
    return connection.execute(
        'SELECT 1 FROM runs INDEXED BY runs_due WHERE next_attempt IS NOT NULL LIMIT 1',
    ).fetchone() is not None


def attempts_due(
    connection: sqlite3.Connection, application_ids: Collection[str], now: float,
) -> list[Due]:
    return [
        Due(Run(*row[:3]), row[3] + (row[5] != 'queued'), row[4], row[5], bool(row[6]),
            bool(row[7]))
        for row in connection.execute(DUE, (now, now + AHEAD))
        if row[0] in application_ids
    ]


def is_current(connection: sqlite3.Connection, claim: Claim) -> bool:
    run = claim.run
    return bool(connection.execute(
        'SELECT EXISTS (SELECT 1 FROM jobs AS j JOIN runs AS r ON r.job_id = j.id '
        'WHERE j.application_id = ? AND j.job = ? AND r.scheduled = ? AND r.fence = ? '
        "AND r.state = 'running')",
        (run.application_id, run.job, run.scheduled, claim.fence)).fetchone()[0])


def drop_attempt(connection: sqlite3.Connection, due: Due, now: float) -> None:
    job = job_of(connection, due.run, now)
    key = job.id, due.run.scheduled
    connection.execute(
        'UPDATE runs SET next_attempt = NULL, attempts_left = 0 '
        "WHERE job_id = ? AND scheduled = ? AND state NOT IN ('running', 'queued')", key)
    waited = connection.execute(
        "UPDATE runs SET next_attempt = NULL, attempts_left = 0, state = 'skipped_overlap', "
        "ended = ? WHERE job_id = ? AND scheduled = ? AND state = 'queued'", (now, *key)).rowcount
    if waited:
        count_end(connection, job, due.run.scheduled, 'skipped_overlap', None, None)
