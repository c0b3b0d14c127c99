"""What the reporter does beside reporting: catching up, and keeping house.

On taking over an application id, runs that are missing since the last one in
the ledger are fired or recorded as missed. Once a minute: runs whose process
died are recorded as lost, and new time zone rules are taken. Once a second:
runs asked for by hand are fired. Once a day: old runs are forgotten.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from cronsched import clock, zones
from cronsched._cronsched import Zone
from cronsched.catchup import Gap, find_gap
from cronsched.ledger.base import Ledger, Plan, Run
from cronsched.schedule import Schedule

if TYPE_CHECKING:
    from cronsched.bound import ApplicationBoundCronjobs
    from cronsched.job import Job
    from cronsched.scheduler import Service
    from cronsched.site import Site

__all__ = ['Upkeep']

log = logging.getLogger('cronsched')

SECOND: Final = 1.0
MINUTE: Final = 60.0
DAY: Final = 86_400.0

# Rows looked at for runs that are missing between others.
MOST_ROWS: Final = 10_000


class Upkeep:
    """See the module. Used by one thread."""

    def __init__(self, service: Service) -> None:
        self._service = service
        # Those with a ledger; without one there is nothing to keep.
        self._owned: dict[str, ApplicationBoundCronjobs] = {}
        self._next_second = time.monotonic()
        self._next_minute = time.monotonic() + MINUTE
        self._next_day = time.monotonic() + MINUTE

    def run_due(self) -> None:
        now = time.monotonic()
        if now >= self._next_second:
            self._next_second = now + SECOND
            self.fire_requested()
        if now >= self._next_minute:
            self._next_minute = now + MINUTE
            self.refresh_zones()
            self.recover()
        if now >= self._next_day:
            self._next_day = now + DAY
            self.prune()

    # -- now and then --------------------------------------------------------

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
        for site in self._sites():
            self._recover(_ledger_of(site))

    def _recover(self, ledger: Ledger) -> None:
        for run in ledger.recover(clock.now()):
            log.error('%s of %s was lost: its process died', run.job, run.application_id)
            # It is tried again if its job allows it; whether it may, the
            # claim decides.
            app, index = self._find(run)
            if app is not None and app.policy(index).retries:
                app.fire(index, run.scheduled)

    def fire_requested(self) -> None:
        """Runs that somebody asked for by hand, in another process."""
        for site in self._sites():
            owned = [each.application_id for each in self._owned.values() if each.site is site]
            for run in _ledger_of(site).take_requests(owned, clock.now()):
                app, index = self._find(run)
                if app is not None:
                    app.fire(index, run.scheduled)

    def prune(self) -> None:
        for site in self._sites():
            _ledger_of(site).prune(clock.now() - site.settings.history_days * DAY)

    def _sites(self) -> Collection[Site]:
        """Of the application ids owned here, each once."""
        return {id(app.site): app.site for app in self._owned.values()}.values()

    def _find(self, run: Run) -> tuple[ApplicationBoundCronjobs | None, int]:
        """The call of a run, if it is ours to make."""
        app = self._owned.get(run.application_id)
        index = app.index_of(run.job) if app is not None else None
        return (None, -1) if index is None else (app, index)

    # -- taking over ---------------------------------------------------------

    def hand_over(self, app: ApplicationBoundCronjobs) -> None:
        self._owned.pop(app.application_id, None)

    def take_over(self, app: ApplicationBoundCronjobs, at: float) -> None:
        """This process owns `app` since `at` (UTC seconds)."""
        ledger = app.site.ledger
        if ledger is None:
            return
        self._owned[app.application_id] = app
        self._recover(ledger)
        plans = {job.name: _plan_of(job) for job in app.registered}
        ledger.seen(app.application_id, app.base_url, plans, at)
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
        rows = _ledger_of(app.site).history(
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
        _ledger_of(app.site).record(
            Run(app.application_id, job.name, first), 'missed', at=at, until=last, count=count
        )


def _ledger_of(site: Site) -> Ledger:
    assert site.ledger is not None
    return site.ledger


def _plan_of(job: Job) -> Plan:
    schedule = job.schedule
    return Plan(schedule.expression, schedule.zone.name, schedule.seed)
