"""What `status` and `history` show of a job and of a run, as the texts of a
table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cronsched.base.text import printable
from cronsched.cli.terminal import Terminal
from cronsched.ledger import Row
from cronsched.report.overview import took_of
from cronsched.report.reasons import time_text

__all__ = ['history_row', 'status_row']


MOST_OF_DETAIL = 1024   # characters; what the ledger keeps of it


def status_row(data: Mapping[str, Any], terminal: Terminal) -> list[str]:
    """The cells of one job, from what `Statuses.of` says."""
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
        _state_text(row.state, terminal), _took_text(took_of(row)), str(row.attempt),
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
