"""What is recorded of the jobs of many application ids, as SQL inside one
transaction that reads: three statements, however many there are."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping

from cronsched.ledger.known import KnownJob, PastJob
from cronsched.ledger.pasts import floors, past_jobs
from cronsched.ledger.sqlite.declarations import Said

# Recorded by a clock that was ahead, and never executed: not trusted.
TRUSTED = '(r.started IS NOT NULL OR ifnull(r.ended, 0) <= ?)'


def past(
    connection: sqlite3.Connection, at: Mapping[str, float], reach: float, latest: float,
) -> dict[str, list[PastJob]]:
    """By application id. What says to have ended after `latest` is not
    trusted. At most some hundred application ids at a time."""
    known = _known(connection, at)
    floor_of = floors(known.values(), at, reach)
    spans = f'WITH span (name, floor) AS (VALUES {", ".join(["(?, ?)"] * len(floor_of))}) '
    values = [value for span in floor_of.items() for value in span]
    rows = connection.execute(
        f'{spans}SELECT r.job_id, r.scheduled, r.until FROM span CROSS JOIN jobs '
        'ON application_id = name CROSS JOIN runs AS r ON r.job_id = jobs.id '
        f'AND r.scheduled >= floor WHERE {TRUSTED}', (*values, latest))
    before = connection.execute(
        f'{spans}SELECT jobs.id, r.scheduled, r.until FROM span CROSS JOIN jobs '
        'ON application_id = name CROSS JOIN runs AS r ON r.job_id = jobs.id AND r.scheduled = '
        '(SELECT max(scheduled) FROM runs AS r WHERE r.job_id = jobs.id '
        f'AND r.scheduled < floor AND {TRUSTED})', (*values, latest))
    return past_jobs(known, floor_of, rows, before)


def _known(connection: sqlite3.Connection, names: Iterable[str]) -> dict[int, KnownJob]:
    chosen, said, known = tuple(names), Said(connection), {}
    for (
        number, declaration, name, job, since, newest, last_ok, planned, declared, offset,
    ) in connection.execute(
        'SELECT id, declaration, application_id, job, since, newest, last_ok, planned, declared, '
        f'offset FROM jobs WHERE application_id IN ({", ".join("?" * len(chosen))})', chosen,
    ):
        plan, options, place, words = said[declaration]
        known[number] = KnownJob._make((
            name, job, since, newest, last_ok, plan, planned, bool(declared), offset, options,
            place, words))
    return known
