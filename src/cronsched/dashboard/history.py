"""Runs of all jobs or of one, the newest first: filtered, paged, and as CSV or
JSON by the same query.
"""

from __future__ import annotations

from typing import Any, Final

from cronsched.dashboard.messages import Unreadable
from cronsched.dashboard.view import Page, View, find_job, only_timezone, timezone_of
from cronsched.dashboard.words import STATES
from cronsched.ledger import OUTCOMES, Row

__all__ = ['page']

SIZE: Final = 100
MOST: Final = 10_000     # of a table for a program
FILTERED: Final = (*OUTCOMES, 'running', 'queued')


def page(view: View) -> Page:
    request = view.request
    application_id, job = request.values.get('application'), request.values.get('job')
    timezone = _timezone(view, application_id, job)
    size = request.number('limit', SIZE, MOST)
    skip = request.number('skip', 0, 1_000_000_000, least=0)
    until = view.instant('to', timezone)
    rows = view.ledger.history(
        application_id=application_id or None, job=job or None,
        since=view.instant('from', timezone), until=until,
        states=_states(view), requested=True if request.value('hand') else None,
        limit=size + 1, skip=skip)
    more = len(rows) > size
    rows = rows[:size]
    return Page('history.html', {
        'application': application_id, 'job': job, 'timezone': timezone,
        'state': request.value('state'), 'from': request.value('from'),
        'to': request.value('to'), 'hand': bool(request.value('hand')),
        'runs': [view.run_data(row) for row in rows],
        'older': _older(view, rows, until, skip) if more else None,
    }, rows='runs', drawn={'states': [STATES[each] for each in FILTERED]})


def _timezone(view: View, application_id: str | None, job: str | None) -> str | None:
    """In whose zone times are told: that of the job, or of all of them."""
    if not application_id or not job:
        return only_timezone(view.ledger)
    return timezone_of(find_job(view.ledger, application_id, job))


def _states(view: View) -> tuple[str, ...]:
    chosen = view.request.value('state')
    if chosen and chosen not in FILTERED:
        raise Unreadable(f'state={chosen[:20]!r} is none: write one of {", ".join(FILTERED)}')
    return (chosen,) if chosen else ()


def _older(view: View, rows: list[Row], until: int | None, skip: int) -> str:
    """From the last one on: by its time, so that no page is slower than the
    first, and without those of its second that were shown."""
    last = rows[-1].run.scheduled
    same = sum(row.run.scheduled == last for row in rows)
    # All of one second: those that were left out before are of it, too.
    same += skip if same == len(rows) and until == last else 0
    values: dict[str, Any] = {'to': last, 'skip': same}
    return view.here('history', **values)
