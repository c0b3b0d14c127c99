"""The history of runs, as SQL inside one transaction that reads."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cronsched.ledger.values import Row, Run

COLUMNS = (
    'SELECT application_id, job, r.scheduled, state, attempt, r.started, ended, until, count, '
    'status, detail, r.host, r.pid, requested, gave_up, next_attempt, attempts_left, m.machine, '
    'r.member, asked_by ')
NAMES = 'JOIN jobs ON jobs.id = r.job_id LEFT JOIN members AS m ON m.id = r.member '
ROW = f'{COLUMNS}FROM runs AS r {NAMES}'
# The rows in order, and the names to each, not the other way round.
BY_TIME = f'{COLUMNS}FROM runs AS r INDEXED BY runs_scheduled CROSS {NAMES}'
# What is rare has an index: the condition is that of the index, in its words,
# by which SQLite knows it again.
BY_HAND = f'{COLUMNS}FROM runs AS r INDEXED BY runs_by_hand CROSS {NAMES}', ['r.requested']
ODD = (f'{COLUMNS}FROM runs AS r INDEXED BY runs_odd CROSS {NAMES}',
       ["r.state NOT IN ('ok', 'running')"])
RUNNING = (f'{COLUMNS}FROM (SELECT job_id AS of, scheduled AS at FROM executions) CROSS JOIN '
           f'runs AS r ON r.job_id = of AND r.scheduled = at {NAMES}')

# Each job is looked at for itself where no more rows than these come of it.
MOST_LOOKED_AT = 100_000

# A missed row may begin before.
OF_JOB = (
    f'{ROW}WHERE r.job_id = :job AND r.scheduled >= min(:since, ifnull((SELECT min(scheduled) '
    'FROM runs INDEXED BY runs_missed WHERE job_id = :job AND until >= :since), :since)) '
    'AND ifnull(until, r.scheduled) >= :since AND r.scheduled <= :until '
    'ORDER BY r.scheduled DESC LIMIT :limit')

# No scheduled time is later.
LAST = 1 << 62


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows; None is any. The first `skipped` are left out."""

    application_id: str | None = None
    job: str | None = None
    since: float | None = None
    until: float | None = None
    oldest_first: bool = False
    limit: int = 100
    skipped: int = 0
    states: tuple[str, ...] = ()
    requested: bool | None = None


def history(connection: sqlite3.Connection, wanted: Wanted) -> list[Row]:
    ids = _job_ids(connection, wanted)
    end = wanted.skipped + wanted.limit
    if ids is None or (len(ids) * end > MOST_LOOKED_AT and len(ids) > 1):
        sql, where = _rarest(wanted)
        rows = _select(connection, sql, wanted, _names(wanted), wanted.skipped, where)
        return [row_of(row) for row in rows]
    found = [
        row for each in ids
        for row in _select(connection, ROW, wanted, {'r.job_id': each}, 0)
    ]
    found.sort(key=lambda row: row[2], reverse=not wanted.oldest_first)
    return [row_of(row) for row in found[wanted.skipped:end]]


def _rarest(wanted: Wanted) -> tuple[str, list[str]]:
    """The fewest rows among which all of them are, and what is true of those."""
    if wanted.requested:
        return BY_HAND
    if wanted.states == ('running',):
        return RUNNING, []
    if wanted.states and not {'ok', 'running'} & {*wanted.states}:
        return ODD
    return BY_TIME, []


