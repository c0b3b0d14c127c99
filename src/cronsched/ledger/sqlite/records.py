"""What a ledger knows besides claims, as SQL inside one transaction: jobs,
history, pauses, requests."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from cronsched.ledger.protocol import Application, KnownJob, Plan, Row, Run
from cronsched.ledger.sqlite.ends import is_requested

REQUEST_LIFETIME = 600.0   # seconds

ROW = ('SELECT application_id, job, scheduled, state, attempt, started, ended, until, count, '
       'status, detail, host, pid, requested FROM runs JOIN jobs ON jobs.id = runs.job_id ')

# Application id, job, since, until. A missed row may begin before `since`.
WANTED = (
    'application_id = ?',
    'job = ?',
    'scheduled >= min(?, ifnull((SELECT min(scheduled) FROM runs WHERE until >= ?), ?)) '
    'AND ifnull(until, scheduled) >= ?',
    'scheduled <= ?',
)


def plans_of(jobs: Iterable[str]) -> dict[str, Plan | None]:
    if isinstance(jobs, Mapping):
        return dict(jobs)
    return dict.fromkeys(jobs)


def see(
    connection: sqlite3.Connection, application_id: str, base_url: str,
    plans: Mapping[str, Plan | None], at: float,
) -> None:
    connection.execute(
        'INSERT INTO applications VALUES (?, ?, ?) ON CONFLICT (application_id) '
        'DO UPDATE SET base_url = excluded.base_url, seen = excluded.seen',
        (application_id, base_url, at))
    for name, plan in plans.items():
        expression, timezone, seed = _texts(plan)
        connection.execute(
            'INSERT INTO jobs (application_id, job, since, expression, timezone, seed) '
            'VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (application_id, job) DO UPDATE SET '
            'expression = excluded.expression, timezone = excluded.timezone, '
            'seed = excluded.seed WHERE excluded.expression IS NOT NULL AND '
            '(expression, timezone, seed) IS NOT '
            '(excluded.expression, excluded.timezone, excluded.seed)',
            (application_id, name, at, expression, timezone, seed))


def _texts(plan: Plan | None) -> tuple[str | None, str | None, str | None]:
    return (None, None, None) if plan is None else (plan.expression, plan.timezone, plan.seed)


def applications(connection: sqlite3.Connection) -> list[Application]:
    return [Application(*row) for row in connection.execute(
        'SELECT application_id, base_url, seen FROM applications ORDER BY application_id')]


def jobs(connection: sqlite3.Connection, application_id: str | None) -> list[KnownJob]:
    return [
        KnownJob(owner, name, since, newest, last, Plan(*plan) if plan[0] is not None else None)
        for owner, name, since, newest, last, *plan in connection.execute(
            'SELECT application_id, job, since, newest, last_ok, expression, timezone, seed '
            'FROM jobs WHERE ? IS NULL OR application_id = ? ORDER BY application_id, job',
            (application_id, application_id))
    ]


def job_ids(connection: sqlite3.Connection) -> list[int]:
    return [row[0] for row in connection.execute('SELECT id FROM jobs')]


def executes_any(connection: sqlite3.Connection) -> bool:
    return connection.execute('SELECT 1 FROM executions LIMIT 1').fetchone() is not None


def history(
    connection: sqlite3.Connection, wanted: tuple[Any, ...], order: str, limit: int,
) -> list[Row]:
    """`wanted` are application id, job, since and until; None is any."""
    chosen = [(text, value) for text, value in zip(WANTED, wanted, strict=True)
              if value is not None]
    where = ' AND '.join(text for text, _ in chosen) or '1'
    values = [value for text, value in chosen for _ in range(text.count('?'))]
    rows = connection.execute(
        f'{ROW}WHERE {where} ORDER BY scheduled {order}, job_id LIMIT ?', (*values, limit))
    return [_row(row) for row in rows]


def find(connection: sqlite3.Connection, run: Run) -> Row | None:
    row = connection.execute(
        f'{ROW}WHERE application_id = ? AND job = ? AND scheduled <= ? '
        'AND ifnull(until, scheduled) >= ? ORDER BY scheduled DESC LIMIT 1',
        (run.application_id, run.job, run.scheduled, run.scheduled)).fetchone()
    return None if row is None else _row(row)


def _row(row: tuple[Any, ...]) -> Row:
    (application_id, job, scheduled, state, attempt, started, ended, until, count, status,
     detail, host, pid, requested) = row
    return Row(
        Run(application_id, job, scheduled), state, attempt, started, ended, until, count, status,
        detail, host, pid, bool(requested))


def pause(
    connection: sqlite3.Connection, application_id: str | None, job: str, note: str, at: float,
) -> None:
    resume(connection, application_id, job)
    connection.execute('INSERT INTO pauses VALUES (?, ?, ?, ?)', (application_id, job, note, at))


def resume(connection: sqlite3.Connection, application_id: str | None, job: str) -> None:
    connection.execute(
        'DELETE FROM pauses WHERE application_id IS ? AND job = ?', (application_id, job))


def paused(connection: sqlite3.Connection) -> dict[tuple[str | None, str], str]:
    return {(row[0], row[1]): row[2] for row in connection.execute(
        'SELECT application_id, job, note FROM pauses')}


def request_run(
    connection: sqlite3.Connection, application_id: str, job: str, scheduled: int,
) -> Run:
    run = Run(application_id, job, scheduled)
    while find(connection, run) or is_requested(connection, run):
        run = Run(application_id, job, run.scheduled + 1)
    connection.execute(
        'INSERT INTO requests (application_id, job, scheduled) VALUES (?, ?, ?)',
        (application_id, job, run.scheduled))
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


def prune(connection: sqlite3.Connection, job_id: int, before: float, most: int) -> int:
    return connection.execute(
        'DELETE FROM runs WHERE job_id = ? AND scheduled IN (SELECT scheduled FROM runs '
        'WHERE job_id = ? AND scheduled < ? AND ended < ? LIMIT ?)',
        (job_id, job_id, before, before, most)).rowcount
