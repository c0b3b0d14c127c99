"""What is recorded of the jobs of many application ids, as SQL inside one
transaction that reads: three statements, however many there are."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Mapping

from cronsched.ledger.sqlite.records import KNOWN, known_job
from cronsched.ledger.values import KnownJob, PastJob

# Recorded by a clock that was ahead, and never executed: not trusted.
TRUSTED = '(r.started IS NOT NULL OR ifnull(r.ended, 0) <= ?)'

Range = tuple[int, int | None]   # scheduled and until


def past(
    connection: sqlite3.Connection, since: Mapping[str, float], latest: float,
) -> dict[str, list[PastJob]]:
    """By application id. What says to have ended after `latest` is not
    trusted. At most some hundred application ids at a time."""
    names = tuple(since)
    chosen = f'application_id IN ({", ".join("?" * len(names))})'
    known = {row[0]: known_job(row[1:]) for row in connection.execute(
        f'SELECT id, {KNOWN} FROM jobs WHERE {chosen} ORDER BY job', names)}
    floor = int(min(since.values(), default=0.0))
    rows: dict[int, list[Range]] = defaultdict(list)
    for job_id, scheduled, until in connection.execute(
        'SELECT r.job_id, r.scheduled, r.until FROM jobs CROSS JOIN runs AS r '
        f'ON r.job_id = jobs.id AND r.scheduled >= ? WHERE {chosen} AND {TRUSTED}',
        (floor, *names, latest),
    ):
        rows[job_id].append((scheduled, until))
    before: dict[int, Range] = {row[0]: row[1:] for row in connection.execute(
        'SELECT jobs.id, r.scheduled, r.until FROM jobs CROSS JOIN runs AS r '
        'ON r.job_id = jobs.id AND r.scheduled = (SELECT max(scheduled) FROM runs AS r '
        f'WHERE r.job_id = jobs.id AND r.scheduled < ? AND {TRUSTED}) WHERE {chosen}',
        (floor, latest, *names))}
    found: dict[str, list[PastJob]] = {name: [] for name in names}
    for job_id, job in known.items():
        found[job.application_id].append(
            _past_job(job, rows[job_id], before.get(job_id)))
    return found


def _past_job(known: KnownJob, rows: list[Range], before: Range | None) -> PastJob:
    every = rows if before is None else [before, *rows]
    return PastJob(
        known,
        None if before is None else before[1] or before[0],
        frozenset(scheduled for scheduled, until in rows if until is None),
        tuple((scheduled, until) for scheduled, until in every if until is not None))
