"""What hinders a run: its job is paused, or another run of the job executes.

Example::

    hindrance = hindrance_of(connection, presence, job, wish, requested)
    if hindrance is not None:
        hinder(connection, job, wish, *hindrance)     # its row was made to be granted

Each function gets the connection of a `Store.write()`, as those of `claims`.
"""

from __future__ import annotations

import sqlite3
from typing import Literal

from cronsched.ledger.sqlite.ends import settle
from cronsched.ledger.sqlite.jobs import Job
from cronsched.ledger.sqlite.presence import Presence
from cronsched.ledger.sqlite.totals import count_end
from cronsched.ledger.sqlite.wish import Wish
from cronsched.ledger.values import Claim

__all__ = ['Hindrance', 'hinder', 'hindrance_of', 'refuse_again']

Hindrance = Literal['skipped_paused', 'skipped_overlap', 'queued']


def hindrance_of(
    connection: sqlite3.Connection, presence: Presence, job: Job, wish: Wish, requested: bool,
) -> tuple[Hindrance, str] | None:
    """Why the run is not executed now. Who asks for a run by hand knows that
    the job is paused, but not that it executes."""
    paused = connection.execute(
        'SELECT note FROM pauses WHERE job = ? AND (application_id = ? OR application_id IS NULL)',
        (wish.run.job, wish.run.application_id),
    ).fetchone()
    if paused and not requested:
        return 'skipped_paused', paused[0]
    if wish.overlap == 'allow' or not _executing(connection, job, wish):
        return None
    settle(connection, presence, wish.now, job.id)
    why = _executing(connection, job, wish)
    if not why:
        return None
    if wish.overlap == 'queue' and not _waits_another(connection, job, wish):
        return 'queued', why
    return 'skipped_overlap', why


def hinder(
    connection: sqlite3.Connection, job: Job, wish: Wish, verdict: Hindrance, why: str,
) -> None:
    """Of a row that was just made to be granted: it is not executed."""
    waits = verdict == 'queued'
    connection.execute(
        'UPDATE runs SET state = ?, detail = ?, ended = ?, next_attempt = ?, attempts_left = ?, '
        'started = NULL, host = NULL, pid = NULL, member = NULL '
        'WHERE job_id = ? AND scheduled = ?',
        (verdict, why or None, None if waits else wish.now, wish.now if waits else None,
         wish.left(wish.attempt) if waits else 0, job.id, wish.run.scheduled))
    if not waits:
        count_end(connection, job, wish.run.scheduled, verdict, None, None)


def refuse_again(
    connection: sqlite3.Connection, job: Job, wish: Wish, verdict: Hindrance, why: str,
) -> Claim:
    """A further attempt that is hindered: the run keeps the end it has, and
    the attempt stays owed while another run executes. What was queued ends
    where its job is paused."""
    key = job.id, wish.run.scheduled
    if verdict != 'skipped_paused':
        owed = connection.execute(
            'UPDATE runs SET next_attempt = ifnull(next_attempt, ?) '
            "WHERE job_id = ? AND scheduled = ? AND (attempts_left > 0 OR state = 'queued')",
            (wish.now, *key)).rowcount
        verdict = 'queued' if owed else 'skipped_overlap'
    else:
        connection.execute(
            'UPDATE runs SET next_attempt = NULL, attempts_left = 0, '
            "detail = CASE state WHEN 'queued' THEN ? ELSE detail END, "
            "ended = CASE state WHEN 'queued' THEN ? ELSE ended END, "
            "state = CASE state WHEN 'queued' THEN ? ELSE state END "
            'WHERE job_id = ? AND scheduled = ?', (why or None, wish.now, verdict, *key))
    return Claim(wish.run, verdict, wish.attempt)


def _executing(connection: sqlite3.Connection, job: Job, wish: Wish) -> str:
    """Which process executes another run of the job, as far as is known."""
    row = connection.execute(
        'SELECT m.pid FROM executions AS e JOIN members AS m '
        'ON m.id = e.member WHERE e.job_id = ? AND e.scheduled != ?',
        (job.id, wish.run.scheduled)).fetchone()
    return '' if row is None else f'process {row[0]} executed another run'


def _waits_another(connection: sqlite3.Connection, job: Job, wish: Wish) -> bool:
    return connection.execute(
        'SELECT 1 FROM runs INDEXED BY runs_due WHERE job_id = ? AND next_attempt IS NOT NULL '
        "AND state = 'queued' AND scheduled != ?", (job.id, wish.run.scheduled),
    ).fetchone() is not None