def _select(
    connection: sqlite3.Connection, sql: str, wanted: Wanted, equal: dict[str, Any], skipped: int,
    more: Iterable[str] = (),
) -> list[tuple[Any, ...]]:
    where = [f'{name} = ?' for name in equal] + [*more]
    values = list(equal.values())
    if wanted.since is not None:
        # A missed row may begin before.
        where.append('r.scheduled >= min(?, ifnull((SELECT min(scheduled) FROM runs INDEXED BY '
                     'runs_missed WHERE until >= ?), ?)) AND ifnull(until, r.scheduled) >= ?')
        values += [wanted.since] * 4
    if wanted.until is not None:
        where.append('r.scheduled <= ?')
        values.append(wanted.until)
    if wanted.states:
        where.append(f'state IN ({", ".join("?" * len(wanted.states))})')
        values += wanted.states
    if wanted.requested is not None:
        where.append('requested = ?')
        values.append(wanted.requested)
    order = 'ASC' if wanted.oldest_first else 'DESC'
    return connection.execute(
        f'{sql}WHERE {" AND ".join(where) or "1"} ORDER BY r.scheduled {order}, r.job_id '
        'LIMIT ? OFFSET ?', (*values, wanted.skipped - skipped + wanted.limit, skipped)).fetchall()


def histories(
    connection: sqlite3.Connection, jobs: Iterable[tuple[str, str]], wanted: Wanted,
) -> dict[tuple[str, str], list[Row]]:
    since = 0 if wanted.since is None else wanted.since
    until = LAST if wanted.until is None else wanted.until
    found: dict[tuple[str, str], list[Row]] = {}
    for key in jobs:
        ids = _job_ids(connection, Wanted(*key))
        found[key] = [] if not ids else [
            row_of(row)
            for row in connection.execute(OF_JOB, {
                'job': ids[0], 'since': since, 'until': until, 'limit': wanted.limit})]
    return found


def _names(wanted: Wanted) -> dict[str, Any]:
    named = {'application_id': wanted.application_id, 'job': wanted.job}
    return {name: value for name, value in named.items() if value is not None}


def _job_ids(connection: sqlite3.Connection, wanted: Wanted) -> list[int] | None:
    """None for all."""
    names = _names(wanted)
    if not names:
        return None
    where = ' AND '.join(f'{name} = ?' for name in names)
    return [row[0] for row in connection.execute(
        f'SELECT id FROM jobs WHERE {where} ORDER BY id', tuple(names.values()))]


def latest(
    connection: sqlite3.Connection, application_id: str | None,
) -> dict[tuple[str, str], Row]:
    where, values = ('', ()) if application_id is None else (
        'WHERE application_id = ?', (application_id,))
    rows = connection.execute(
        f'{COLUMNS}FROM jobs CROSS JOIN runs AS r ON r.job_id = jobs.id AND r.scheduled = '
        '(SELECT max(scheduled) FROM runs AS n WHERE n.job_id = jobs.id) '
        f'LEFT JOIN members AS m ON m.id = r.member {where}', values)
    return {row[:2]: row_of(row) for row in rows}


def find(connection: sqlite3.Connection, run: Run) -> Row | None:
    """The row of the run, else the one of those missed that it is part of."""
    key = run.application_id, run.job, run.scheduled
    row = connection.execute(
        f'{ROW}WHERE application_id = ? AND job = ? AND r.scheduled = ?', key).fetchone()
    if row is None:
        row = connection.execute(
            f'{COLUMNS}FROM runs AS r INDEXED BY runs_missed {NAMES}'
            'WHERE application_id = ? AND job = ? AND r.scheduled <= ? AND until >= ? '
            'ORDER BY r.scheduled DESC LIMIT 1', (*key, run.scheduled)).fetchone()
    return None if row is None else row_of(row)


def row_of(row: tuple[Any, ...]) -> Row:
    return Row._make((Run(*row[:3]), *row[3:13], bool(row[13]), *row[14:]))


def prune(connection: sqlite3.Connection, job_id: int, before: float, most: int) -> int:
    return connection.execute(
        'DELETE FROM runs WHERE job_id = ? AND scheduled IN (SELECT scheduled FROM runs '
        'WHERE job_id = ? AND scheduled < ? AND ended < ? AND next_attempt IS NULL LIMIT ?)',
        (job_id, job_id, before, before, most)).rowcount
