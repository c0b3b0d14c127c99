"""What `status` and `history` show of a job and of a run: as data for JSON,
where times are UTC seconds, and as the texts of a table."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from cronsched.base.text import printable
from cronsched.cli.reasons import schedule_of, time_text
from cronsched.cli.terminal import Terminal
from cronsched.ledger import Executing, KnownJob, Ledger, Row

__all__ = ['Statuses', 'history_row', 'row_data', 'status_row']


MOST_OF_DETAIL = 1024   # characters; what the ledger keeps of it


class Statuses:
    """What is known of all jobs at this moment, in as many questions as there
    are kinds of them."""

    def __init__(self, ledger: Ledger) -> None:
        self._latest = ledger.latest()
        self._paused = ledger.paused()
        self._executing = defaultdict(list)
        for each in ledger.executing():
            self._executing[each.run.application_id, each.run.job].append(each)

    def of(self, job: KnownJob) -> dict[str, Any]:
        key = job.application_id, job.job
        row, now = self._latest.get(key), time.time()
        schedule = schedule_of(job)
        return {
            'application_id': job.application_id,
            'job': job.job,
            'scheduled': (row.until or row.run.scheduled) if row else None,
            'state': row.state if row else None,
            'took': _took(row) if row else None,
            'last_success': job.last_success,
            'next': schedule.next_epoch(int(now)) if schedule else None,
            'paused': self._paused.get(key, self._paused.get((None, job.job))),
            'next_attempt': row.next_attempt if row else None,
            'executing': [_executing(each, now) for each in self._executing[key]],
        }


def _executing(each: Executing, now: float) -> dict[str, Any]:
    return {
        'scheduled': each.run.scheduled, 'attempt': each.attempt, 'started': each.started,
        'host': each.host, 'pid': each.pid, 'thread': each.thread,
        'overdue': each.is_overdue(now),
    }


def row_data(row: Row) -> dict[str, Any]:
    data = row._asdict()
    run = data.pop('run')
    return {
        'application_id': run.application_id, 'job': run.job, 'scheduled': run.scheduled,
        **data, 'took': _took(row),
    }


def _took(row: Row) -> float | None:
    if row.started is None or row.ended is None:
        return None
    return round(row.ended - row.started, 3)


def status_row(data: Mapping[str, Any], terminal: Terminal) -> list[str]:
    """The cells of one job, from what `status_of` says."""
    paused = '-' if data['paused'] is None else data['paused'] or 'yes'
    return [
        printable(data['application_id']), printable(data['job']), time_text(data['scheduled']),
        _now_text(data, terminal), _took_text(data['took']),
        time_text(data['last_success']), time_text(data['next']), printable(paused),
    ]


def history_row(row: Row, terminal: Terminal) -> list[str]:
    return [
        time_text(row.run.scheduled) + (' by hand' if row.requested else ''),
        printable(row.run.application_id), printable(row.run.job),
        _state_text(row.state, terminal), _took_text(_took(row)), str(row.attempt),
        printable(_detail_text(row), MOST_OF_DETAIL),
    ]


def _now_text(data: Mapping[str, Any], terminal: Terminal) -> str:
    """The state of the last run, and who executes one past its timeout."""
    overdue = [each for each in data['executing'] if each['overdue']]
    text = _state_text(data['state'], terminal)
    if not overdue:
        return text
    each = overdue[0]
    return text + ', ' + terminal.bad(
        f'past its timeout: process {each["pid"]}, thread {printable(each["thread"])}')


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
