"""What `status` and `history` show of a job and of a run: as data for JSON,
where times are UTC seconds, and as the texts of a table."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from cronsched.ledger import KnownJob, Ledger, Row
from cronsched.reasons import schedule_of, time_text

__all__ = ['detail_text', 'row_data', 'scheduled_text', 'status_of', 'took_of', 'took_text']


def status_of(
    ledger: Ledger, job: KnownJob, paused: Mapping[tuple[str | None, str], str],
) -> dict[str, Any]:
    rows = ledger.history(application_id=job.application_id, job=job.job, limit=1)
    schedule = schedule_of(job)
    note = paused.get((job.application_id, job.job), paused.get((None, job.job)))
    return {
        'application_id': job.application_id,
        'job': job.job,
        'scheduled': (rows[0].until or rows[0].run.scheduled) if rows else None,
        'state': rows[0].state if rows else None,
        'took': took_of(rows[0]) if rows else None,
        'last_success': job.last_success,
        'next': schedule.next_epoch(int(time.time())) if schedule else None,
        'paused': note,
    }


def row_data(row: Row) -> dict[str, Any]:
    data = asdict(row)
    return {**data.pop('run'), **data, 'took': took_of(row)}


def took_of(row: Row) -> float | None:
    if row.started is None or row.ended is None:
        return None
    return round(row.ended - row.started, 3)


def took_text(took: float | None) -> str:
    return '-' if took is None else f'{took:.1f} s'


def scheduled_text(row: Row) -> str:
    return time_text(row.run.scheduled) + (' by hand' if row.requested else '')


def detail_text(row: Row) -> str:
    parts = [f'{row.count} runs until {time_text(row.until)}'] if row.until is not None else []
    parts += [f'status {row.status}'] if row.status not in (None, 200) else []
    parts += row.detail.splitlines()[:1] if row.detail else []
    return ', '.join(parts)
