"""What the reporter does besides reporting: catch-up and housekeeping.

Application ids that were taken over are caught up in batches (`ownership`). Once
a second: runs requested by hand, and further attempts that are due, are fired.
Once a minute: runs whose process died are recorded as lost, new time zone rules
are loaded, and runs whose events were dropped are looked for. Once a day: old
runs are deleted.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from math import inf
from typing import Final

from cronsched._cronsched import Zone
from cronsched.base import clock
from cronsched.base.text import printable
from cronsched.jobs.job import Job
from cronsched.ledger.protocol import Due, Ledger, LedgerError, Row, Run
from cronsched.schedule import Schedule, zones
from cronsched.scheduler.bound import BoundApplication
from cronsched.scheduler.followed import Followed, took_of
from cronsched.scheduler.late import Late
from cronsched.scheduler.ownership import Ownership
from cronsched.scheduler.safe_log import alarm, say
from cronsched.scheduler.site import Site
from cronsched.scheduler.state import State
from cronsched.scheduler.strangers import Strangers
from cronsched.scheduler.words import title
from cronsched.telemetry.fields import fields

__all__ = ['Housekeeping']

SECOND: Final = 1.0
MINUTE: Final = 60.0
DAY: Final = 86_400.0

# Without its row, a run could be replayed while its signature is valid: so a row
# is kept this long after its timeout, or after the time in which it is caught up.
KEPT_LEAST: Final = 3_600.0


class Housekeeping:
    """See the module. Used by one thread."""

    def __init__(self, state: State) -> None:
        self._state = state
        #: Executions that nobody waits for.
        self.followed = Followed(state.telling)
        self.ownership = Ownership(state, self._recover, self.followed.add_all)
        self._strangers = Strangers(state, self.ownership)
        #: What a ledger could not take yet.
        self.late = Late()
        self._in_trouble = False
        self._dropped = 0
        self._doubtful: float | None = None   # until when; UTC seconds
        self._next_second = time.monotonic()
        self._next_minute = time.monotonic() + MINUTE
        self._next_day = time.monotonic() + MINUTE

    @property
    def is_busy(self) -> bool:
        """Whether more work is due now."""
        return bool(self.ownership.waiting) and not self._in_trouble

    def run_due(self) -> None:
        now = time.monotonic()
        self.ownership.follow()
        if now >= self._next_second:
            self._next_second = now + SECOND
            self._use_ledger(
                self.late.write_all, self.fire_requested, self.fire_attempts, self.followed.look)
        if self.is_busy:
            self._use_ledger(self.ownership.catch_up)
        if now >= self._next_minute:
            self._next_minute = now + MINUTE
            self.refresh_zones()
            self._use_ledger(self.recover, self._strangers.look)
            self.look_again()
        if now >= self._next_day:
            self._next_day = now + DAY
            self._use_ledger(self.prune)

    def settle(self) -> None:
        """Do everything that is due; for a clock that is moved by hand."""
        self.ownership.follow()
        self._use_ledger(self.late.write_all)
        while self.is_busy:
            self._use_ledger(self.ownership.catch_up)

    def _use_ledger(self, *actions: Callable[[], object]) -> None:
        try:
            for action in actions:
                action()
        except LedgerError as error:
            if not self._in_trouble:   # logged once, not each second
                say(logging.ERROR, 'The ledger cannot be used: %s', error)
            self._in_trouble = True
        else:
            self._in_trouble = False

    # -- now and then --------------------------------------------------------

    def refresh_zones(self) -> None:
        changed = zones.refresh()
        jobs = self._state.jobs
        moved = [handle for handle, job in list(jobs.items()) if job.schedule.zone in changed]
        for handle in moved:
            self._redefine(handle, jobs[handle], changed)
        if changed:
            names = ', '.join(sorted(zone.name for zone in changed))
            say(logging.INFO, 'New rules for %s: %d job(s) planned anew', names, len(moved))

    def _redefine(self, handle: int, job: Job, changed: dict[Zone, Zone]) -> None:
        old = job.schedule
        job.schedule = Schedule(old.expression, changed[old.zone], seed=old.seed)
        self._state.native.redefine(handle, job.schedule)

    def recover(self) -> None:
        for site in self._sites():
            self._recover(_ledger_of(site))

    def _recover(self, ledger: Ledger) -> None:
        """Attempts that are left of what was lost are due at once."""
        for run in ledger.recover():
            alarm('%s of %s was lost: its process died',
                  printable(run.job), printable(run.application_id),
                  extra=fields(run.application_id, run.job, run.scheduled, outcome='lost'))
            app, index = self._find(run)
            row = ledger.find(run)
            if app is not None and row is not None:
                self._tell_end(app, index, row, ended=row.next_attempt is None)

    def _tell_end(
        self, app: BoundApplication, index: int, row: Row, *, ended: bool = True,
    ) -> None:
        job, run = app.registered[index], row.run
        self._state.telling.tell(
            'ended' if ended else 'retrying', app, job, run.scheduled,
            due=run.scheduled + app.offset_of(index), at=clock.now(), attempt=row.attempt,
            outcome=row.state, took=took_of(row), status=row.status, error=row.detail)

    def fire_requested(self) -> None:
        """Runs that somebody asked for by hand, in another process. Asked on
        standby too: that writes what this process could not write before."""
        apps = list(self._state.apps.values())
        for site in {id(app.site): app.site for app in apps}.values():
            if site.ledger is None:
                continue
            for run in site.ledger.take_requests(self._ids_of(site)):
                app, index = self._find(run)
                if app is not None:
                    self.ownership.fire(app, index, run.scheduled)

    def fire_attempts(self) -> None:
        """Further attempts whose time has come, whoever made the first."""
        for site in self._sites():
            ledger = _ledger_of(site)
            for due in ledger.attempts_due(self._ids_of(site)):
                app, index = self._find(due.run)
                if app is not None:
                    self._fire_attempt(ledger, app, index, due)

    def _fire_attempt(
        self, ledger: Ledger, app: BoundApplication, index: int, due: Due,
    ) -> None:
        if due.overlaps and app.policy(index).overlap != 'allow':
            return   # the other one has to end before
        if not due.waited and due.since > _next_due(app, index, due.run.scheduled):
            ledger.drop_attempt(due)
            job, run = app.registered[index], due.run
            alarm('%s ended so, and no further attempt is made: its next run is due (%s)',
                  title(app, job, run.scheduled), due.state,
                  extra=fields(run.application_id, run.job, run.scheduled, outcome=due.state))
            row = ledger.find(run)
            if row is not None:
                self._tell_end(app, index, row)
            return
        self.ownership.fire(app, index, due.run.scheduled, attempt=due.attempt)

    def look_again(self) -> None:
        """The runs of events that were dropped may have no record."""
        # After a minute, runs that were executing then have one.
        if self._doubtful is not None:
            for app in list(self.ownership.owned.values()):
                self.ownership.look_again(app, self._doubtful)
            self._doubtful = None
        dropped = self._state.native.stats()['events_dropped']
        if dropped > self._dropped:
            say(logging.ERROR,
                '%d event(s) were dropped, as they came too fast: the runs without a record '
                'are looked for',
                dropped - self._dropped)
            self._dropped, self._doubtful = dropped, clock.now()

    def doubt(self) -> None:
        """A run that was due may have no record: look for it in a minute."""
        self._doubtful = clock.now()

    def prune(self) -> None:
        for site in self._sites():
            policies = [app.policy(index) for app in self._apps_of(site)
                        for index in range(len(app.registered))]
            replayed = max((each.timeout for each in policies), default=0.0)
            late = max((each.catch_up or 0.0 for each in policies), default=0.0)
            kept = max(site.settings.history_days * DAY, replayed + KEPT_LEAST, late + KEPT_LEAST)
            _ledger_of(site).prune(clock.now() - kept)

    # -- which runs and calls --------------------------------------------------------

    def _sites(self) -> Collection[Site]:
        """Of the application ids owned here, each once."""
        return {id(app.site): app.site for app in self.ownership.owned.values()}.values()

    def _apps_of(self, site: Site) -> list[BoundApplication]:
        return [app for app in self.ownership.owned.values() if app.site is site]

    def _ids_of(self, site: Site) -> Collection[str]:
        return {app.application_id for app in self._apps_of(site)}

    def _find(self, run: Run) -> tuple[BoundApplication | None, int]:
        """The call of a run, if it is ours to make."""
        app = self.ownership.owned.get(run.application_id)
        index = app.index_of(run.job) if app is not None else None
        return (None, -1) if index is None else (app, index)


def _next_due(app: BoundApplication, index: int, scheduled: int) -> float:
    """When the run after `scheduled` is due."""
    following = app.registered[index].schedule.next_epoch(scheduled)
    return inf if following is None else following + app.offset_of(index)


def _ledger_of(site: Site) -> Ledger:
    assert site.ledger is not None
    return site.ledger
