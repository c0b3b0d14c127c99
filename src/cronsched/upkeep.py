"""What the reporter does beside reporting: catching up, and keeping house.

On taking over an application id, runs that are missing since the last one in
the ledger are fired or recorded as missed. Once a minute: runs whose process
died are recorded as lost, and new time zone rules are taken. Once a day: old
runs are forgotten.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from cronsched import zones
from cronsched._cronsched import Zone
from cronsched.catchup import Gap, find_gap
from cronsched.ledger.base import Ledger, Run
from cronsched.schedule import Schedule

if TYPE_CHECKING:
    from cronsched.bound import ApplicationBoundCronjobs
    from cronsched.job import Job
    from cronsched.scheduler import Service

__all__ = ['Upkeep']

log = logging.getLogger('cronsched')

MINUTE: Final = 60.0
DAY: Final = 86_400.0

# Rows looked at for runs that are missing between others.
MOST_ROWS: Final = 10_000


class Upkeep:
    """See the module. Used by one thread."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._next_minute = time.monotonic() + MINUTE
        self._next_day = time.monotonic() + MINUTE

    def run_due(self) -> None:
        now = time.monotonic()
        if now >= self._next_minute:
            self._next_minute = now + MINUTE
            self.refresh_zones()
            self.recover()
        if now >= self._next_day:
            self._next_day = now + DAY
            self.prune()

    # -- once a minute, once a day -------------------------------------------

    def refresh_zones(self) -> None:
        changed = zones.refresh()
        jobs = self._service.jobs
        moved = [handle for handle, job in list(jobs.items()) if job.schedule.zone in changed]
        for handle in moved:
            self._redefine(handle, jobs[handle], changed)
        if changed:
            names = ', '.join(sorted(zone.name for zone in changed))
            log.info('New rules for %s: %d job(s) planned anew', names, len(moved))

    def _redefine(self, handle: int, job: Job, changed: dict[Zone, Zone]) -> None:
        old = job.schedule
        job.schedule = Schedule(old.expression, changed[old.zone], seed=old.seed)
        self._service.native.redefine(handle, job.schedule)

    def recover(self) -> None:
        for ledger in self._ledgers():
            for run in ledger.recover(time.time()):
                log.error('%s of %s was lost: its process died', run.job, run.application_id)
                self._repeat(run)

    def _repeat(self, run: Run) -> None:
        """A lost run is tried again if its job allows it; whether it may, the
        claim decides."""
        for app in list(self._service.apps.values()):
            if app.application_id == run.application_id:
                index = app.index_of(run.job)
                if index is not None and app.policy(index).retries:
                    app.fire(index, run.scheduled)

    def prune(self) -> None:
        for app in {id(app.site.ledger): app for app in self._apps()}.values():
            if app.site.ledger is not None:
                app.site.ledger.prune(time.time() - app.site.settings.history_days * DAY)

    def _apps(self) -> Collection[ApplicationBoundCronjobs]:
        return list(self._service.apps.values())

    def _ledgers(self) -> Collection[Ledger]:
        found = {id(app.site.ledger): app.site.ledger for app in self._apps()}
        return [ledger for ledger in found.values() if ledger is not None]

    # -- taking over ---------------------------------------------------------

    def take_over(self, app: ApplicationBoundCronjobs, at: float) -> None:
        """This process owns `app` since `at` (UTC seconds)."""
        for index, job in enumerate(app.registered):
            if job.schedule.parts['reboot']:
                app.fire(index, int(at))
        ledger = app.site.ledger
        if ledger is None:
            return
        ledger.recover(time.time())
        ledger.seen(app.application_id, app.base_url, [job.name for job in app.registered], at)
        last_runs = ledger.last_runs(app.application_id)
        for index, job in enumerate(app.registered):
            if not job.once and job.name in last_runs:
                self._catch_up(app, index, last_runs[job.name], at)

    def _catch_up(
        self, app: ApplicationBoundCronjobs, index: int, last: int, at: float
    ) -> None:
        job, policy = app.registered[index], app.policy(index)
        known = () if policy.coalesce else self._known(app, job, at - (policy.catch_up or DAY))
        gap = find_gap(
            job.schedule,
            after=min(known, default=last),
            boundary=at,
            offset=app.offset_of(index),
            policy=policy,
            known=known,
        )
        self._record_missed(app, job, gap, at)
        for scheduled in gap.fire:
            app.fire(index, scheduled)

    def _known(
        self, app: ApplicationBoundCronjobs, job: Job, since: float
    ) -> Collection[int]:
        """Scheduled times that have a record. Between two of them one may be
        missing: its owner died while it waited."""
        assert app.site.ledger is not None
        rows = app.site.ledger.history(
            application_id=app.application_id, job=job.name, since=since, limit=MOST_ROWS
        )
        return {row.run.scheduled for row in rows if row.run.scheduled >= since}

    def _record_missed(
        self, app: ApplicationBoundCronjobs, job: Job, gap: Gap, at: float
    ) -> None:
        if gap.missed is None:
            return
        first, last, count = gap.missed
        log.warning('%s of %s missed %d run(s)', job.name, app.application_id, count)
        assert app.site.ledger is not None
        app.site.ledger.record(
            Run(app.application_id, job.name, first), 'missed', at=at, until=last, count=count
        )
