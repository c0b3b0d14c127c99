"""What a new owner of an application id finds: the runs without a record.

Example::

    past = Past.of(ledger, app, at)
    past.gap_of(app, index, at).fire    # the scheduled times to fire now

The owner before may have died at any moment, so a run may be missing between
two that are recorded; and our own scheduler may have sent the first run after
`at` before anybody asks here. So the latest record says little: every
scheduled time is looked for, back to when all of them were surely recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Final

from cronsched.jobs.job import Job
from cronsched.ledger.protocol import KnownJob, Ledger, Plan, Row
from cronsched.scheduler.bound import BoundApplication
from cronsched.scheduler.catchup import Gap, find_gap

__all__ = ['Past', 'plan_of']

DAY: Final = 86_400.0

# Rows looked at for runs that are missing between others.
MOST_ROWS: Final = 10_000


def plan_of(job: Job) -> Plan:
    schedule = job.schedule
    return Plan(schedule.expression, schedule.zone.name, schedule.seed)


class Recorded:
    """The scheduled times that have a record, be it one for many."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._single = {row.run.scheduled for row in rows if row.until is None}
        self._ranges = [(row.run.scheduled, row.until) for row in rows if row.until is not None]

    def __contains__(self, scheduled: object) -> bool:
        return scheduled in self._single or any(
            isinstance(scheduled, int) and first <= scheduled <= last
            for first, last in self._ranges
        )


@dataclass(frozen=True, slots=True)
class Past:
    """What the ledger knows of an application id. Made before it is told
    which jobs there are now. `rows` are those since `floor`, all of them."""

    ledger: Ledger
    jobs: Mapping[str, KnownJob]
    rows: Mapping[str, list[Row]]
    floor: float

    @classmethod
    def of(cls, ledger: Ledger, app: BoundApplication, at: float) -> Past:
        jobs = {each.job: each for each in ledger.jobs(app.application_id)}
        # The last owner lived until then; what it left undone is not older
        # than what it would have caught up itself.
        lived = max((_newest(job) for job in jobs.values()), default=at)
        policies = [app.policy(index) for index in range(len(app.registered))]
        floor = min(lived, at) - max((each.catch_up or DAY for each in policies), default=DAY)
        found = ledger.history(
            application_id=app.application_id, since=floor, limit=MOST_ROWS
        ) if jobs else []
        if len(found) == MOST_ROWS:
            floor = found[-1].run.scheduled + 1
        rows: dict[str, list[Row]] = {}
        for row in found:
            rows.setdefault(row.run.job, []).append(row)
        return cls(ledger, jobs, rows, floor)

    def gap_of(self, app: BoundApplication, index: int, at: float) -> Gap:
        """What is missing of a job, of what was due before `at`."""
        job, offset = app.registered[index], app.offset_of(index)
        known = self.jobs.get(job.name)
        if known is None or job.once:
            return Gap()   # a job never seen before has missed nothing
        return find_gap(
            job.schedule,
            after=self._after(known, plan_of(job), ceil(at - offset)),
            boundary=at,
            offset=offset,
            policy=app.policy(index),
            known=Recorded(self.rows.get(job.name, ())),
        )

    def to_repeat(self, app: BoundApplication, index: int, at: float) -> list[int]:
        """The scheduled times whose runs were lost and have an attempt left,
        whoever it was that found them lost."""
        policy, rows = app.policy(index), self.rows.get(app.registered[index].name, [])
        first = at - app.offset_of(index) - (DAY if policy.catch_up is None else policy.catch_up)
        return [
            row.run.scheduled
            for row in reversed(rows[:1] if policy.coalesce else rows)
            if row.state == 'lost' and row.attempt <= policy.retries
            and row.run.scheduled >= first
        ]

    def _after(self, known: KnownJob, plan: Plan, end: int) -> int:
        """A scheduled time, up to which nothing is missing."""
        if _newest(known) < self.floor or known.newest is None:
            return _newest(known)
        rows = [row for row in self.rows.get(known.job, ()) if row.run.scheduled < end]
        if rows and known.plan not in (None, plan):
            # Before, it ran by another schedule, and missed nothing of this.
            return max(map(_last_of, rows))
        before = self.ledger.history(
            application_id=known.application_id, job=known.job, until=self.floor - 1, limit=1
        )
        if before:
            return _last_of(before[0])
        if known.since < self.floor and rows:
            return rows[-1].run.scheduled   # what was older is forgotten
        return int(known.since)


def _newest(known: KnownJob) -> int:
    return int(known.since) if known.newest is None else known.newest


def _last_of(row: Row) -> int:
    return row.run.scheduled if row.until is None else row.until
