"""What is recorded of the jobs of many application ids, as SQL inside one
transaction that reads: three statements, however many there are."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from cronsched.ledger.sqlite.records import KNOWN, known_job
from cronsched.ledger.values import KnownJob, PastJob

# Further back, nothing is looked for.
LONGEST = 30 * 86_400.0

# Recorded by a clock that was ahead, and never executed: not trusted.
TRUSTED = '(r.started IS NOT NULL OR ifnull(r.ended, 0) <= ?)'

Range = tuple[int, int | None]   # scheduled and until


def past(
    connection: sqlite3.Connection, at: Mapping[str, float], reach: float, latest: float,
) -> dict[str, list[PastJob]]:
    """By application id. What says to have ended after `latest` is not
    trusted. At most some hundred application ids at a time."""
    known = _known(connection, at)
    floors = _floors(known.values(), at, reach)
    spans = f'WITH span (name, floor) AS (VALUES {", ".join(["(?, ?)"] * len(floors))}) '
    values = [value for span in floors.items() for value in span]
    rows: dict[int, list[Range]] = defaultdict(list)
    for job_id, scheduled, until in connection.execute(
        f'{spans}SELECT r.job_id, r.scheduled, r.until FROM span CROSS JOIN jobs '
        'ON application_id = name CROSS JOIN runs AS r ON r.job_id = jobs.id '
        f'AND r.scheduled >= floor WHERE {TRUSTED}', (*values, latest),
    ):
        rows[job_id].append((scheduled, until))
    before: dict[int, Range] = {row[0]: row[1:] for row in connection.execute(
        f'{spans}SELECT jobs.id, r.scheduled, r.until FROM span CROSS JOIN jobs '
        'ON application_id = name CROSS JOIN runs AS r ON r.job_id = jobs.id AND r.scheduled = '
        '(SELECT max(scheduled) FROM runs AS r WHERE r.job_id = jobs.id '
        f'AND r.scheduled < floor AND {TRUSTED})', (*values, latest))}
    found: dict[str, list[PastJob]] = {name: [] for name in at}
    for job_id, job in known.items():
        found[job.application_id].append(_past_job(
            job, floors[job.application_id], rows[job_id], before.get(job_id)))
    return found


def _known(connection: sqlite3.Connection, names: Iterable[str]) -> dict[int, KnownJob]:
    chosen = tuple(names)
    return {row[0]: known_job(row[1:]) for row in connection.execute(
        f'SELECT id, {KNOWN} FROM jobs WHERE application_id IN ({", ".join("?" * len(chosen))}) '
        'ORDER BY job', chosen)}


def _floors(
    known: Iterable[KnownJob], at: Mapping[str, float], reach: float,
) -> dict[str, int]:
    """The last owner lived until the newest record; what it left undone is not
    older than what it would have caught up itself."""
    lived: dict[str, float] = defaultdict(float)
    for job in known:
        newest = job.since if job.newest is None else job.newest
        lived[job.application_id] = max(lived[job.application_id], newest)
    return {
        name: int(max(min(lived[name] or instant, instant), instant - LONGEST) - reach)
        for name, instant in at.items()
    }


def _past_job(
    known: KnownJob, floor: int, rows: list[Range], before: Range | None,
) -> PastJob:
    every: list[Any] = rows if before is None else [before, *rows]
    return PastJob(
        known, floor,
        None if before is None else before[1] or before[0],
        frozenset(scheduled for scheduled, until in rows if until is None),
        tuple((scheduled, until) for scheduled, until in every if until is not None))
