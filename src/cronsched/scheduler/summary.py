"""What a process says when it becomes the owner of an application id.

Example::

    summary(bound)
    # 3 jobs of shop at http://127.0.0.1:8000, next cleanup 14:42:22; see `cronsched status`
"""

from __future__ import annotations

from datetime import UTC, datetime

from cronsched.base import clock
from cronsched.base.text import printable
from cronsched.scheduler.bound import BoundApplication

__all__ = ['summary']


def summary(bound: BoundApplication) -> str:
    """One line; the next time is that of the job's own zone."""
    count = len(bound.registered)
    jobs = f'{count} job{"" if count == 1 else "s"}'
    place = f'{printable(bound.application_id)} at {printable(bound.base_url)}'
    return f'{jobs} of {place}{_next(bound)}; see `cronsched status`'


def _next(bound: BoundApplication) -> str:
    now = clock.now()
    coming = []
    for index, job in enumerate(bound.registered):
        scheduled = job.schedule.next_epoch(int(now))
        if scheduled is not None:
            coming.append((scheduled + bound.offset_of(index), job))
    if not coming:
        return ', none of which is ever due'
    due, job = min(coming, key=lambda each: each[0])
    local = datetime.fromtimestamp(due, UTC).astimezone(job.timezone)
    today = datetime.fromtimestamp(now, UTC).astimezone(job.timezone).date() == local.date()
    return f', next {printable(job.name)} {local:{"%H:%M:%S" if today else "%a %d %b %H:%M:%S"}}'
