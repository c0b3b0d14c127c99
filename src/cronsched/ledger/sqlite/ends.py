"""How runs end, as SQL inside one transaction that writes.

The view says so (`finish`), the sender (`record`), or nobody, and then the
process is looked for (`settle`). The first end wins. A sender that gave up
ends nothing that executes.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

from cronsched.ledger.rules import backoff
from cronsched.ledger.sqlite import executions, members
from cronsched.ledger.sqlite.jobs import Job, job_of, note_newest, requested_by
from cronsched.ledger.sqlite.presence import Presence
from cronsched.ledger.sqlite.totals import count_end
from cronsched.ledger.values import Claim, Executing, Run

# An attempt that ends; the last column: something waits for it.
RUNNING = (
    'SELECT j.id, newest, last_started, last_ok, offset, state, r.started, gave_up, '
    'attempts_left, backoff, EXISTS (SELECT 1 FROM runs AS w INDEXED BY runs_due '
    'WHERE w.job_id = j.id AND w.next_attempt IS NOT NULL) '
    'FROM jobs AS j JOIN runs AS r ON r.job_id = j.id AND r.scheduled = ? AND r.attempt = ? '
    'LEFT JOIN executions AS e ON (e.job_id, e.scheduled, e.attempt) = '
    '(r.job_id, r.scheduled, r.attempt) WHERE j.application_id = ? AND j.job = ?')

Key = tuple[int, int]   # job id and scheduled time

# A record that was made so many seconds ahead of the clock was made while it
# was wrong: what it says never happened.
TRUSTED_AHEAD = 2.0

# What is repeated when it ends after its sender gave up, with attempts left.
UNCLAIMED = ('failed', 'timed_out', 'unreachable')
LATE = ('ok', 'failed', 'timed_out')


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
    retry_at: float | None = None
    attempts_left: int = 0


# -- by the view

def finish(
    connection: sqlite3.Connection, granted: Claim, outcome: str, took: float,
    detail: str | None,
) -> None:
    run = granted.run
    found = connection.execute(
        RUNNING, (run.scheduled, granted.attempt, run.application_id, run.job)).fetchone()
    if found is None:
        return   # of a later attempt, or forgotten
    job = Job(*found[:5])
    state, started, gave_up, left, pause, awaited = found[5:]
    key = job.id, run.scheduled
    connection.execute(
        'DELETE FROM executions WHERE job_id = ? AND scheduled = ? AND attempt = ?',
        (*key, granted.attempt))
    if awaited:
        executions.release(connection, job.id, (started or 0.0) + took)
    if state != 'running':
        return _note_late_end(connection, (*key, granted.attempt), _late(outcome, took))
    ended = started + took
    if gave_up is not None and left and outcome in LATE:
        _end_late(connection, key, ended, _late(outcome, took, detail))
        return count_end(connection, job, run.scheduled, 'timed_out', started, ended)
    connection.execute(
        'UPDATE runs SET state = ?, ended = ?, detail = ? WHERE job_id = ? AND scheduled = ?',
        (outcome, ended, detail, *key))
    if left and outcome in ('failed', 'timed_out'):
        _owe(connection, key, ended + backoff(pause or 1.0, granted.attempt))
    count_end(connection, job, run.scheduled, outcome, started, ended)
    if outcome == 'ok' and (job.last_ok is None or job.last_ok < run.scheduled):
        connection.execute('UPDATE jobs SET last_ok = ? WHERE id = ?', (run.scheduled, job.id))


def _owe(connection: sqlite3.Connection, key: Key, at: float) -> None:
    connection.execute(
        'UPDATE runs SET next_attempt = ? WHERE job_id = ? AND scheduled = ?', (at, *key))


def _late(outcome: str, took: float, detail: str | None = None) -> str:
    more = '' if detail is None else f': {detail}'
    return f'ended later: {outcome} after {took:.1f} s{more}'


def _end_late(connection: sqlite3.Connection, key: Key, ended: float, told: str) -> None:
    """Its sender gave up, and another attempt is owed: it may go now."""
    connection.execute(
        "UPDATE runs SET state = 'timed_out', ended = ?, "
        "detail = ifnull(detail || '; ', '') || ?, next_attempt = max(ifnull(next_attempt, 0), ?) "
        'WHERE job_id = ? AND scheduled = ?', (ended, told, ended, *key))


def _note_late_end(
    connection: sqlite3.Connection, key: tuple[int, int, int], note: str,
) -> None:
    """It was ended before, as nothing was heard of it: the truth is added."""
    connection.execute(
        "UPDATE runs SET detail = ifnull(detail || '; ', '') || ? "
        "WHERE job_id = ? AND scheduled = ? AND attempt = ? AND state IN ('timed_out', 'lost')",
        (note, *key))


# -- by the sender

def record(
    connection: sqlite3.Connection, presence: Presence, said: End, now: float,
) -> Executing | None:
    run, job = said.run, job_of(connection, said.run, said.at)
    key = job.id, run.scheduled
    if _insert(connection, job, said) or _correct(connection, job, said, now):
        count_end(connection, job, run.scheduled, said.outcome, None, None, said.count)
        return None
    settle(connection, presence, said.at, *key)
    # What only the sender knows is added to an end of which both agree.
    connection.execute(
        'UPDATE runs SET status = ifnull(status, ?), next_attempt = ?, '
        'attempts_left = min(attempts_left, ?) WHERE job_id = ? AND scheduled = ? '
        'AND state = ? AND attempt = ?',
        (said.status, said.retry_at, said.attempts_left, *key, said.outcome, said.attempt))
    if said.outcome in UNCLAIMED:
        _end_attempt(connection, key, said)
    if said.outcome != 'timed_out':
        return None
    return _give_up(connection, job, said)


def _insert(connection: sqlite3.Connection, job: Job, said: End) -> bool:
    asked_by = requested_by(connection, said.run)
    inserted = connection.execute(
        'INSERT INTO runs (job_id, scheduled, state, attempt, ended, until, count, status, '
        'detail, requested, asked_by, next_attempt, attempts_left) '
        'VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
        (job.id, said.run.scheduled, said.outcome, said.attempt, said.at, said.until, said.count,
         said.status, said.detail, asked_by is not None, asked_by or None, said.retry_at,
         said.attempts_left)).rowcount
    if asked_by is None:
        note_newest(connection, job, said.until or said.run.scheduled)
    return bool(inserted)


def _correct(connection: sqlite3.Connection, job: Job, said: End, now: float) -> bool:
    """What a clock that was ahead has recorded, and nobody executed, never
    happened."""
    return bool(connection.execute(
        'UPDATE runs SET state = ?, attempt = ?, ended = ?, until = ?, count = ?, status = ?, '
        'detail = ?, next_attempt = ?, attempts_left = ? WHERE job_id = ? AND scheduled = ? '
        "AND state != 'running' AND started IS NULL AND ended > ?",
        (said.outcome, said.attempt, said.at, said.until, said.count, said.status, said.detail,
         said.retry_at, said.attempts_left, job.id, said.run.scheduled, now + TRUSTED_AHEAD),
    ).rowcount)


def _end_attempt(connection: sqlite3.Connection, key: Key, said: End) -> None:
    """A further attempt, or a run that waited, that nobody claimed."""
    connection.execute(
        'UPDATE runs SET state = ?, attempt = ?, ended = ?, status = ?, detail = ?, '
        'next_attempt = ?, attempts_left = ? WHERE job_id = ? AND scheduled = ? '
        "AND next_attempt IS NOT NULL AND (state = 'queued' OR (attempt < ? "
        "AND state IN ('failed', 'timed_out', 'unreachable', 'lost')))",
        (said.outcome, said.attempt, said.at, said.status, said.detail, said.retry_at,
         said.attempts_left, *key, said.attempt))


def _give_up(connection: sqlite3.Connection, job: Job, said: End) -> Executing | None:
    """The sender waits no longer for what is executed still."""
    key = job.id, said.run.scheduled
    if not connection.execute(
        'UPDATE runs SET gave_up = ifnull(gave_up, ?), detail = ifnull(detail, ?), '
        'next_attempt = ?, attempts_left = min(attempts_left, ?) '
        "WHERE job_id = ? AND scheduled = ? AND state = 'running' AND attempt <= ?",
        (said.at, said.detail, said.retry_at, said.attempts_left, *key, said.attempt),
    ).rowcount:
        return None
    return next(iter(executions.executing(connection, *key)), None)


# -- by nobody

def settle(
    connection: sqlite3.Connection, presence: Presence, now: float,
    job_id: int | None = None, scheduled: int | None = None,
) -> list[Run]:
    """Record as lost what is running without a process: of all jobs, of one,
    or one run. Of a process that lives, a run past its deadline executes
    still. Returns those that were lost."""
    where = ' AND '.join(
        f'{name} = ?' for name, value in (('e.job_id', job_id), ('e.scheduled', scheduled))
        if value is not None) or '1'
    values = [value for value in (job_id, scheduled) if value is not None]
    lives: dict[int, bool | None] = {}   # each process is looked at once
    lost = []
    for found in connection.execute(
        'SELECT e.job_id, e.scheduled, e.member, e.deadline, e.backoff, application_id, job '
        f'FROM executions AS e JOIN jobs ON id = e.job_id WHERE {where}', values,
    ).fetchall():
        key, member, late = found[:2], found[2], found[3] < now
        if member not in lives:
            lives[member] = members.lives(connection, presence, member)
        if lives[member] is False or (late and lives[member] is None):
            detail = _why_lost(connection, member, lives[member])
            if _lose(connection, key, now, detail):
                lost.append(Run(found[5], found[6], found[1]))
        elif late:
            connection.execute(
                'UPDATE runs SET gave_up = ifnull(gave_up, ?), next_attempt = CASE '
                'WHEN attempts_left THEN ifnull(next_attempt, ?) END '
                'WHERE job_id = ? AND scheduled = ? AND gave_up IS NULL', (now, now, *key))
    return lost


def _why_lost(connection: sqlite3.Connection, member: int, lives: bool | None) -> str:
    found = members.process_of(connection, member)
    who = 'its process' if found is None else f'its process {found.pid} on {found.host}'
    return f'{who} ended' if lives is False else f'nothing was heard of {who} in time'


def _lose(connection: sqlite3.Connection, key: Key, now: float, detail: str) -> bool:
    connection.execute('DELETE FROM executions WHERE job_id = ? AND scheduled = ?', key)
    executions.release(connection, key[0], now)
    row: tuple[Any, ...] | None = connection.execute(
        'SELECT started, id, newest, last_started, last_ok, offset FROM runs '
        'JOIN jobs ON id = job_id '
        "WHERE job_id = ? AND scheduled = ? AND state = 'running'", key).fetchone()
    if row is None:
        return False
    connection.execute(
        "UPDATE runs SET state = 'lost', ended = ?, detail = ?, "
        'next_attempt = CASE WHEN attempts_left THEN ifnull(next_attempt, ?) END '
        'WHERE job_id = ? AND scheduled = ?', (now, detail, now, *key))
    count_end(connection, Job(*row[1:]), key[1], 'lost', row[0], now)
    return True


