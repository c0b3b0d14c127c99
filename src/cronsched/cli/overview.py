"""What `status` and `history` show of a job and of a run: as data for JSON,
where times are UTC seconds, and as the texts of a table."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from cronsched.base.text import printable
from cronsched.cli.reasons import schedule_of, time_text
from cronsched.cli.terminal import Terminal
from cronsched.ledger import KnownJob, Ledger, Row

__all__ = ['history_row', 'row_data', 'status_of', 'status_row']


MOST_OF_DETAIL = 1024   # characters; what the ledger keeps of it


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
        'took': _took(rows[0]) if rows else None,
        'last_success': job.last_success,
        'next': schedule.next_epoch(int(time.time())) if schedule else None,
        'paused': note,
    }


def row_data(row: Row) -> dict[str, Any]:
    data = asdict(row)
    return {**data.pop('run'), **data, 'took': _took(row)}


def _took(row: Row) -> float | None:
    if row.started is None or row.ended is None:
        return None
    return round(row.ended - row.started, 3)


def status_row(data: Mapping[str, Any], terminal: Terminal) -> list[str]:
    """The cells of one job, from what `status_of` says."""
    paused = '-' if data['paused'] is None else data['paused'] or 'yes'
    return [
        printable(data['application_id']), printable(data['job']), time_text(data['scheduled']),
        _state_text(data['state'], terminal), _took_text(data['took']),
        time_text(data['last_success']), time_text(data['next']), printable(paused),
    ]


def history_row(row: Row, terminal: Terminal) -> list[str]:
    return [
        time_text(row.run.scheduled) + (' by hand' if row.requested else ''),
        printable(row.run.application_id), printable(row.run.job),
        _state_text(row.state, terminal), _took_text(_took(row)), str(row.attempt),
        printable(_detail_text(row), MOST_OF_DETAIL),
    ]


def _state_text(state: str | None, terminal: Terminal) -> str:
    if state in (None, 'running'):
        return state or '-'
    if state == 'ok':
        return terminal.good(state)
    paint = terminal.warning if state.startswith('skipped') else terminal.bad
    return paint(state)


def _took_text(took: float | None) -> str:
    return '-' if took is None else f'{took:.1f} s'


def _detail_text(row: Row) -> str:
    parts = [f'{row.count} runs until {time_text(row.until)}'] if row.until is not None else []
    parts += [f'status {row.status}'] if row.status not in (None, 200) else []
    parts += row.detail.splitlines()[:1] if row.detail else []
    return ', '.join(parts)
