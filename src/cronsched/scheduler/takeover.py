"""What a new owner of an application id finds: the runs without a record.

Example::

    gap = gap_of(past_job, job, policy, at, offset)
    gap.fire          # the scheduled times to fire now
    gap.missed        # those that are too late, as (first, last, how many)

The owner before may have died at any moment, so a run may be missing between
two that are recorded; and our own scheduler may have sent the first run after
`at` before anybody asks here. So the latest record says little: every
scheduled time is looked for, back to when all of them were surely recorded.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Iterable
from types import CodeType
from typing import Final

from cronsched.jobs.job import Job
from cronsched.jobs.options import OPTIONS, Policy
from cronsched.ledger import Declared, PastJob, Plan
from cronsched.scheduler.bound import BoundApplication
from cronsched.scheduler.catchup import Gap, find_gap
from cronsched.scheduler.site import Site

__all__ = ['code_root', 'declare', 'gap_of', 'plan_of', 'reach_of']

DAY: Final = 86_400.0


def plan_of(job: Job) -> Plan:
    schedule = job.schedule
    return Plan(schedule.expression, schedule.zone.name, schedule.seed)


def reach_of(policies: Iterable[Policy]) -> float:
    """How far back a run of one of these may be missing, in seconds."""
    return max((DAY if each.catch_up is None else each.catch_up for each in policies), default=DAY)


class Recorded:
    """The scheduled times that have a record, be it one for many."""

    def __init__(self, past: PastJob) -> None:
        self._past = past

    def __contains__(self, scheduled: object) -> bool:
        return scheduled in self._past.single or any(
            isinstance(scheduled, int) and first <= scheduled <= last
            for first, last in self._past.ranges
        )


def gap_of(past: PastJob, job: Job, policy: Policy, at: float, offset: float) -> Gap:
    """What is missing of a job, of what was due before `at`."""
    if job.once or past.known.plan not in (None, plan_of(job)):
        return Gap()   # a schedule that was changed is as new
    return find_gap(
        job.schedule,
        after=_after(past, at),
        boundary=at,
        offset=offset,
        policy=policy,
        known=Recorded(past),
    )


def _after(past: PastJob, at: float) -> int:
    """A scheduled time, up to which nothing is missing. What a clock that was
    ahead has said of the future is not believed."""
    known = past.known
    since = int(min(known.since, at))
    planned = 0 if known.planned is None else int(min(known.planned, at))
    if past.before is not None:
        return max(past.before, planned)
    recorded = [each for each in past.single if each <= at]
    if recorded and not past.floor <= known.since <= at:
        return max(min(recorded), planned)   # what was older is forgotten
    if known.newest is not None and known.newest <= min(at, past.floor):
        since = max(since, known.newest)
    return max(since, planned)


# -- what the code says of a job

def declare(app: BoundApplication, index: int, offset: float) -> Declared:
    job = app.registered[index]
    said = _declared(app.site, job)
    return Declared(said.plan, offset, said.options, said.place, said.words)


_declarations: dict[tuple[int, int], tuple[Site, Job, Declared]] = {}
MOST_DECLARATIONS: Final = 10_000


def _declared(site: Site, job: Job) -> Declared:
    # With both, so that no id is that of another.
    found = _declarations.get((id(site), id(job)))
    if found is not None and found[2].plan == plan_of(job):
        return found[2]
    if len(_declarations) >= MOST_DECLARATIONS:
        _declarations.clear()
    declared = Declared(
        plan_of(job), 0.0, _options(site, job), _place(job), job.schedule.describe())
    _declarations[id(site), id(job)] = site, job, declared
    return declared


def _options(site: Site, job: Job) -> str:
    """JSON: each option with its value, and where that comes from."""
    policy = site.policy(job)
    return json.dumps({
        name: [getattr(policy, name), _source(site, job, name)] for name in OPTIONS
    })


def _source(site: Site, job: Job, option: str) -> str:
    if option in job.options:
        return 'job'
    return 'setting' if option in site.settings.options else 'default'


def _code(job: Job) -> CodeType | None:
    function: Callable[..., object] | None = job.function
    while (wrapped := getattr(function, '__wrapped__', None)) is not None:
        function = wrapped
    code = getattr(function, '__code__', None)
    return code if isinstance(code, CodeType) else None


def _place(job: Job) -> str | None:
    code = _code(job)
    return None if code is None else f'{code.co_filename}:{code.co_firstlineno}'


@functools.lru_cache(maxsize=1024)
def code_root(jobs: tuple[Job, ...]) -> str:
    """The directory that all the code of these jobs is in; '' if there is none."""
    files = {str(code.co_filename) for code in map(_code, jobs) if code is not None}
    try:
        return os.path.commonpath([os.path.dirname(os.path.abspath(each)) for each in files])
    except ValueError:
        return ''
