"""What is wrong with the jobs of a ledger, for `status --check`.

Example::

    for problem in problems_of(rows, owners, zones, now):
        print(problem)      # 'cleanup of org/zug failed at 14:42:00: ValueError: no town'
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import tzinfo
from typing import Any, Final

from cronsched.base.text import printable
from cronsched.cli.owners import Owners
from cronsched.cli.times import clock_text
from cronsched.cli.zones import Zones
from cronsched.ledger import KnownJob
from cronsched.report.reasons import schedule_of

__all__ = ['overdue_of', 'problems_of']

BAD: Final = {
    'failed': 'failed', 'timed_out': 'timed out', 'unreachable': 'could not be delivered',
    'lost': 'was lost, as its process died', 'missed': 'was missed',
}
# So long after it was due (seconds), a run has a record.
GRACE: Final = 600.0
MOST_OF_DETAIL: Final = 120     # characters


def problems_of(
    jobs: Sequence[KnownJob], rows: Sequence[Mapping[str, Any]], owners: Owners, zones: Zones,
    now: float,
) -> Iterator[str]:
    """A line each, in the order of `jobs`; `rows` are what `Statuses` has of
    them. Jobs that are paused, or no longer in the code, have no problem."""
    idle = set()
    for job, data in zip(jobs, rows, strict=True):
        zone = zones.of(job.application_id, job.job)
        name = f'{printable(job.job)} of {printable(job.application_id)}'
        yield from (f'{name} {text}' for text in overdue_of(data, zone, now))
        if not job.declared:
            continue
        if job.application_id not in idle and not owners.alive(job.application_id):
            idle.add(job.application_id)
            yield f'{printable(job.application_id)}: {owners.nobody(job.application_id)}'
        text = _ended_badly(data, zone, now) or _without_record(job, data, owners, zone, now)
        if text:
            yield f'{name} {text}'


def overdue_of(data: Mapping[str, Any], zone: tzinfo, now: float) -> Iterator[str]:
    """What executes beyond its timeout, and where."""
    for each in data['executing']:
        if each['overdue']:
            yield (f'is past its timeout: its run of {clock_text(each["scheduled"], zone, now)} '
                   f'still executes in process {each["pid"]} on {printable(each["host"])}, '
                   f'thread {printable(each["thread"])}')


def _ended_badly(data: Mapping[str, Any], zone: tzinfo, now: float) -> str:
    """Unless another attempt follows."""
    if data['state'] not in BAD or data['next_attempt'] is not None:
        return ''
    lines = (data['detail'] or '').splitlines()
    detail = f': {printable(lines[0], MOST_OF_DETAIL)}' if lines else ''
    return f'{BAD[data["state"]]} at {clock_text(data["scheduled"], zone, now)}{detail}'


def _without_record(
    job: KnownJob, data: Mapping[str, Any], owners: Owners, zone: tzinfo, now: float,
) -> str:
    schedule = schedule_of(job)
    if schedule is None or data['paused'] is not None or data['executing'] or not (
        owners.alive(job.application_id)
    ):
        return ''
    due = schedule.previous_epoch(int(now - job.offset - GRACE))
    known = max(job.newest or 0, int(max(job.since, job.planned or 0)))
    if due is None or due <= known:
        return ''
    return f'has no record of its run of {clock_text(due, zone, now)}'
