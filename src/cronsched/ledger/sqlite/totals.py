"""Counts of how runs ended, which pruning does not touch.

One row for each job, outcome, bucket of the time it took and bucket of how
late it began: a histogram is their sum, and an end is one statement.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_left
from collections.abc import Iterable

from cronsched.ledger.sqlite.jobs import Job
from cronsched.ledger.sqlite.rows import insert
from cronsched.ledger.sums import NONE, added_up
from cronsched.ledger.values import BUCKETS, Total

ADDED = (
    'ON CONFLICT DO UPDATE SET count = count + excluded.count, '
    'seconds = seconds + excluded.seconds, late_seconds = late_seconds + excluded.late_seconds')
COUNT = f'INSERT INTO totals VALUES (?, ?, ?, ?, ?, ?, ?) {ADDED}'


def count_end(
    connection: sqlite3.Connection, job: Job, scheduled: int, outcome: str,
    started: float | None, ended: float | None, count: int = 1,
) -> None:
    took = 0.0 if started is None or ended is None else max(ended - started, 0.0)
    late = 0.0 if started is None else max(started - scheduled - job.offset, 0.0)
    bucket, late_bucket = (
        (NONE, NONE) if started is None
        else (bisect_left(BUCKETS, took), bisect_left(BUCKETS, late)))
    connection.execute(COUNT, (job.id, outcome, bucket, late_bucket, count, took, late))


def count_missed(connection: sqlite3.Connection, counts: Iterable[tuple[int, int]]) -> None:
    """So many of each of these jobs, which are named by their ids."""
    insert(connection, 'INSERT INTO totals', f"(?, 'missed', {NONE}, {NONE}, ?, 0.0, 0.0)",
           counts, ADDED)


def totals(connection: sqlite3.Connection) -> list[Total]:
    rows = connection.execute(
        'SELECT application_id, job, outcome, bucket, late_bucket, count, seconds, late_seconds '
        'FROM totals JOIN jobs ON jobs.id = job_id ORDER BY application_id, job, outcome')
    return added_up(rows)
