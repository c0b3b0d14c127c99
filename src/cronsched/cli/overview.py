"""The cells of the tables of `status` and `history`.

Example::

    status_row(Statuses(ledger).of(job), zone, now, terminal)
    # ['org/zug', 'cleanup', '14:42:00 +22 s', 'ok', '1.2 s', '14:57:00 +22 s', '14:42:00']
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any, Final

from cronsched.base.text import printable
from cronsched.cli.terminal import Column, Terminal
from cronsched.cli.times import clock_text, late_text, took_text
from cronsched.ledger import Row
from cronsched.report.overview import took_of

__all__ = ['HISTORY', 'STATUS', 'history_row', 'state_text', 'status_row']

STATUS: Final = (
    Column('APPLICATION', 8), Column('JOB', 10), Column('LAST RUN', 14), Column('STATE', 7),
    Column('TOOK', optional=True), Column('NEXT', 14),
)
HISTORY: Final = (
    Column('SCHEDULED', 16), Column('APPLICATION', 8), Column('JOB', 10), Column('STATE', 7),
    Column('TOOK', optional=True), Column('DETAIL', 10),
)
MOST_OF_DETAIL: Final = 1024   # characters; what the ledger keeps of it


def status_row(
    data: Mapping[str, Any], zone: tzinfo, now: float, owned: bool, terminal: Terminal,
) -> list[str]:
    """A job; `owned`: a process makes its calls."""
    return [
        printable(data['application_id']), printable(data['job']), _last_text(data, zone, now),
        state_text(data['state'], terminal), took_text(data['took']),
        _next_text(data, zone, now, owned, terminal),
    ]


def history_row(row: Row, zone: tzinfo, now: float, terminal: Terminal) -> list[str]:
    return [
        _time_and_delay(row.run.scheduled, row.started, zone, now),
        printable(row.run.application_id), printable(row.run.job),
        state_text(row.state, terminal), took_text(took_of(row)),
        printable(_detail_text(row, zone, now), MOST_OF_DETAIL),
    ]


def _last_text(data: Mapping[str, Any], zone: tzinfo, now: float) -> str:
    if data['scheduled'] is None:
        return '-'
    if data['requested']:
        return f'{clock_text(data["scheduled"], zone, now)} by hand'
    return _time_and_delay(data['scheduled'], data['started'], zone, now)


def _next_text(
    data: Mapping[str, Any], zone: tzinfo, now: float, owned: bool, terminal: Terminal,
) -> str:
    if not data['declared']:
        return terminal.faint('not in the code')
    if data['paused'] is not None:
        note = f': {printable(data["paused"])}' if data['paused'] else ''
        return terminal.warning(f'paused{note}')
    if not owned or data['next'] is None:
        return '-'
    return _time_and_delay(data['next'], data['next'] + data['offset'], zone, now)


def _time_and_delay(scheduled: int, actual: float | None, zone: tzinfo, now: float) -> str:
    delay = late_text(actual - scheduled) if actual is not None else ''
    return f'{clock_text(scheduled, zone, now)} {delay}'.rstrip()


def state_text(state: str | None, terminal: Terminal) -> str:
    if state in (None, 'running', 'queued'):
        return state or '-'
    if state == 'ok':
        return terminal.good(state)
    paint = terminal.warning if state.startswith('skipped') else terminal.bad
    return paint(state)


def _detail_text(row: Row, zone: tzinfo, now: float) -> str:
    parts = [f'by hand{f", {row.by}" if row.by else ""}'] if row.requested else []
    parts += [f'attempt {row.attempt}'] if row.attempt > 1 else []
    if row.until is not None:
        parts.append(f'{row.count} runs until {clock_text(row.until, zone, now)}')
    parts += [f'status {row.status}'] if row.status not in (None, 200) else []
    parts += row.detail.splitlines()[:1] if row.detail else []
    if row.next_attempt is not None and row.state != 'queued':
        parts.append(f'attempt {row.attempt + 1} at {clock_text(row.next_attempt, zone, now)}')
    return ', '.join(parts)
