"""The application ids that this process owns, and what each has missed.

Example::

    ownership.follow()         # what has changed, as the native side has it
    while ownership.waiting:
        ownership.catch_up()   # a batch of what was taken over

Ownership is state: the native side keeps the last change of each application
id, and nothing is lost when many change at once. What was taken over waits
here until it is caught up, in batches: ten thousand need few statements, and
what becomes due meanwhile is not delayed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from cronsched._cronsched import SchedulerError
from cronsched.base import clock
from cronsched.base.text import printable
from cronsched.jobs.job import Job
from cronsched.ledger import Executing, Ledger, Missed, Owner, PastJob, Run, Seen
from cronsched.scheduler.bound import BoundApplication
from cronsched.scheduler.catchup import Gap
from cronsched.scheduler.missed import MissedRuns
from cronsched.scheduler.safe_log import say
from cronsched.scheduler.state import State
from cronsched.scheduler.summary import summary
from cronsched.scheduler.takeover import Gaps, Prepared, code_root, reach_of
from cronsched.scheduler.words import name
from cronsched.telemetry.fields import fields

__all__ = ['Ownership']

log = logging.getLogger('cronsched')

# Application ids that are caught up at once.
PIECE: Final = 100
MOST_CHANGES: Final = 1024


@dataclass(frozen=True, slots=True)
class Taken:
    """An application id that is ours since `at`, and what was missed before."""

    app: BoundApplication
    at: float


@dataclass(slots=True)
class Decided:
    """The result of a batch."""

    missed: MissedRuns = field(default_factory=MissedRuns)
    seen: list[Seen] = field(default_factory=list)
    #: The index of each job and the scheduled time.
    fired: list[tuple[BoundApplication, list[tuple[int, int]]]] = field(default_factory=list)


class Ownership:
    """See the module. Used by one thread."""

    def __init__(
        self, state: State, recover: Callable[[Ledger], None],
        follow: Callable[[BoundApplication, list[Executing]], None],
    ) -> None:
        self._state = state
        self._follow = follow
        self._recover = recover
        self._number = 0           # of the last change that was read
        self._recovered = False
        self._prepared: dict[tuple[tuple[Job, ...], int], list[Prepared]] = {}
        self._gaps = Gaps()        # of all that wait now
        #: Those owned that have a ledger, by application id.
        self.owned: dict[str, BoundApplication] = {}
        #: What is to be caught up, in the order of taking over.
        self.waiting: dict[str, Taken] = {}

    # -- who owns what -------------------------------------------------------

    def follow(self) -> None:
        """Read what has changed."""
        while changes := self._state.native.changes(self._number, MOST_CHANGES):
            lost = []
            for number, handle, owned, since in changes:
                app = self._app(handle)
                if owned:
                    self._take_over(app, since)
                elif self._hand_over(app):
                    lost.append(app)
                self._number = number
            self._disown(lost)

    def _app(self, handle: int) -> BoundApplication:
        # We may own it before all of its calls are there.
        with self._state.opening:
            return self._state.apps[handle]

    def _take_over(self, app: BoundApplication, since: float) -> None:
        if app.has_own_seeds:
            say(logging.INFO, '%s', summary(app), extra=fields(app.application_id))
        else:   # as the original says it
            say(logging.INFO, 'Started cronjob thread for %s', printable(app.application_id),
                extra=fields(app.application_id))
        if log.isEnabledFor(logging.DEBUG):
            for job in app.registered:
                say(logging.DEBUG, 'Enabled %s', name(app, job),
                    extra=fields(app.application_id, job.name))
        if app.site.ledger is not None:
            self.owned[app.application_id] = app
            self.look_again(app, max(since, app.planned_from))

    def _hand_over(self, app: BoundApplication) -> bool:
        say(logging.INFO, 'This process no longer calls the cronjobs of %s',
            printable(app.application_id), extra=fields(app.application_id))
        self.waiting.pop(app.application_id, None)
        return self.owned.pop(app.application_id, None) is not None

    def _disown(self, apps: Sequence[BoundApplication]) -> None:
        for ledger, ours in _by_ledger(apps):
            ledger.disown([app.application_id for app in ours])

    def look_again(self, app: BoundApplication, at: float) -> None:
        """Find what was due before `at` and has no record."""
        if not self.waiting:
            self._recovered, self._gaps = False, Gaps()
        self.waiting[app.application_id] = Taken(app, at)

    # -- catching up ---------------------------------------------------------

    def catch_up(self) -> None:
        """Catch up a batch. If the ledger cannot be used, it goes on waiting;
        raises `LedgerError`."""
        piece = list(self.waiting.values())[:PIECE]
        for ledger, apps in _by_ledger([each.app for each in piece]):
            if not self._recovered:
                self._recover(ledger)
            # A clock that was ahead may have been set since: what is due after
            # now is still to come.
            now = clock.now()
            taken = [
                Taken(each.app, min(each.at, now))
                for each in (self.waiting[app.application_id] for app in apps)]
            self._catch_up(ledger, taken)
            for each in taken:
                self.waiting.pop(each.app.application_id, None)
        self._recovered = True

    def _catch_up(self, ledger: Ledger, taken: Sequence[Taken]) -> None:
        at = {each.app.application_id: each.at for each in taken}
        shared = {id(each): each for each in (self._prepared_of(each.app) for each in taken)}
        past = ledger.past(at, max(
            reach_of(each.policy for each in prepared) for prepared in shared.values()))
        executing = ledger.executing()
        decided = Decided()
        for each in taken:
            self._follow(each.app, executing)
            # Not kept: they are many, and the garbage collector looks at each.
            jobs = {job.known.job: job for job in past.pop(each.app.application_id)}
            self._decide(each, jobs, decided)
        # Records first, then the calls: a process that dies in between leaves
        # runs without a record, which the next owner finds again.
        ledger.own([_owner(each) for each in taken])
        ledger.see(decided.seen)
        ledger.miss(decided.missed.records, max(at.values()))
        for app, runs in decided.fired:
            for index, scheduled in runs:
                if not self.fire(app, index, scheduled):
                    break   # nor are its other calls ours
        decided.missed.tell(self._state.telling, max(at.values()))

    def _prepared_of(self, app: BoundApplication) -> list[Prepared]:
        # Many application ids share one tuple of jobs, and their settings.
        key = app.registered, id(app.site)
        if key not in self._prepared:
            self._prepared[key] = [Prepared.of(app.site, job) for job in app.registered]
        return self._prepared[key]

    def _decide(self, taken: Taken, known: dict[str, PastJob], decided: Decided) -> None:
        app, prepared = taken.app, self._prepared_of(taken.app)
        offsets = app.offsets()
        # A job never seen before has missed nothing.
        pasts = [known.get(job.name) for job in app.registered]
        changed = len(known) != len(pasts)
        fired: list[tuple[int, int]] = []
        for index, (each, past, offset) in enumerate(zip(prepared, pasts, offsets, strict=True)):
            if past is None:
                changed = True
                continue
            changed = changed or not each.is_known(past.known, offset)
            gap = self._gaps.of(past, each, taken.at, offset)
            fired += [(index, scheduled) for scheduled in gap.fire]
            if gap.missed:
                _add_missed(decided.missed, app, each, gap, past, offset)
        decided.fired.append((app, fired))
        told = {
            each.job.name: each.declare(offset)
            for each, offset in zip(prepared, offsets, strict=True)
        } if changed else None
        decided.seen.append(Seen(app.application_id, app.base_url, told, taken.at))

    def fire(
        self, app: BoundApplication, index: int, scheduled: int, *, attempt: int = 1,
        at: float | None = None,
    ) -> bool:
        """False when its calls are another's by now, who finds this one too."""
        # One that cannot be fired does not stop the others.
        try:
            app.fire(index, scheduled, attempt=attempt, at=at)
        except SchedulerError as error:
            if app.handle not in self._state.native.owned():
                return False
            job = app.registered[index]
            say(logging.WARNING, '%s was not fired: %s', name(app, job), error,
                extra=fields(app.application_id, job.name, scheduled, attempt=attempt))
        return True


def _add_missed(
    missed: MissedRuns, app: BoundApplication, prepared: Prepared, gap: Gap, past: PastJob,
    offset: float,
) -> None:
    job = prepared.job
    for first, last, count in gap.missed:
        # With `coalesce`, the latest run replaces those before it.
        stood = prepared.policy.coalesce and bool(
            gap.fire or any(each > last for each in past.single))
        run = Run._make((app.application_id, job.name, first))
        missed.add(app, job, Missed._make((run, last, count, None)), first + offset, stood)


def _owner(taken: Taken) -> Owner:
    app = taken.app
    return Owner(
        app.application_id, app.base_url, code_root(app.registered), taken.at, app.implicit)


def _by_ledger(
    apps: Sequence[BoundApplication],
) -> list[tuple[Ledger, list[BoundApplication]]]:
    found: dict[int, tuple[Ledger, list[BoundApplication]]] = {}
    for app in apps:
        if app.site.ledger is not None:
            found.setdefault(id(app.site.ledger), (app.site.ledger, []))[1].append(app)
    return list(found.values())
