"""What happens to a run, as SQL inside one transaction that writes.

A claim is one INSERT that the primary key lets through once; the rest of this
module is what it may find when it comes second. Each function gets the
connection of a `Store.write()` and reads or changes nothing outside of it.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Literal

from cronsched.ledger.process import Process
from cronsched.ledger.protocol import Claim, Run
from cronsched.ledger.rules import Known, again
from cronsched.ledger.sqlite.ends import Job, end, is_requested, job_of, note_newest, settle

# What the sender says of a timeout wins over what `recover` would, in seconds.
GRACE = 5.0

STARTED_BEFORE = (
    'SELECT max(scheduled) FROM runs WHERE job_id = ? AND scheduled < ? AND started IS NOT NULL')
OK_BEFORE = "SELECT max(scheduled) FROM runs WHERE job_id = ? AND scheduled < ? AND state = 'ok'"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a claim asks for; `Ledger.claim` says what the fields mean."""

    run: Run
    attempt: int
    timestamp: int | None
    retries: int
    overlap: str
    timeout: float
    now: float


def claim(connection: sqlite3.Connection, wish: Wish) -> Claim:
    run, job = wish.run, job_of(connection, wish.run, wish.now)
    if _is_missed(connection, job, run.scheduled):
        return Claim(run, 'duplicate', wish.attempt)
    requested = is_requested(connection, run)
    if not connection.execute(
        'INSERT INTO runs (job_id, scheduled, state, attempt, requested) VALUES (?, ?, ?, ?, ?) '
        'ON CONFLICT DO NOTHING', (job.id, run.scheduled, 'running', wish.attempt, requested),
    ).rowcount:
        return _claim_again(connection, job, wish)
    if not requested:
        note_newest(connection, job, run.scheduled)
    hindrance = _hindrance(connection, job, wish, requested)
    if hindrance is not None:
        verdict, why = hindrance
        end(connection, job, run.scheduled, verdict, wish.now, why)
        return Claim(run, verdict, wish.attempt)
    return _grant(connection, job, wish, wish.attempt)


def _claim_again(connection: sqlite3.Connection, job: Job, wish: Wish) -> Claim:
    """The claim of a run that has a row."""
    settle(connection, wish.now, job.id, wish.run.scheduled)
    state, attempt, stamp, executing = connection.execute(
        'SELECT state, attempt, stamp, EXISTS (SELECT 1 FROM executions AS e '
        'WHERE e.job_id = r.job_id AND e.scheduled = r.scheduled) '
        'FROM runs AS r WHERE job_id = ? AND scheduled = ?', (job.id, wish.run.scheduled),
    ).fetchone()
    verdict, attempt = again(
        Known(state, attempt, stamp, bool(executing)),
        attempt=wish.attempt, timestamp=wish.timestamp, retries=wish.retries,
    )
    if verdict != 'granted':
        return Claim(wish.run, verdict, attempt)
    hindrance = _hindrance(connection, job, wish, requested=False)
    if hindrance is not None:   # the run keeps the end it has
        return Claim(wish.run, hindrance[0], attempt)
    return _grant(connection, job, wish, attempt)


def _hindrance(
    connection: sqlite3.Connection, job: Job, wish: Wish, requested: bool,
) -> tuple[Literal['skipped_paused', 'skipped_overlap'], str] | None:
    """How the run is to be skipped, and why. Who asks for a run by hand knows
    that the job is paused, but not that it executes."""
    paused = connection.execute(
        'SELECT note FROM pauses WHERE job = ? AND (application_id = ? OR application_id IS NULL)',
        (wish.run.job, wish.run.application_id),
    ).fetchone()
    if paused and not requested:
        return 'skipped_paused', paused[0]
    if wish.overlap == 'skip' and _executing(connection, job, wish):
        settle(connection, wish.now, job.id)
        pid = _executing(connection, job, wish)
        if pid:
            return 'skipped_overlap', f'process {pid} executed another run'
    return None


def _executing(connection: sqlite3.Connection, job: Job, wish: Wish) -> int | None:
    """The process that executes another run of the job, as far as is known."""
    row = connection.execute(
        'SELECT pid FROM executions WHERE job_id = ? AND scheduled != ?',
        (job.id, wish.run.scheduled)).fetchone()
    return row and int(row[0])


def _grant(connection: sqlite3.Connection, job: Job, wish: Wish, attempt: int) -> Claim:
    process, run = Process.current(), wish.run
    connection.execute(
        'UPDATE runs SET state = ?, attempt = ?, stamp = ?, started = ?, ended = NULL, '
        'status = NULL, detail = NULL, host = ?, pid = ? WHERE job_id = ? AND scheduled = ?',
        ('running', attempt, wish.timestamp, wish.now, process.host, process.pid,
         job.id, run.scheduled))
    connection.execute(
        'INSERT INTO executions VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
        (job.id, run.scheduled, attempt, process.host, process.place, process.pid,
         process.started, wish.now + wish.timeout + GRACE))
    previous = _before(connection, job, run.scheduled, job.last_started, STARTED_BEFORE)
    last_ok = _before(connection, job, run.scheduled, job.last_ok, OK_BEFORE)
    if job.last_started is None or job.last_started < run.scheduled:
        connection.execute(
            'UPDATE jobs SET last_started = ? WHERE id = ?', (run.scheduled, job.id))
    return Claim(run, 'granted', attempt, previous, last_ok)


def _before(
    connection: sqlite3.Connection, job: Job, scheduled: int, latest: int | None, sql: str,
) -> int | None:
    """The latest scheduled time before `scheduled` that `sql` finds; `latest`
    is the latest of all, which outlives pruning."""
    if latest is None or latest < scheduled:
        return latest
    before: int | None = connection.execute(sql, (job.id, scheduled)).fetchone()[0]
    return before


def _is_missed(connection: sqlite3.Connection, job: Job, scheduled: int) -> bool:
    """Whether a row that stands for several missed runs covers this one."""
    return connection.execute(
        'SELECT 1 FROM runs WHERE job_id = ? AND until >= ? AND scheduled < ?',
        (job.id, scheduled, scheduled)).fetchone() is not None
