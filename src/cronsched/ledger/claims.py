"""What happens to a run, as SQL inside one transaction that writes.

A claim is one INSERT that the primary key lets through once; the rest of this
module is what it may find when it comes second. Each function gets the
connection of a `Store.write()` and reads or changes nothing outside of it.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Literal

from cronsched.ledger.base import Claim, Run
from cronsched.ledger.process import Process
from cronsched.ledger.rules import Known, again

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
        _note_newest(connection, job, run.scheduled)
    hindrance = _hindrance(connection, job, wish, requested)
    if hindrance is not None:
        _end(connection, job, run.scheduled, hindrance, wish.now)
        return Claim(run, hindrance, wish.attempt)
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
        return Claim(wish.run, hindrance, attempt)
    return _grant(connection, job, wish, attempt)


def _hindrance(
    connection: sqlite3.Connection, job: Job, wish: Wish, requested: bool,
) -> Literal['skipped_paused', 'skipped_overlap'] | None:
    """Why the run is to be skipped. Who asks for a run by hand knows that the
    job is paused, but not that it executes."""
    if not requested and connection.execute(
        'SELECT 1 FROM pauses WHERE job = ? AND (application_id = ? OR application_id IS NULL)',
        (wish.run.job, wish.run.application_id),
    ).fetchone():
        return 'skipped_paused'
    if wish.overlap == 'skip' and _executes(connection, job, wish):
        settle(connection, wish.now, job.id)
        if _executes(connection, job, wish):
            return 'skipped_overlap'
    return None


def _executes(connection: sqlite3.Connection, job: Job, wish: Wish) -> bool:
    """Whether another run of the job is in execution, as far as is known."""
    return connection.execute(
        'SELECT 1 FROM executions WHERE job_id = ? AND scheduled != ?',
        (job.id, wish.run.scheduled),
    ).fetchone() is not None


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
    row = connection.execute(
        'SELECT until FROM runs WHERE job_id = ? AND scheduled < ? '
        'ORDER BY scheduled DESC LIMIT 1', (job.id, scheduled)).fetchone()
    return row is not None and row[0] is not None and row[0] >= scheduled


def is_requested(connection: sqlite3.Connection, run: Run) -> bool:
    """Whether somebody asked for the run by hand."""
    return connection.execute(
        'SELECT 1 FROM requests WHERE application_id = ? AND job = ? AND scheduled = ?',
        (run.application_id, run.job, run.scheduled),
    ).fetchone() is not None


def _note_newest(connection: sqlite3.Connection, job: Job, scheduled: int) -> None:
    if job.newest is None or job.newest < scheduled:
        connection.execute('UPDATE jobs SET newest = ? WHERE id = ?', (scheduled, job.id))


def finish(
    connection: sqlite3.Connection, granted: Claim, outcome: str, ended: float,
    detail: str | None,
) -> None:
    job = job_of(connection, granted.run, ended)
    key = job.id, granted.run.scheduled, granted.attempt
    connection.execute(
        'DELETE FROM executions WHERE job_id = ? AND scheduled = ? AND attempt = ?', key)
    first = connection.execute(
        "UPDATE runs SET state = ?, ended = ?, detail = ? WHERE job_id = ? AND scheduled = ? "
        "AND attempt = ? AND state = 'running'", (outcome, ended, detail, *key)).rowcount
    if not first:
        _note_late_end(connection, key, outcome, ended)
    elif outcome == 'ok' and (job.last_ok is None or job.last_ok < granted.run.scheduled):
        connection.execute(
            'UPDATE jobs SET last_ok = ? WHERE id = ?', (granted.run.scheduled, job.id))


def _note_late_end(
    connection: sqlite3.Connection, key: tuple[int, int, int], outcome: str, ended: float,
) -> None:
    """The sender gave up before: its outcome stays, the truth is added."""
    connection.execute(
        "UPDATE runs SET detail = trim(ifnull(detail, '') || '; ended later: ' || ? || "
        "printf(' after %.1f s', ? - started), '; ') "
        "WHERE job_id = ? AND scheduled = ? AND attempt = ? AND state IN ('timed_out', 'lost')",
        (outcome, ended, *key))


def record(connection: sqlite3.Connection, end: End) -> None:
    run, job = end.run, job_of(connection, end.run, end.at)
    requested = is_requested(connection, run)
    inserted = connection.execute(
        'INSERT INTO runs (job_id, scheduled, state, attempt, ended, until, count, status, '
        'detail, requested) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
        (job.id, run.scheduled, end.outcome, end.attempt, end.at, end.until, end.count,
         end.status, end.detail, requested)).rowcount
    if not requested:
        _note_newest(connection, job, end.until or run.scheduled)
    if not inserted:
        _record_again(connection, job, end)


def _record_again(connection: sqlite3.Connection, job: Job, end: End) -> None:
    """What the sender says of a run that has a row."""
    settle(connection, end.at, job.id, end.run.scheduled, timeouts=False)
    if end.outcome == 'timed_out':
        _end(connection, job, end.run.scheduled, 'timed_out', end.at, end.detail, end.attempt)
    # What only the sender knows is added to an end of which both agree.
    connection.execute(
        'UPDATE runs SET status = ? WHERE job_id = ? AND scheduled = ? AND state = ? '
        'AND attempt = ? AND status IS NULL',
        (end.status, job.id, end.run.scheduled, end.outcome, end.attempt))


def _end(
    connection: sqlite3.Connection, job: Job, scheduled: int, state: str, at: float,
    detail: str | None = None, attempt: int | None = None,
) -> None:
    """End a run that is running, if `attempt` is not of an earlier one."""
    connection.execute(
        "UPDATE runs SET state = ?, ended = ?, detail = ? WHERE job_id = ? AND scheduled = ? "
        "AND state = 'running' AND attempt <= ifnull(?, attempt)",
        (state, at, detail, job.id, scheduled, attempt))


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
