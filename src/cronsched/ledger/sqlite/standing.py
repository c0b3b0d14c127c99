"""How jobs stand, and what is to be counted of their runs, as SQL inside one
transaction that reads.

A job is ok if its last success is its last run: then its row says so, and the
history is looked at for the others alone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from cronsched.ledger.known import Plan
from cronsched.ledger.pages import GONE, NO_RUN, Found, Planned, Standing, Tally, Wanted
from cronsched.ledger.sqlite.records import KNOWN, known_job

STATE = (
    f"CASE WHEN NOT declared THEN '{GONE}' WHEN last_ok >= ifnull(newest, 0) "
    "AND last_ok >= ifnull(last_started, 0) THEN 'ok' ELSE ifnull((SELECT state FROM runs "
    f"WHERE job_id = jobs.id ORDER BY scheduled DESC LIMIT 1), '{NO_RUN}') END")

STANDINGS = (
    f'SELECT job, {STATE} AS stands, count(*), min(application_id), max(newest), '
    'CASE WHEN count(words) = count(*) AND min(words) = max(words) THEN min(words) END '
    'FROM known_jobs AS jobs GROUP BY job, stands ORDER BY job, stands')

# Whose state asks for somebody comes first.
SEVERITY = (
    "CASE stands WHEN 'lost' THEN 0 WHEN 'failed' THEN 1 WHEN 'timed_out' THEN 2 "
    "WHEN 'unreachable' THEN 3 WHEN 'missed' THEN 4 WHEN 'skipped_overlap' THEN 5 "
    f"WHEN 'skipped_paused' THEN 6 WHEN 'running' THEN 7 WHEN 'queued' THEN 8 "
    f"WHEN 'ok' THEN 9 WHEN '{NO_RUN}' THEN 10 ELSE 11 END")

# A float as SQLite casts it: towards nought, as int() does.
PLANNED = (
    'SELECT job, expression, timezone, seed, CAST(offset AS INTEGER) AS delay, count(*) '
    'FROM known_jobs WHERE declared GROUP BY job, expression, timezone, seed, delay '
    'ORDER BY job, delay')

FAR = 1 << 62

# One without a rank is last, whatever the direction.
RANK = 'CASE WHEN declared THEN rank_of(expression, timezone, seed) ELSE rank_of(0, 0, 0) END'

ORDERS = {
    'application_id': ('application_id', 'job'), 'job': ('job', 'application_id'),
    'newest': ('newest', 'application_id', 'job'), 'state': (SEVERITY, 'application_id', 'job'),
    'rank': (RANK, 'job', 'application_id'),
}


def standings(connection: sqlite3.Connection) -> list[Standing]:
    return [
        Standing(job, state, count, application_id, newest, words)
        for job, state, count, application_id, newest, words in connection.execute(STANDINGS)
    ]


def states(connection: sqlite3.Connection) -> dict[str, int]:
    return dict(connection.execute(
        f'SELECT {STATE} AS stands, count(*) FROM jobs GROUP BY stands').fetchall())


def planned(connection: sqlite3.Connection) -> list[Planned]:
    return [
        Planned(job, None if expression is None else Plan(expression, timezone, seed), delay, jobs)
        for job, expression, timezone, seed, delay, jobs in connection.execute(PLANNED)
    ]


def timezones(connection: sqlite3.Connection) -> list[str]:
    return [zone for zone, in connection.execute(
        'SELECT DISTINCT timezone FROM known_jobs WHERE declared AND timezone IS NOT NULL '
        'ORDER BY 1')]


def find_jobs(connection: sqlite3.Connection, wanted: Wanted) -> tuple[list[Found], int]:
    where, values = _conditions(wanted)
    first, *rest = ORDERS[wanted.order]
    direction = 'DESC' if wanted.descending else 'ASC'
    jobs = f'FROM (SELECT jobs.*, {STATE} AS stands FROM '
    total: int = connection.execute(
        f'SELECT count(*) {jobs}jobs) WHERE {where}', values).fetchone()[0]
    with _ranks(connection, wanted):
        rows = connection.execute(
            f'SELECT stands, {KNOWN} {jobs}known_jobs AS jobs) WHERE {where} '
            f'ORDER BY {first} {direction}, {", ".join(rest)} LIMIT ? OFFSET ?',
            (*values, wanted.limit, wanted.skip)).fetchall()
    return [Found(known_job(row[1:]), row[0]) for row in rows], total


@contextmanager
def _ranks(connection: sqlite3.Connection, wanted: Wanted) -> Iterator[None]:
    """`wanted.rank` as a function of SQL: a value for each plan, not each job."""
    rank, last = wanted.rank, -FAR if wanted.descending else FAR
    if rank is None:
        yield
        return

    @cache
    def rank_of(*plan: Any) -> int:
        at = rank(Plan(*plan)) if plan[0] else None
        return last if at is None else at

    connection.create_function('rank_of', 3, rank_of, deterministic=True)
    try:
        yield
    finally:
        # The connection is kept, and the plans are not.
        connection.create_function('rank_of', 3, None)


def _conditions(wanted: Wanted) -> tuple[str, list[Any]]:
    where, values = ['1'], []
    for name in ('application_id', 'job'):
        if getattr(wanted, name) is not None:
            where.append(f'{name} = ?')
            values.append(getattr(wanted, name))
    if wanted.text:
        pattern = wanted.text.replace('\\', r'\\').replace('%', r'\%').replace('_', r'\_')
        where.append(r"(job LIKE ? ESCAPE '\' OR application_id LIKE ? ESCAPE '\')")
        values += [f'%{pattern}%'] * 2
    if wanted.states:
        where.append(f'stands IN ({", ".join("?" * len(wanted.states))})')
        values += wanted.states
    return ' AND '.join(where), values


def tally(
    connection: sqlite3.Connection, application_id: str, job: str, since: int, until: int,
    step: int,
) -> list[Tally]:
    rows = connection.execute(
        'SELECT (scheduled - :since) / :step AS n, state, sum(count) FROM runs WHERE job_id = '
        '(SELECT id FROM jobs WHERE application_id = :application_id AND job = :job) '
        'AND scheduled >= :since AND scheduled < :until GROUP BY n, state ORDER BY n, state', {
            'since': since, 'until': until, 'step': step, 'application_id': application_id,
            'job': job})
    return [Tally(since + n * step, state, count) for n, state, count in rows]
