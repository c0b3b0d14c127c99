"""How the log names a run, an execution, an application id.

Example::

    title(app, job, due)       # 'cleanup of org/zug, due 14:41:00'
    reason(event)              # 'failed: status 500, ValueError: no such town'

Names, and text from outside, go through `printable`; the signed path of a job is
never logged.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from cronsched._cronsched import Event
from cronsched.base import clock
from cronsched.base.text import printable
from cronsched.jobs.job import Job
from cronsched.ledger import Executing
from cronsched.scheduler.bound import BoundApplication

__all__ = ['attempt_of', 'name', 'reason', 'still_executes', 'time_of', 'title']

# A time of another day has its date.
TODAY: Final = 12 * 3600.0


def name(app: BoundApplication, job: Job) -> str:
    return f'{printable(job.name)} of {printable(app.application_id)}'


def title(app: BoundApplication, job: Job, due: float) -> str:
    """`due` is UTC seconds; shown in the job's time zone."""
    return f'{name(app, job)}, due {time_of(job, due)}'


def time_of(job: Job, at: float) -> str:
    form = '%H:%M:%S' if abs(at - clock.now()) < TODAY else '%Y-%m-%d %H:%M:%S'
    return format(datetime.fromtimestamp(at, UTC).astimezone(job.timezone), form)


def attempt_of(event: Event) -> str:
    return f'attempt {event.attempt} ' if event.attempt > 1 else ''


def reason(event: Event) -> str:
    """How an attempt ended that did not end well."""
    took = f'after {event.took:.3f}s'
    said = [f'status {event.status}'] if event.status else []
    # The answer begins with the last line of the traceback of a view.
    said += [printable(line.strip()) for line in (event.detail or '').strip().splitlines()[:1]]
    told = f': {", ".join(said)}' if said else ''
    match event.outcome:
        case 'timed_out':
            return f'timed out {took}{told}'
        case 'unreachable':
            return f'could not be delivered, {took}{told}'
        case 'lost':
            return f'was lost: its process died{told}'
    return f'{event.outcome or "failed"}{told or f" {took}"}'


def still_executes(executing: Executing, now: float) -> str:
    """The process and thread of an execution, so that it can be found."""
    since = max(now - executing.started, 0.0)
    return (f'has been executing for {since:.0f} s, in process {executing.pid} on '
            f'{printable(executing.host)}, thread {printable(executing.thread)}')
