"""What the reporter tells those outside: listeners, Sentry's monitors, pings.

Example::

    state.telling.tell('ended', app, job, scheduled, due=due, at=at, outcome='ok')

Of each run, 'ended' is told once in a process, whoever hears of it first: the
answer to its request, the look for lost processes, or the ledger.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from cronsched.jobs.job import Job
from cronsched.jobs.options import Policy
from cronsched.ledger import Missed
from cronsched.scheduler.bound import BoundApplication
from cronsched.scheduler.safe_log import FAULTS, trouble
from cronsched.scheduler.site import Site
from cronsched.telemetry import events, listeners

if TYPE_CHECKING:
    from cronsched.telemetry.checkins import Checkins
    from cronsched.telemetry.ping import Pings

__all__ = ['Telling', 'ToldMissed']

# Runs that were sent, or whose end was told.
MOST_TOLD: Final = 10_000
ABSENT: Final[Any] = object()

Key = tuple[str, str, int]

#: What was missed of an application id, and when the first of it was due, in
#: UTC seconds.
ToldMissed = tuple[BoundApplication, Missed, float]


class Telling:
    """See the module. `tell` is used by one thread."""

    def __init__(self) -> None:
        #: Where time is virtual: who is told of each event, besides listeners.
        #: Monitors and pings are not.
        self.observer: Callable[[events.RunEvent, Job], None] | None = None
        # Ordered, as those of a dict that lost many are looked for one by one.
        self._told: OrderedDict[Key, None] = OrderedDict()
        self._sent: OrderedDict[Key, None] = OrderedDict()   # and not ended
        self._policies: dict[tuple[int, Job], tuple[Site, Policy]] = {}
        self._checkins: Checkins | None = None
        self._pings: Pings | None = None

    def is_told(self, app: BoundApplication, job: Job, scheduled: int) -> bool:
        """Whether the end of the run was told in this process."""
        return (app.application_id, job.name, scheduled) in self._told

    def tell(
        self, kind: events.Kind, app: BoundApplication, job: Job, scheduled: int,
        *, due: float, at: float, **said: Any,
    ) -> None:
        """Never fails. Instants are in UTC seconds."""
        if kind == 'ended':
            key = app.application_id, job.name, scheduled
            if key in self._told:
                return
            was_sent = self._end(key)
            if said.get('outcome') == 'missed':
                # One that nobody took, as long as it was worth while, or none.
                said['attempt'] = int(was_sent)
        elif kind == 'sent':
            _note(self._sent, (app.application_id, job.name, scheduled))
        if self._is_heard(app.site, job):
            self._tell(events.make(
                kind, app.application_id, job, scheduled, due=due, at=at, **said), app.site, job)

    def tell_missed(
        self, job: Job, every: Iterable[ToldMissed], *, at: float, stood: bool,
    ) -> None:
        """'ended' of many runs that nobody executed: of thousands of
        application ids, and mostly nobody hears of it."""
        site, is_heard = None, False
        for app, missed, due in every:
            if site is not app.site:
                site, is_heard = app.site, self._is_heard(app.site, job)
            if is_heard:
                self.tell(
                    'ended', app, job, missed.run.scheduled, due=due, at=at, outcome='missed',
                    missed=missed.count, until=missed.until, stood=stood)
            elif missed.run not in self._told:
                self._end(missed.run)

    def _end(self, key: Key) -> bool:
        """Whether it had been sent."""
        _note(self._told, key)
        return self._sent.pop(key, ABSENT) is not ABSENT

    def _is_heard(self, site: Site, job: Job) -> bool:
        policy = self._policy(site, job)
        return bool(
            listeners.listens() or policy.monitor or policy.ping or self.observer is not None)

    def _tell(self, event: events.RunEvent, site: Site, job: Job) -> None:
        policy = self._policy(site, job)
        actions = (self._check_in, self._ping) if self.observer is None else (self._observe,)
        for action in (self._listeners, *actions):
            try:
                action(event, job, policy)
            except FAULTS:
                trouble()

    def _policy(self, site: Site, job: Job) -> Policy:
        key = id(site), job
        found = self._policies.get(key)
        if found is None:
            # The site is kept too, so that no other gets its id.
            found = self._policies[key] = site, site.policy(job)
        return found[1]

    def _listeners(self, event: events.RunEvent, job: Job, policy: Policy) -> None:
        listeners.tell(event)

    def _observe(self, event: events.RunEvent, job: Job, policy: Policy) -> None:
        if self.observer is not None:
            self.observer(event, job)

    def _check_in(self, event: events.RunEvent, job: Job, policy: Policy) -> None:
        if policy.monitor is None:
            return
        if self._checkins is None:
            from cronsched.telemetry.checkins import Checkins

            self._checkins = Checkins()
        self._checkins.tell(event, job, policy)

    def _ping(self, event: events.RunEvent, job: Job, policy: Policy) -> None:
        if policy.ping is None:
            return
        if self._pings is None:
            from cronsched.telemetry.ping import Pings

            self._pings = Pings()
        self._pings.tell(event, policy.ping)

    # -- its thread ----------------------------------------------------------

    def pause(self) -> None:
        """No thread of it runs when this returns."""
        if self._pings is not None:
            self._pings.pause()

    def resume(self) -> None:
        if self._pings is not None:
            self._pings.resume()

    def stop(self, timeout: float) -> None:
        """Send what waits, for so many seconds at most."""
        if self._pings is not None:
            self._pings.flush(timeout)
            self._pings.pause()


def _note(known: OrderedDict[Key, None], key: Key) -> None:
    if len(known) >= MOST_TOLD:
        known.popitem(last=False)
    known[key] = None
