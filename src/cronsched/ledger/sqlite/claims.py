"""What happens to a run, as SQL inside one transaction that writes.

A claim is one INSERT that the primary key lets through once; the rest of this
module is what it may find when it comes second. What hinders it is said in
`hindrances`. Each function gets the connection of a `Store.write()` and reads
or changes nothing outside of it.
"""

from __future__ import annotations

import sqlite3
import threading

from cronsched.ledger.process import Process
from cronsched.ledger.rules import Known, again
from cronsched.ledger.sqlite.ends import TRUSTED_AHEAD, settle
from cronsched.ledger.sqlite.hindrances import hinder, hindrance_of, refuse_again
from cronsched.ledger.sqlite.jobs import Job, job_of, requested_by
from cronsched.ledger.sqlite.presence import Presence
from cronsched.ledger.sqlite.wish import Wish
from cronsched.ledger.values import Claim

# What the sender says of a timeout wins over what `settle` would, in seconds.
GRACE = 5.0

STARTED_BEFORE = (
    'SELECT max(scheduled) FROM runs WHERE job_id = ? AND scheduled < ? AND started IS NOT NULL')
OK_BEFORE = "SELECT max(scheduled) FROM runs WHERE job_id = ? AND scheduled < ? AND state = 'ok'"

GRANTED = (
    'INSERT INTO runs (job_id, scheduled, state, attempt, stamp, epoch, started, attempts_left, '
    'host, pid, member, requested, asked_by, fence) '
    "VALUES (?, ?, 'running', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING")
GRANTED_AGAIN = (
    "UPDATE runs SET state = 'running', attempt = ?, stamp = ?, epoch = ?, started = ?, "
    'attempts_left = ?, host = ?, pid = ?, member = ?, fence = ?, ended = NULL, status = NULL, '
    'detail = NULL, gave_up = NULL, next_attempt = NULL, until = NULL, count = 1 '
    'WHERE job_id = ? AND scheduled = ?')

SITUATION = (
    'SELECT id, newest, last_started, last_ok, offset, fence, '
    '(SELECT asked_by FROM requests WHERE application_id = ? AND job = ? AND scheduled = ?), '
    '(SELECT note FROM pauses WHERE job = ? AND (application_id = ? OR application_id IS NULL)), '
    'EXISTS (SELECT 1 FROM runs INDEXED BY runs_missed '
    'WHERE job_id = jobs.id AND until >= ? AND scheduled < ? AND ended <= ?) '
    'AND NOT EXISTS (SELECT 1 FROM runs WHERE job_id = jobs.id AND scheduled = ?), '
    'EXISTS (SELECT 1 FROM executions WHERE job_id = jobs.id AND scheduled != ?) '
    'FROM jobs WHERE application_id = ? AND job = ?')


def claim(connection: sqlite3.Connection, presence: Presence, wish: Wish) -> Claim:
    run = wish.run
    job, asked_by, note, missed, executing = _situation(connection, wish)
    if missed:
        return Claim(run, 'duplicate', wish.attempt)
    process, requested = Process.current(), asked_by is not None
    timestamp, epoch = wish.columns()
    if not connection.execute(GRANTED, (
        job.id, run.scheduled, wish.attempt, timestamp, epoch, wish.now, wish.left(wish.attempt),
        process.host, process.pid, wish.member, requested, asked_by or None, job.fence + 1,
    )).rowcount:
        return _claim_again(connection, presence, job, wish)
    if executing or note is not None:
        hindrance = hindrance_of(connection, presence, job, wish, requested)
        if hindrance is not None:
            hinder(connection, job, wish, *hindrance)
            _note_newest(connection, job, run.scheduled, requested)
            return Claim(run, hindrance[0], wish.attempt)
    return _execute(connection, job, wish, wish.attempt, requested)


def _situation(
    connection: sqlite3.Connection, wish: Wish,
) -> tuple[Job, str | None, str | None, bool, bool]:
    """All that a claim has to know, in one question: the job, who asked for
    the run by hand, the note of a pause, whether it is within those missed
    and has no row of its own, and whether another run of the job executes."""
    run = wish.run
    names = run.application_id, run.job
    values = (*names, run.scheduled, run.job, run.application_id, run.scheduled, run.scheduled,
              wish.now + TRUSTED_AHEAD, run.scheduled, run.scheduled, *names)
    row = connection.execute(SITUATION, values).fetchone()
    if row is None:
        job_of(connection, run, wish.now)   # it is new
        row = connection.execute(SITUATION, values).fetchone()
    return Job(*row[:6]), row[6], row[7], bool(row[8]), bool(row[9])


