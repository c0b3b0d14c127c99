"""What is recorded of the jobs of many application ids: three statements,
however many there are; see `cronsched.ledger.sqlite.past`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from cronsched.ledger.known import KnownJob, PastJob
from cronsched.ledger.pasts import floors, past_jobs
from cronsched.ledger.postgres.records import KNOWN, known_job
from cronsched.ledger.postgres.session import Session

# Recorded by a clock that was ahead, and never executed: not trusted.
TRUSTED: Final = '(r.started IS NOT NULL OR coalesce(r.ended, 0) <= cronsched.now_v1(%s) + 2.0)'
SPAN: Final = (
    'FROM unnest(%s::text[], %s::bigint[]) AS span (name, floor) '
    'JOIN cronsched.jobs AS j ON j.application_id = span.name ')


def past(
    session: Session, at: Mapping[str, float], reach: float, now: float | None,
) -> dict[str, list[PastJob]]:
    """By application id. `now`: None is the clock of the database."""
    known = _known(session, at)
    floor_of = floors(known.values(), at, reach)
    spans = list(floor_of), list(floor_of.values())
    rows = session.ask(
        f'SELECT j.id, r.scheduled, r.until {SPAN} JOIN cronsched.runs AS r '
        f'ON r.job_id = j.id AND r.scheduled >= span.floor WHERE {TRUSTED}', (*spans, now))
    before = session.ask(
        f'SELECT j.id, b.scheduled, b.until {SPAN} CROSS JOIN LATERAL (SELECT r.scheduled, '
        f'r.until FROM cronsched.runs AS r WHERE r.job_id = j.id AND r.scheduled < span.floor '
        f'AND {TRUSTED} ORDER BY r.scheduled DESC LIMIT 1) AS b', (*spans, now))
    return past_jobs(known, floor_of, rows, before)


def _known(session: Session, names: Iterable[str]) -> dict[int, KnownJob]:
    return {row[0]: known_job(row[1:]) for row in session.ask(
        f'SELECT j.id, {KNOWN} FROM cronsched.jobs AS j '
        'WHERE j.application_id = ANY (%s::text[]) ORDER BY j.application_id, j.job',
        (list(names),))}
