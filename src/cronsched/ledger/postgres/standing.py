"""How jobs stand, and what is to be counted of their runs; see
`cronsched.ledger.sqlite.standing`."""

from __future__ import annotations

from typing import Any, Final

from cronsched.ledger.postgres.records import KNOWN, known_job
from cronsched.ledger.postgres.session import Session
from cronsched.ledger.values import GONE, NO_RUN, Found, Standing, Tally, Wanted

STATE: Final = (
    f"CASE WHEN NOT j.declared THEN '{GONE}' WHEN j.last_ok >= coalesce(j.newest, 0) "
    "AND j.last_ok >= coalesce(j.last_started, 0) THEN 'ok' ELSE coalesce((SELECT r.state "
    "FROM cronsched.runs AS r WHERE r.job_id = j.id ORDER BY r.scheduled DESC LIMIT 1), "
    f"'{NO_RUN}') END")
JOBS: Final = f'FROM (SELECT j.*, {STATE} AS stands FROM cronsched.jobs AS j) AS j '
STANDINGS: Final = (
    'SELECT j.job, j.stands, count(*), min(j.application_id), max(j.newest), '
    'CASE WHEN count(j.words) = count(*) AND min(j.words) = max(j.words) THEN min(j.words) END '
    f'{JOBS}GROUP BY 1, 2 ORDER BY 1, 2')

# Whose state asks for somebody comes first.
SEVERITY: Final = (
    "coalesce(array_position(ARRAY['lost', 'failed', 'timed_out', 'unreachable', 'missed', "
    f"'skipped_overlap', 'skipped_paused', 'running', 'queued', 'ok', '{NO_RUN}'], "
    'j.stands::text), 12)')
ORDERS: Final = {
    'application_id': ('j.application_id', 'j.job'), 'job': ('j.job', 'j.application_id'),
    'newest': ('j.newest', 'j.application_id', 'j.job'),
    'state': (SEVERITY, 'j.application_id', 'j.job'),
}


def standings(session: Session) -> list[Standing]:
    return [
        Standing(job, state, count, application_id, newest, words)
        for job, state, count, application_id, newest, words in session.ask(STANDINGS)
    ]


def find_jobs(session: Session, wanted: Wanted) -> tuple[list[Found], int]:
    where, values = _conditions(wanted)
    first, *rest = ORDERS[wanted.order]
    direction = 'DESC NULLS LAST' if wanted.descending else 'ASC NULLS FIRST'
    total: int = session.ask(f'SELECT count(*) {JOBS}WHERE {where}', values)[0][0]
    rows = session.ask(
        f'SELECT j.stands, {KNOWN} {JOBS}WHERE {where} ORDER BY {first} {direction}, '
        f'{", ".join(rest)} LIMIT %s OFFSET %s', (*values, wanted.limit, wanted.skip))
    return [Found(known_job(row[1:]), row[0]) for row in rows], total


def _conditions(wanted: Wanted) -> tuple[str, list[Any]]:
    where, values = ['true'], list[Any]()
    for name in ('application_id', 'job'):
        if getattr(wanted, name) is not None:
            where.append(f'j.{name} = %s')
            values.append(getattr(wanted, name))
    if wanted.text:
        pattern = wanted.text.replace('\\', r'\\').replace('%', r'\%').replace('_', r'\_')
        where.append('(j.job ILIKE %s OR j.application_id ILIKE %s)')
        values += [f'%{pattern}%'] * 2
    if wanted.states:
        where.append('j.stands = ANY (%s::text[])')
        values.append(list(wanted.states))
    return ' AND '.join(where), values


def tally(
    session: Session, application_id: str, job: str, since: int, until: int, step: int,
) -> list[Tally]:
    rows = session.ask(
        'SELECT (r.scheduled - %s) / %s AS n, r.state, sum(r.count)::bigint '
        'FROM cronsched.runs AS r WHERE r.job_id = (SELECT j.id FROM cronsched.jobs AS j '
        'WHERE j.application_id = %s AND j.job = %s) AND r.scheduled >= %s AND r.scheduled < %s '
        'GROUP BY n, r.state ORDER BY n, r.state',
        (since, step, application_id, job, since, until))
    return [Tally(since + n * step, state, count) for n, state, count in rows]