def _claim_again(
    connection: sqlite3.Connection, presence: Presence, job: Job, wish: Wish,
) -> Claim:
    """The claim of a run that has a row."""
    key = job.id, wish.run.scheduled
    settle(connection, presence, wish.now, *key)
    state, attempt, timestamp, epoch, started, ended, executing = connection.execute(
        'SELECT state, attempt, stamp, epoch, started, ended, EXISTS (SELECT 1 FROM executions '
        'AS e WHERE e.job_id = r.job_id AND e.scheduled = r.scheduled) '
        'FROM runs AS r WHERE job_id = ? AND scheduled = ?', key).fetchone()
    if state == 'queued' or _was_recorded_ahead(state, started, ended, wish.now):
        granted = max(attempt, wish.attempt) if state == 'queued' else wish.attempt
        return _grant_again(connection, presence, job, wish, granted)
    known = Known(
        state, attempt, None if timestamp is None else (epoch, timestamp), bool(executing))
    verdict, attempt = again(
        known, attempt=wish.attempt, stamp=wish.stamp, retries=wish.retries)
    if verdict == 'granted':
        return _grant_again(connection, presence, job, wish, attempt)
    if verdict == 'executing':
        _owe(connection, key, wish.now)
    return Claim(wish.run, verdict, attempt)


def _was_recorded_ahead(
    state: str, started: float | None, ended: float | None, now: float,
) -> bool:
    """What was never executed, by a clock that was ahead."""
    return (state != 'running' and started is None and ended is not None
            and ended > now + TRUSTED_AHEAD)


def _owe(connection: sqlite3.Connection, key: tuple[int, int], now: float) -> None:
    """Who asks for the next attempt has given up on the last: it is made when
    that has ended."""
    connection.execute(
        'UPDATE runs SET gave_up = ifnull(gave_up, ?), next_attempt = ifnull(next_attempt, ?) '
        "WHERE job_id = ? AND scheduled = ? AND state = 'running'", (now, now, *key))


def _grant_again(
    connection: sqlite3.Connection, presence: Presence, job: Job, wish: Wish, attempt: int,
) -> Claim:
    requested = requested_by(connection, wish.run) is not None
    hindrance = hindrance_of(connection, presence, job, wish, requested)
    if hindrance is not None:
        return refuse_again(connection, job, wish, *hindrance)
    timestamp, epoch = wish.columns()
    process = Process.current()
    connection.execute(GRANTED_AGAIN, (
        attempt, timestamp, epoch, wish.now, wish.left(attempt), process.host, process.pid,
        wish.member, job.fence + 1, job.id, wish.run.scheduled))
    return _execute(connection, job, wish, attempt, requested)


def _execute(
    connection: sqlite3.Connection, job: Job, wish: Wish, attempt: int, requested: bool,
) -> Claim:
    """The row of the run says already that it is granted."""
    run, thread = wish.run, threading.current_thread()
    connection.execute(
        'INSERT INTO executions VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
        (job.id, run.scheduled, attempt, wish.member, f'{thread.name} ({thread.native_id})',
         wish.now + wish.timeout + GRACE, wish.retries, wish.backoff))
    previous = _before(connection, job, run.scheduled, job.last_started, STARTED_BEFORE)
    last_ok = _before(connection, job, run.scheduled, job.last_ok, OK_BEFORE)
    newest = job.newest if requested else max(job.newest or 0, run.scheduled)
    started = max(job.last_started or 0, run.scheduled)
    fence = job.fence + 1
    connection.execute(
        'UPDATE jobs SET newest = ?, last_started = ?, fence = ? WHERE id = ?',
        (newest, started, fence, job.id))
    return Claim(run, 'granted', attempt, previous, last_ok, job.offset, fence)


def _note_newest(
    connection: sqlite3.Connection, job: Job, scheduled: int, requested: bool,
) -> None:
    if not requested and (job.newest is None or job.newest < scheduled):
        connection.execute('UPDATE jobs SET newest = ? WHERE id = ?', (scheduled, job.id))


def _before(
    connection: sqlite3.Connection, job: Job, scheduled: int, latest: int | None, sql: str,
) -> int | None:
    """The latest scheduled time before `scheduled` that `sql` finds; `latest`
    is the latest of all, which outlives pruning."""
    if latest is None or latest < scheduled:
        return latest
    before: int | None = connection.execute(sql, (job.id, scheduled)).fetchone()[0]
    return before
