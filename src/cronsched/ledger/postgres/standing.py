"""How jobs stand, and what is to be counted of their runs; see
`cronsched.ledger.sqlite.standing`."""

from __future__ import annotations

from typing import Any, Final

from cronsched.ledger.known import Plan
from cronsched.ledger.pages import GONE, NO_RUN, Found, Planned, Standing, Tally, Wanted
from cronsched.ledger.postgres.records import KNOWN, known_job
from cronsched.ledger.postgres.session import Session

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
# A float as int() rounds it: towards nought.
PLANNED: Final = (
    'SELECT j.job, j.expression, j.timezone, j.seed, trunc(j.delay)::bigint, count(*) '
    'FROM cronsched.jobs AS j WHERE j.declared GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 5')

PLANS: Final = (
    'SELECT DISTINCT j.expression, j.timezone, j.seed FROM cronsched.jobs AS j '
    'WHERE j.declared AND j.expression IS NOT NULL')

# A seed that is none is not the same as ''.
RANKED: Final = (
    'LEFT JOIN unnest(%s::text[], %s::text[], %s::text[], %s::bigint[]) '
    'AS k(expression, timezone, seed, rank) ON j.declared AND k.expression = j.expression '
    "AND k.timezone = j.timezone AND coalesce('=' || k.seed, '') = coalesce('=' || j.seed, '') ")

ORDERS: Final = {
    'application_id': ('j.application_id', 'j.job'), 'job': ('j.job', 'j.application_id'),
    'newest': ('j.newest', 'j.application_id', 'j.job'),
    'state': (SEVERITY, 'j.application_id', 'j.job'),
    'rank': ('k.rank IS NULL, k.rank', 'j.job', 'j.application_id'),
}


def standings(session: Session) -> list[Standing]:
    return [
        Standing(job, state, count, application_id, newest, words)
        for job, state, count, application_id, newest, words in session.ask(STANDINGS)
    ]


def states(session: Session) -> dict[str, int]:
    return dict(session.ask(f'SELECT j.stands, count(*) {JOBS}GROUP BY 1'))


def planned(session: Session) -> list[Planned]:
    return [
        Planned(job, None if expression is None else Plan(expression, timezone, seed), delay, jobs)
        for job, expression, timezone, seed, delay, jobs in session.ask(PLANNED)
    ]


def timezones(session: Session) -> list[str]:
    return [zone for zone, in session.ask(
        'SELECT DISTINCT j.timezone FROM cronsched.jobs AS j '
        'WHERE j.declared AND j.timezone IS NOT NULL ORDER BY 1')]


def find_jobs(session: Session, wanted: Wanted) -> tuple[list[Found], int]:
    where, values = _conditions(wanted)
    first, *rest = ORDERS[wanted.order]
    direction = 'DESC NULLS LAST' if wanted.descending else 'ASC NULLS FIRST'
    total: int = session.ask(f'SELECT count(*) {JOBS}WHERE {where}', values)[0][0]
    ranked, ranks = (RANKED, _ranks(session, wanted)) if wanted.order == 'rank' else ('', ())
    rows = session.ask(
        f'SELECT j.stands, {KNOWN} {JOBS}{ranked}WHERE {where} ORDER BY {first} {direction}, '
        f'{", ".join(rest)} LIMIT %s OFFSET %s', (*ranks, *values, wanted.limit, wanted.skip))
    return [Found(known_job(row[1:]), row[0]) for row in rows], total


def _ranks(session: Session, wanted: Wanted) -> tuple[list[Any], ...]:
    """The plans and the rank of each, as columns."""
    assert wanted.rank is not None
    plans = [Plan(*row) for row in session.ask(PLANS)]
    return (
        [each.expression for each in plans], [each.timezone for each in plans],
        [each.seed for each in plans], [wanted.rank(each) for each in plans])


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
