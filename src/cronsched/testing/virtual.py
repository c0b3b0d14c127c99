"""A scheduler whose clock is moved by hand, and which delivers in process.

Example::

    service = VirtualService(settings, deliver, observe, hear, start=1_792_000_000.0)
    with clock.in_place(lambda: service.now), scheduler.in_place(service):
        bound.start()
        service.advance_to(service.now + 86_400)

It is the real one without its thread and its network: the same C code decides
what is due, caught up, skipped and tried again, the same reporter tells it.
`cronsched.testing` is made of it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from cronsched._cronsched import Delivery, Event, Scheduler
from cronsched.jobs.job import Job
from cronsched.jobs.settings import Settings
from cronsched.scheduler.process import Service
from cronsched.telemetry.events import RunEvent
from cronsched.testing.target import Answer
from cronsched.web.receive import OUTCOME_HEADER

__all__ = ['Deliverer', 'VirtualService']

NS: Final = 1_000_000_000
LONGEST_NS: Final = 86_400 * NS   # what a float of seconds says to the nanosecond
DETAIL_SIZE: Final = 1024
MOST_EVENTS: Final = 1024

Freeze = Callable[[datetime], AbstractContextManager[Any]]


def outcome_of(answer: Answer) -> str:
    """What the view says of the run."""
    return '' if answer.response is None else answer.response.headers.get(OUTCOME_HEADER) or ''


def status_of(answer: Answer) -> int:
    return 500 if answer.response is None else int(answer.response.status_code)


def detail_of(answer: Answer) -> str:
    if answer.error is not None:
        return f'{type(answer.error).__name__}: {answer.error}'
    body: bytes = (
        getattr(answer.response, 'body', b'') or getattr(answer.response, 'content', b'')
    )
    return body[:DETAIL_SIZE].decode(errors='replace')


def retry_after(answer: Answer, now: float) -> int | None:
    """Seconds, from either form of the header."""
    said = '' if answer.response is None else answer.response.headers.get('Retry-After') or ''
    if said.isdecimal():
        return int(said)
    try:
        return max(int(parsedate_to_datetime(said).timestamp() - now), 0)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Deliverer:
    """Delivers by the `send` of a `Target`."""

    send: Callable[..., Answer]
    freeze: Freeze | None = None

    def __call__(self, delivery: Delivery, now: float) -> Answer:
        with self.frozen(now):
            try:
                return self.send(
                    delivery.url, method=delivery.method, headers=delivery.headers
                )
            except Exception as error:
                return Answer(error=error)

    def frozen(self, now: float) -> AbstractContextManager[Any]:
        """Python's clock at `now`, if somebody can hold it."""
        return self.freeze(datetime.fromtimestamp(now, UTC)) if self.freeze else nullcontext()


class VirtualService(Service):
    """See the module. `observe` hears each event, and what was answered to
    the attempt it is about; `hear` what the reporter tells, also of the runs
    that it finds in the ledger."""

    def __init__(
        self,
        settings: Settings,
        deliver: Callable[[Delivery, float], Answer],
        observe: Callable[[Event, Answer | None], None],
        hear: Callable[[RunEvent, Job], None],
        *,
        start: float,
    ) -> None:
        self._deliver = deliver
        self._observe = observe
        self._now_ns = round(start * NS)
        #: How many attempts are under way: a view may advance the clock.
        self.depth = 0
        super().__init__(settings, Scheduler(
            max_concurrency=settings.max_concurrency,
            max_per_application=settings.max_per_application,
            manual=self._now_ns / NS,
        ))
        self.telling.observer = hear

    @property
    def now(self) -> float:
        """UTC seconds."""
        return self._now_ns / NS

    # -- the clock -----------------------------------------------------------

    def advance_to(self, target: float) -> None:
        """Let the time pass until `target`, from one thing that is due to the
        next. A view may call it, and so take its time."""
        target_ns = round(target * NS)
        self.work()
        while self._now_ns < target_ns:
            idle = self.native.idle()
            most = min(target_ns - self._now_ns, LONGEST_NS)
            self._move(most if idle is None else min(max(round(idle * NS), 1), most))
            self.work()

    def jump(self, seconds: float) -> None:
        """That much time passes while nothing runs, as in a suspend."""
        self._move(round(seconds * NS))
        self.work()

    def step(self, seconds: float) -> None:
        """Somebody sets the wall clock."""
        self.native.advance(0.0, seconds)
        self._now_ns += round(seconds * NS)
        self.work()

    def _move(self, ns: int) -> None:
        self.native.advance(ns / NS)
        self._now_ns += ns

    # -- the work ------------------------------------------------------------

    def work(self) -> None:
        """Deliver what is due, until nothing is."""
        self._tell(None)
        while (delivery := self.native.take()) is not None:
            self._tell(None)
            self._tell(self._attempt(delivery))

    def _attempt(self, delivery: Delivery) -> Answer:
        begun, answer = self.now, None
        self.depth += 1
        try:
            answer = self._deliver(delivery, begun)
        finally:
            self.depth -= 1
            self._complete(delivery, answer, self.now - begun)
        return answer

    def _complete(self, delivery: Delivery, answer: Answer | None, took: float) -> None:
        run = delivery.run
        if answer is None:   # whoever runs the test interrupts it
            self.native.complete(run, 0, delivery='broken', took=took)
        elif took >= delivery.timeout:
            self.native.complete(run, 0, delivery='timed_out', took=delivery.timeout)
        else:
            self.native.complete(
                run,
                status_of(answer),
                retry_after=retry_after(answer, self.now),
                outcome=outcome_of(answer),
                detail=detail_of(answer),
                took=took,
            )

    def _tell(self, answer: Answer | None) -> None:
        while events := self.native.events(0.0, MOST_EVENTS):
            for event in events:
                self.reporter.tell(event)
                self._observe(event, answer)
            self.reporter.settle()

    # -- no thread -----------------------------------------------------------

    def start(self) -> None:
        pass

    pause = resume = start   # around a fork, too

    def stop(self, timeout: float = 2.0) -> None:
        pass
