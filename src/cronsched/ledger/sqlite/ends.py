"""How runs end, as SQL inside one transaction that writes.

The view says so (`finish`), the sender (`record`), or nobody, and then the
process is looked for (`settle`). The first end wins.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from cronsched.ledger.process import Process
from cronsched.ledger.protocol import Claim, Run


@dataclass(frozen=True, slots=True)
class End:
    """What a sender says of a run; see `Ledger.record`."""

    run: Run
    outcome: str
    at: float
    attempt: int
    until: int | None
    count: int
    status: int | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class Job:
    """The row of a job, as far as claims need it."""

    id: int
    newest: int | None
    last_started: int | None
    last_ok: int | None


def job_of(connection: sqlite3.Connection, run: Run, now: float) -> Job:
    """The job's row, made if it is new."""
    key = run.application_id, run.job
    sql = ('SELECT id, newest, last_started, last_ok FROM jobs '
           'WHERE application_id = ? AND job = ?')
    row = connection.execute(sql, key).fetchone()
    if row is None:
        connection.execute(
            'INSERT INTO jobs (application_id, job, since) VALUES (?, ?, ?)', (*key, now))
        row = connection.execute(sql, key).fetchone()
    return Job(*row)


def is_requested(connection: sqlite3.Connection, run: Run) -> bool:
    """Whether somebody asked for the run by hand."""
    return connection.execute(
        'SELECT 1 FROM requests WHERE application_id = ? AND job = ? AND scheduled = ?',
        (run.application_id, run.job, run.scheduled),
    ).fetchone() is not None


def note_newest(connection: sqlite3.Connection, job: Job, scheduled: int) -> None:
    if job.newest is None or job.newest < scheduled:
        connection.execute('UPDATE jobs SET newest = ? WHERE id = ?', (scheduled, job.id))


def finish(
    connection: sqlite3.Connection, granted: Claim, outcome: str, took: float,
    detail: str | None,
) -> None:
    job = job_of(connection, granted.run, 0.0)
    key = job.id, granted.run.scheduled, granted.attempt
    connection.execute(
        'DELETE FROM executions WHERE job_id = ? AND scheduled = ? AND attempt = ?', key)
    first = connection.execute(
        "UPDATE runs SET state = ?, ended = started + ?, detail = ? WHERE job_id = ? "
        "AND scheduled = ? AND attempt = ? AND state = 'running'",
        (outcome, took, detail, *key)).rowcount
    if not first:
        _note_late_end(connection, key, f'ended later: {outcome} after {took:.1f} s')
    elif outcome == 'ok' and (job.last_ok is None or job.last_ok < granted.run.scheduled):
        connection.execute(
            'UPDATE jobs SET last_ok = ? WHERE id = ?', (granted.run.scheduled, job.id))


def _note_late_end(
    connection: sqlite3.Connection, key: tuple[int, int, int], note: str,
) -> None:
    """The sender gave up before: its outcome stays, the truth is added."""
    connection.execute(
        "UPDATE runs SET detail = ifnull(detail || '; ', '') || ? "
        "WHERE job_id = ? AND scheduled = ? AND attempt = ? AND state IN ('timed_out', 'lost')",
        (note, *key))


def record(connection: sqlite3.Connection, said: End) -> None:
    run, job = said.run, job_of(connection, said.run, said.at)
    requested = is_requested(connection, run)
    inserted = connection.execute(
        'INSERT INTO runs (job_id, scheduled, state, attempt, ended, until, count, status, '
        'detail, requested) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
        (job.id, run.scheduled, said.outcome, said.attempt, said.at, said.until, said.count,
         said.status, said.detail, requested)).rowcount
    if not requested:
        note_newest(connection, job, said.until or run.scheduled)
    if not inserted:
        _record_again(connection, job, said)


def _record_again(connection: sqlite3.Connection, job: Job, said: End) -> None:
    """What the sender says of a run that has a row."""
    settle(connection, said.at, job.id, said.run.scheduled, timeouts=False)
    if said.outcome == 'timed_out':
        end(connection, job, said.run.scheduled, 'timed_out', said.at, said.detail, said.attempt)
    # What only the sender knows is added to an end of which both agree.
    connection.execute(
        'UPDATE runs SET status = ? WHERE job_id = ? AND scheduled = ? AND state = ? '
        'AND attempt = ? AND status IS NULL',
        (said.status, job.id, said.run.scheduled, said.outcome, said.attempt))


def end(
    connection: sqlite3.Connection, job: Job, scheduled: int, state: str, at: float,
    detail: str | None = None, attempt: int | None = None,
) -> None:
    """End a run that is running, unless `attempt` is an earlier one."""
    connection.execute(
        "UPDATE runs SET state = ?, ended = ?, detail = ? WHERE job_id = ? AND scheduled = ? "
        "AND state = 'running' AND attempt <= ifnull(?, attempt)",
        (state, at, detail or None, job.id, scheduled, attempt))


def settle(
    connection: sqlite3.Connection, now: float, job_id: int | None = None,
    scheduled: int | None = None, *, timeouts: bool = True,
) -> list[Run]:
    """Record as lost what is running without a process, or past its timeout:
    of all jobs, of one, or one run. Returns those runs."""
    lost = []
    for row in connection.execute(
        'SELECT e.job_id, e.scheduled, host, place, pid, process_started, deadline, '
        'application_id, job FROM executions AS e JOIN jobs ON id = e.job_id '
        'WHERE e.job_id = ifnull(?, e.job_id) AND e.scheduled = ifnull(?, e.scheduled)',
        (job_id, scheduled),
    ).fetchall():
        process, deadline = Process(*row[2:6]), row[6]
        gone, late = process.is_gone(), timeouts and deadline < now
        if gone or (late and not process.is_here()):
            connection.execute(
                'DELETE FROM executions WHERE job_id = ? AND scheduled = ?', row[:2])
        detail = f'its process {process.pid} on {process.host} ended' if gone else 'no end in time'
        if (gone or late) and _lose(connection, row[:2], now, detail):
            lost.append(Run(row[7], row[8], row[1]))
    return lost


def _lose(
    connection: sqlite3.Connection, key: tuple[int, int], now: float, detail: str,
) -> bool:
    return connection.execute(
        "UPDATE runs SET state = 'lost', ended = ?, detail = ? "
        "WHERE job_id = ? AND scheduled = ? AND state = 'running'", (now, detail, *key),
    ).rowcount > 0
