"""What a new owner of an application id finds: the runs without a record.

Example::

    gap = Gaps().of(past_job, Prepared.of(site, job), at, offset)
    gap.fire          # the scheduled times to fire now
    gap.missed        # those that are too late, as (first, last, how many)

The owner before may have died at any moment, so a run may be missing between
two that are recorded; and our own scheduler may have sent the first run after
`at` before this is asked. So the latest record is not enough: every scheduled
time is looked for, back to when all of them were certainly recorded.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from math import ceil
from types import CodeType
from typing import Final

from cronsched.jobs.job import Job
from cronsched.jobs.options import RUNNING, Policy
from cronsched.ledger import Declared, KnownJob, PastJob, Plan
from cronsched.schedule import Schedule
from cronsched.scheduler.catchup import Gap, find_gap
from cronsched.scheduler.site import Site

__all__ = ['Gaps', 'Prepared', 'code_root', 'plan_of', 'reach_of']

DAY: Final = 86_400.0
ROOM: Final = ('max_concurrency', 'max_per_application')

# Gaps that are kept.
MOST: Final = 10_000
NOTHING: Final = Gap()


def plan_of(job: Job) -> Plan:
    schedule = job.schedule
    return Plan(schedule.expression, schedule.zone.name, schedule.seed)


def reach_of(policies: Iterable[Policy]) -> float:
    """How far back a run of one of these may be missing, in seconds."""
    return max((DAY if each.catch_up is None else each.catch_up for each in policies), default=DAY)


class Recorded:
    """The scheduled times that have a record, be it one for many."""

    def __init__(self, past: PastJob) -> None:
        self._single = frozenset(past.single)
        self._ranges = past.ranges

    def __contains__(self, scheduled: object) -> bool:
        return scheduled in self._single or any(
            isinstance(scheduled, int) and first <= scheduled <= last
            for first, last in self._ranges
        )


@dataclass(frozen=True, slots=True)
class Prepared:
    """A job with what is the same of it for all application ids of a site."""

    job: Job
    policy: Policy
    declared: Declared      # but for the offset

    @classmethod
    def of(cls, site: Site, job: Job) -> Prepared:
        policy = site.policy(job)
        return cls(job, policy, Declared(
            plan_of(job), 0.0, _options(site, job, policy), _place(job),
            job.schedule.describe()))

    def declare(self, offset: float) -> Declared:
        said = self.declared
        return Declared(said.plan, offset, said.options, said.place, said.words)

    def is_known(self, known: KnownJob, offset: float) -> bool:
        """Whether the ledger knows it as it is."""
        said = self.declared
        return known.declared and (
            (known.plan, known.offset, known.options, known.place, known.words)
            == (said.plan, offset, said.options, said.place, said.words))


class Gaps:
    """The gaps of many application ids, whose jobs have mostly run alike.

    Example::

        gap = Gaps().of(past, prepared, at, offset)
    """

    def __init__(self) -> None:
        # The schedule is kept too, so that no other gets its id.
        self._found: dict[tuple[int, int, int, int], tuple[Schedule, Gap]] = {}

    def of(self, past: PastJob, prepared: Prepared, at: float, offset: float) -> Gap:
        """The runs of a job that were due before `at` and have no record.
        `prepared` must live as long as this does."""
        if prepared.job.once or past.known.plan not in (None, prepared.declared.plan):
            return NOTHING   # a schedule that was changed is as new
        after = _after(past, at)
        if past.ranges or (past.single and max(past.single) > after):
            return _find(prepared, after, at, offset, Recorded(past))
        # Without a record, only these say what is missing.
        schedule = prepared.job.schedule
        key = id(prepared), id(schedule), after, ceil(at - offset)
        found = self._found.get(key)
        if found is None:
            if len(self._found) >= MOST:
                self._found.clear()
            found = self._found[key] = schedule, _find(prepared, after, at, offset, ())
        return found[1]


def _find(
    prepared: Prepared, after: int, at: float, offset: float, known: Container[int],
) -> Gap:
    return find_gap(
        prepared.job.schedule, after=after, boundary=at, offset=offset, policy=prepared.policy,
        known=known)


def _after(past: PastJob, at: float) -> int:
    """A scheduled time, up to which nothing is missing. What a clock that was
    ahead recorded for the future is ignored."""
    known = past.known
    planned = 0 if known.planned is None else int(min(known.planned, at))
    if past.before is not None:
        return max(past.before, planned)
    if past.single and not past.floor <= known.since <= at:
        oldest = min(past.single)
        if oldest <= at:
            return max(oldest, planned)   # what was older is forgotten
    since = int(min(known.since, at))
    if known.newest is not None and known.newest <= min(at, past.floor):
        since = max(since, known.newest)
    return max(since, planned)


# -- what the code says of a job

def _options(site: Site, job: Job, policy: Policy) -> str:
    """JSON: each option with its value, and where that comes from; and how
    many are called at once."""
    settings = site.settings
    return json.dumps({
        **{name: [getattr(policy, name), _source(site, job, name)] for name in RUNNING},
        **{name: [getattr(settings, name), 'setting' if name in settings.given else 'default']
           for name in ROOM},
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
