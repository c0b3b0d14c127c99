"""The history of runs in PostgreSQL, each function one statement, or two."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from cronsched.ledger.postgres.session import Session
from cronsched.ledger.values import Row, Run

COLUMNS: Final = (
    'SELECT j.application_id, j.job, r.scheduled, r.state, r.attempt, r.started, r.ended, '
    'r.until, r.count, r.status, r.detail, r.host, r.pid, r.requested, r.gave_up, '
    'r.next_attempt, r.attempts_left, m.machine, r.member, r.asked_by, r.job_id ')
MEMBERS: Final = 'LEFT JOIN cronsched.members AS m ON m.id = r.member '
FROM: Final = f'FROM cronsched.runs AS r JOIN cronsched.jobs AS j ON j.id = r.job_id {MEMBERS}'

# Each job is looked at for itself where no more rows than these come of it.
MOST_LOOKED_AT: Final = 100_000

Found = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows; None is any. `after`: (scheduled, job id) of the last one
    that was read, newest first."""

    application_id: str | None = None
    job: str | None = None
    since: float | None = None
    until: float | None = None
    oldest_first: bool = False
    limit: int = 100
    after: tuple[int, int] | None = None
    states: tuple[str, ...] = ()
    requested: bool | None = None
    skip: int = 0


def history(session: Session, wanted: Wanted) -> list[Row]:
    return [row_of(row) for row in _rows(session, wanted)]


def walk(session: Session, wanted: Wanted, piece: int) -> Iterator[Row]:
    while True:
        rows = _rows(session, replace(wanted, limit=piece))
        yield from map(row_of, rows)
        if len(rows) < piece:
            return
        wanted = replace(wanted, after=(rows[-1][2], rows[-1][-1]))


def _rows(session: Session, wanted: Wanted) -> Found:
    where, values = _conditions(wanted)
    order = 'ASC' if wanted.oldest_first else 'DESC'
    named = [(f'j.{name} = %s', value) for name, value in (
        ('application_id', wanted.application_id), ('job', wanted.job)) if value is not None]
    names, equal = [name for name, _ in named], [value for _, value in named]
    ordered = f'ORDER BY r.scheduled {order}, r.job_id LIMIT %s OFFSET %s'
    end = wanted.skip + wanted.limit
    if not named or _too_many(session, names, equal, end):
        return session.ask(
            f'{COLUMNS}{FROM}{_where(names + where)}{ordered}',
            (*equal, *values, wanted.limit, wanted.skip))
    # The newest of each job first, and then those of all.
    return session.ask(
        f'{COLUMNS}FROM cronsched.jobs AS j CROSS JOIN LATERAL (SELECT * FROM cronsched.runs AS r '
        f'{_where(["r.job_id = j.id", *where])}{ordered}) AS r {MEMBERS}{_where(names)}{ordered}',
        (*values, end, 0, *equal, wanted.limit, wanted.skip))


def _too_many(session: Session, names: list[str], equal: list[str], limit: int) -> bool:
    most = MOST_LOOKED_AT // max(limit, 1)
    found = session.ask(
        f'SELECT count(*) FROM (SELECT FROM cronsched.jobs AS j {_where(names)}LIMIT %s) AS few',
        (*equal, most + 2))[0][0]
    return bool(found > max(most, 1))


def _where(conditions: list[str]) -> str:
    return f'WHERE {" AND ".join(conditions)} ' if conditions else ''


def _conditions(wanted: Wanted) -> tuple[list[str], list[Any]]:
    where: list[str] = []
    values: list[Any] = []
    if wanted.since is not None:
        # A missed row may begin before.
        where.append(
            'r.scheduled >= least(%s::bigint, (SELECT min(n.scheduled) FROM cronsched.runs AS n '
            'WHERE n.until >= %s)) AND coalesce(r.until, r.scheduled) >= %s')
        values += [math.ceil(wanted.since)] * 3
    if wanted.until is not None:
        where.append('r.scheduled <= %s')
        values.append(math.floor(wanted.until))
    if wanted.states:
        where.append('r.state = ANY (%s::text[])')
        values.append(list(wanted.states))
    if wanted.requested is not None:
        where.append('r.requested = %s')
        values.append(wanted.requested)
    if wanted.after is not None:
        where.append('r.scheduled <= %s AND (r.scheduled < %s OR r.job_id > %s)')
        values += [wanted.after[0], *wanted.after]
    return where, values


def histories(
    session: Session, jobs: Iterable[tuple[str, str]], wanted: Wanted,
) -> dict[tuple[str, str], list[Row]]:
    found: dict[tuple[str, str], list[Row]] = {key: [] for key in jobs}
    where, values = _conditions(wanted)
    rows = session.ask(
        f'{COLUMNS}FROM unnest(%s::text[], %s::text[]) AS k (application_id, job) '
        'JOIN cronsched.jobs AS j ON j.application_id = k.application_id AND j.job = k.job '
        'CROSS JOIN LATERAL (SELECT * FROM cronsched.runs AS r '
        f'{_where(["r.job_id = j.id", *where])}ORDER BY r.scheduled DESC LIMIT %s) AS r '
        f'{MEMBERS}ORDER BY j.id, r.scheduled DESC',
        ([key[0] for key in found], [key[1] for key in found], *values, wanted.limit))
    for row in rows:
        found[row[:2]].append(row_of(row))
    return found


def latest(session: Session, application_id: str | None) -> dict[tuple[str, str], Row]:
    names = [] if application_id is None else ['j.application_id = %s']
    rows = session.ask(
        f'{COLUMNS}FROM cronsched.jobs AS j CROSS JOIN LATERAL (SELECT * FROM cronsched.runs AS n '
        f'WHERE n.job_id = j.id ORDER BY n.scheduled DESC LIMIT 1) AS r {MEMBERS}{_where(names)}',
        () if application_id is None else (application_id,))
    return {row[:2]: row_of(row) for row in rows}


def find(session: Session, run: Run) -> Row | None:
    """The row of the run, else the one of those missed that it is part of."""
    of_job = f'{COLUMNS}{FROM}WHERE j.application_id = %s AND j.job = %s AND r.scheduled '
    key = run.application_id, run.job, run.scheduled
    rows = session.ask(
        f'({of_job}= %s) UNION ALL ({of_job}< %s AND r.until >= %s ORDER BY r.scheduled DESC '
        'LIMIT 1)', (*key, *key, run.scheduled))
    return row_of(max(rows, key=lambda row: row[2])) if rows else None


def row_of(row: tuple[Any, ...]) -> Row:
    return Row._make((Run(*row[:3]), *row[3:20]))
