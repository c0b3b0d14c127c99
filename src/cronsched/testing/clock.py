"""The clock that a test moves on; see `cronsched.testing`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from cronsched._cronsched import Event
from cronsched.base import clock
from cronsched.errors import SchedulerError
from cronsched.jobs.job import Job
from cronsched.ledger import Ledger
from cronsched.scheduler import process as scheduler
from cronsched.telemetry.events import RunEvent
from cronsched.testing.running import epoch_of, run_in
from cronsched.testing.target import DJANGO, Answer, Target
from cronsched.testing.targets import target_of
from cronsched.testing.virtual import Deliverer, VirtualService

__all__ = ['VirtualClock', 'VirtualRun']


@dataclass(frozen=True, slots=True)
class VirtualRun:
    """How one run ended.

    scheduled, at: the instant the schedule names, and that of the end; both
        in the job's zone.
    until, count: of 'missed', which stands for all scheduled times till then.
    attempt: the last one, from 1.
    response, error: what the application answered to it, or raised.
    """

    application_id: str
    job: str
    scheduled: datetime
    at: datetime
    outcome: str
    attempt: int = 1
    until: datetime | None = None
    count: int = 1
    response: Any = None
    error: Exception | None = None


class VirtualClock:
    """See the module. `app` is the application object, or nothing for a Django
    project; `paths` are where applications with jobs are mounted in it, if not
    at its root. Others start with a first request, as ever. `start` is an aware
    datetime, by default the present. One at a time in a process."""

    def __init__(
        self,
        app: Any = DJANGO,
        *paths: str,
        start: datetime | None = None,
        freeze: Callable[[datetime], AbstractContextManager[Any]] | None = None,
    ) -> None:
        self.app = app
        self.paths = paths or ('/',)
        self._start = clock.now() if start is None else epoch_of(start)
        self._target: Target = target_of(app)
        self._deliverer = Deliverer(self._target.send, freeze)
        self._stack = ExitStack()
        self._place = ExitStack()   # of the scheduler; left at each restart
        self._running: VirtualService | None = None
        #: The runs that ended, in that order.
        self.runs: list[VirtualRun] = []

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._target.isolated())
            stack.callback(self._target.end)
            stack.push(self._place)
            stack.callback(setattr, self, '_running', None)
            self._boot(self._start)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *details: object) -> None:
        self._stack.close()

    def _boot(self, at: float) -> None:
        """A process starts, and serves `paths`."""
        self._place.close()
        self._target.end()
        self._running = service = VirtualService(
            self._target.settings, self._deliverer, self._observe, self._hear, start=at
        )
        self._place.enter_context(clock.in_place(lambda: service.now))
        self._place.enter_context(scheduler.in_place(service))
        for path in self.paths:
            self._target.start(path)
        service.work()

    @property
    def _service(self) -> VirtualService:
        if self._running is None:
            raise SchedulerError('the virtual clock is not running: use it inside a `with` block')
        return self._running

    # -- the clock -----------------------------------------------------------

    @property
    def now(self) -> datetime:
        """In UTC."""
        return datetime.fromtimestamp(self._service.now, UTC)

    @property
    def next(self) -> datetime | None:
        """When something is due next, in UTC; None for never."""
        idle = self._service.native.idle()
        return None if idle is None else self.now + timedelta(seconds=idle)

    def advance(self, duration: timedelta = timedelta(), **units: float) -> None:
        """Let time pass, and everything happen that is due meanwhile:
        `advance(days=365)`. A view that calls it takes its time."""
        self.advance_to(self.now + duration + timedelta(**units))

    def advance_to(self, instant: datetime) -> None:
        self._service.advance_to(epoch_of(instant))

    def suspend(self, duration: timedelta = timedelta(), **units: float) -> None:
        """The machine sleeps for that long."""
        self._service.jump((duration + timedelta(**units)).total_seconds())

    def set(self, duration: timedelta = timedelta(), **units: float) -> None:
        """Somebody sets the clock forward by that much, or back: `set(hours=-1)`."""
        self._service.step((duration + timedelta(**units)).total_seconds())

    def restart(self, duration: timedelta = timedelta(), **units: float) -> None:
        """The application ends, and after that long another process of it
        starts: a deploy. What was missed is caught up from the ledger."""
        if self._service.depth:
            raise SchedulerError('a view cannot restart the application that serves it')
        self._boot(self._service.now + (duration + timedelta(**units)).total_seconds())

    # -- the runs ------------------------------------------------------------

    @property
    def ledger(self) -> Ledger | None:
        """Where the runs of the first of `paths` are claimed."""
        return self._target.found(self.paths[0]).site.ledger

    def run(self, job: str | Callable[..., Any], path: str | None = None) -> Any:
        """Run a job now, beside its schedule; as `run` of this module."""
        with self._deliverer.frozen(self._service.now):
            return run_in(self._target, job, path or self.paths[0])

    def _observe(self, event: Event, answer: Answer | None) -> None:
        if event.kind not in ('ended', 'skipped') or event.retry_at:
            return
        job = self._service.jobs[event.job]
        answer = answer if event.kind == 'ended' else None
        self.runs.append(VirtualRun(
            application_id=self._service.apps[event.app].application_id,
            job=job.name,
            scheduled=_local(job, event.scheduled),
            at=_local(job, event.at),
            outcome=event.outcome or event.kind,
            attempt=max(event.attempt, 1),
            response=answer.response if answer else None,
            error=answer.error if answer else None,
        ))

    def _hear(self, event: RunEvent, job: Job) -> None:
        # Most of them are found in the ledger, after a restart.
        if event.kind == 'ended' and event.outcome == 'missed':
            self.runs.append(VirtualRun(
                event.application_id, job.name, event.scheduled, event.at, 'missed',
                until=event.until, count=event.missed))


def _local(job: Job, epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, UTC).astimezone(job.timezone)
