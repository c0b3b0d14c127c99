"""What the reporter does beside reporting: catching up, and keeping house.

On taking over an application id, runs that are missing since the last one in
the ledger are fired or recorded as missed. Once a minute: runs whose process
died are recorded as lost, new time zone rules are taken, and what events
that found no room told of is looked for. Once a second:
runs asked for by hand are fired. Once a day: old runs are forgotten.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Collection
from functools import partial
from typing import Final

from cronsched._cronsched import SchedulerError, Zone
from cronsched.base import clock
from cronsched.jobs.job import Job
from cronsched.ledger.protocol import Ledger, LedgerError, Run
from cronsched.schedule import Schedule, zones
from cronsched.scheduler.bound import BoundApplication
from cronsched.scheduler.site import Site
from cronsched.scheduler.state import State
from cronsched.scheduler.takeover import Past, plan_of

__all__ = ['Housekeeping']

log = logging.getLogger('cronsched')

SECOND: Final = 1.0
MINUTE: Final = 60.0
DAY: Final = 86_400.0

# Without its row, a run could be replayed while its signature is good (300 s).
KEPT_LEAST: Final = 3_600.0

# What waits for a ledger that cannot be used, the oldest forgotten first.
MOST_LATE: Final = 10_000


class Housekeeping:
    """See the module. Used by one thread."""

    def __init__(self, state: State) -> None:
        self._state = state
        # Those with a ledger; without one there is nothing to keep.
        self._owned: dict[str, BoundApplication] = {}
        # Bounded: of a ledger that is away for days, the log tells the rest.
        self._late: deque[Callable[[], object]] = deque(maxlen=MOST_LATE)
        self._in_trouble = False
        self._dropped = 0
        self._doubtful: float | None = None   # until when; UTC seconds
        self._next_second = time.monotonic()
        self._next_minute = time.monotonic() + MINUTE
        self._next_day = time.monotonic() + MINUTE

    def run_due(self) -> None:
        now = time.monotonic()
        if now >= self._next_second:
            self._next_second = now + SECOND
            self._use_ledger(self.write_late, self.fire_requested)
        if now >= self._next_minute:
            self._next_minute = now + MINUTE
            self.refresh_zones()
            self._use_ledger(self.recover)
            self.look_again()
        if now >= self._next_day:
            self._next_day = now + DAY
            self._use_ledger(self.prune)

    def _use_ledger(self, *actions: Callable[[], None]) -> None:
        try:
            for action in actions:
                action()
        except LedgerError as error:
            if not self._in_trouble:   # said once, not each second
                log.error('The ledger cannot be used: %s', error)
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
            log.info('New rules for %s: %d job(s) planned anew', names, len(moved))

    def _redefine(self, handle: int, job: Job, changed: dict[Zone, Zone]) -> None:
        old = job.schedule
        job.schedule = Schedule(old.expression, changed[old.zone], seed=old.seed)
        self._state.native.redefine(handle, job.schedule)

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
                self._fire(app, index, run.scheduled)

    def fire_requested(self) -> None:
        """Runs that somebody asked for by hand, in another process. Asked on
        standby too: that writes what this process could not write before."""
        apps = list(self._state.apps.values())
        for site in {id(app.site): app.site for app in apps}.values():
            if site.ledger is None:
                continue
            owned = [each.application_id for each in self._owned.values() if each.site is site]
            for run in site.ledger.take_requests(owned, clock.now()):
                app, index = self._find(run)
                if app is not None:
                    self._fire(app, index, run.scheduled)

    def look_again(self) -> None:
        """Events that found no room told of runs that may have no record."""
        # After a minute, what was under way then has one.
        if self._doubtful is not None:
            for app in list(self._owned.values()):
                self.write(partial(self._catch_up, app, self._doubtful))
            self._doubtful = None
        dropped = self._state.native.stats()['events_dropped']
        if dropped > self._dropped:
            log.error(
                '%d event(s) came too fast to be told: the runs without a record are looked for',
                dropped - self._dropped,
            )
            self._dropped, self._doubtful = dropped, clock.now()

    def prune(self) -> None:
        for site in self._sites():
            kept = max(site.settings.history_days * DAY, KEPT_LEAST)
            _ledger_of(site).prune(clock.now() - kept)

    def _sites(self) -> Collection[Site]:
        """Of the application ids owned here, each once."""
        return {id(app.site): app.site for app in self._owned.values()}.values()

    def _find(self, run: Run) -> tuple[BoundApplication | None, int]:
        """The call of a run, if it is ours to make."""
        app = self._owned.get(run.application_id)
        index = app.index_of(run.job) if app is not None else None
        return (None, -1) if index is None else (app, index)

    def _fire(self, app: BoundApplication, index: int, scheduled: int) -> None:
        # One that cannot be fired keeps no other from it.
        try:
            app.fire(index, scheduled)
        except SchedulerError as error:
            log.warning(
                '%s of %s was not fired: %s',
                app.registered[index].name, app.application_id, error,
            )

    # -- taking over ---------------------------------------------------------

    def hand_over(self, app: BoundApplication) -> None:
        self._owned.pop(app.application_id, None)

    def take_over(self, app: BoundApplication, at: float) -> None:
        """This process owns `app` since `at` (UTC seconds)."""
        ledger = app.site.ledger
        if ledger is None:
            return
        self._owned[app.application_id] = app
        self.write(partial(self._catch_up, app, at))

    def _catch_up(self, app: BoundApplication, at: float) -> None:
        if self._owned.get(app.application_id) is not app:
            return
        ledger = _ledger_of(app.site)
        self._recover(ledger)
        past = Past.of(ledger, app, at)
        plans = {job.name: plan_of(job) for job in app.registered}
        ledger.seen(app.application_id, app.base_url, plans, at)
        for index, job in enumerate(app.registered):
            gap = past.gap_of(app, index, at)
            for first, last, count in gap.missed:
                log.warning('%s of %s missed %d run(s)', job.name, app.application_id, count)
                ledger.record(
                    Run(app.application_id, job.name, first), 'missed',
                    at=at, until=last, count=count,
                )
            for scheduled in (*past.to_repeat(app, index, at), *gap.fire):
                self._fire(app, index, scheduled)

    # -- when the ledger cannot be used --------------------------------------

    def write(self, action: Callable[[], object]) -> None:
        """Do it now, or when the ledger can be used again: then everything
        in order, as each is to have its record."""
        self._late.append(action)
        if len(self._late) > 1:
            return
        try:
            self.write_late()
        except LedgerError as error:
            log.error('Kept until it can be written: %s', error)

    def write_late(self) -> None:
        """Raises `LedgerError` when it is still too early."""
        while self._late:
            try:
                self._late[0]()
            except LedgerError:
                raise
            except Exception:
                log.exception('the reporter had trouble and goes on')
            self._late.popleft()


def _ledger_of(site: Site) -> Ledger:
    assert site.ledger is not None
    return site.ledger

