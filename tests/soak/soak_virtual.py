"""A machine in virtual time: processes that fire, workers that execute, one
ledger, and a clock that anybody may set.

Example::

    behave = by_chance(random.Random(7), {'tick': (0, 60, 0.5)})
    with Machine(directory, {'tick': job}, behave, start=1_792_000_000.0) as machine:
        machine.boot()
        machine.run(3600)        # an hour passes
        machine.step(-10_800)    # somebody sets the clock
        machine.kill()           # the owner dies, with all that it knew

All is real but time and network: the native scheduler with a clock that is
moved by hand, its reporter, the receiver of requests, SQLite. What jobs did is
kept, and when the clock went as it should, for `soak_model` to judge.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Final, Self

from cronsched._cronsched import Delivery, Scheduler
from cronsched.base import clock
from cronsched.jobs.job import Job
from cronsched.jobs.settings import Settings
from cronsched.ledger import LedgerError
from cronsched.ledger.sqlite import SQLiteLedger
from cronsched.ledger.sqlite import ledger as sqlite_ledger
from cronsched.scheduler.bound import BoundApplication
from cronsched.scheduler.process import Service
from cronsched.scheduler.site import Site
from cronsched.web.receive import OUTCOME_HEADER, Answered, Execution, accept

APPLICATION: Final = 'shop'
ADDRESS: Final = 'http://127.0.0.1:8080'
NS: Final = 1_000_000_000

# How often a process looks what is due in the ledger: in truth each second.
LOOK_NS: Final = 60 * NS


# How long an attempt of a job takes, in seconds, and what it raises.
Behave = Callable[[str], tuple[float, Exception | None]]


@dataclass
class Executed:
    """What a job did, once."""

    job: str
    scheduled: int
    attempt: int
    began: float            # by the wall clock
    began_ns: int           # since the start of the machine
    ended_ns: int = 0       # 0: not yet
    outcome: str = ''       # as the job ended
    overdue: bool = False   # its sender was told that it timed out


@dataclass
class Stretch:
    """A time in which the clock went as it should; calm: with an owner and a
    ledger."""

    wall_from: float
    from_ns: int
    calm: bool
    wall_until: float = inf


@dataclass
class Work:
    """An execution that is under way; nobody waits for it without a sender."""

    done: Executed
    execution: Execution
    delivery: Delivery
    sender: Firing | None
    ends_ns: int
    gives_up_ns: int
    error: Exception | None


class Firing(Service):
    """A process that fires: its scheduler, reporter and ledger. No thread."""

    def __init__(self, path: Path, jobs: Mapping[str, Job], wall: float) -> None:
        self.site = Site(
            Settings(max_per_application=64), ('a secret of this test alone',),
            SQLiteLedger(path, patience=0.0))
        super().__init__(self.site.settings, Scheduler(manual=wall, max_per_application=64))
        self.open(BoundApplication(
            APPLICATION, self.site, jobs.values(), [f'{ADDRESS}/cronjobs/{name}' for name in jobs],
            ADDRESS, seeds=[f'{APPLICATION}/{name}' for name in jobs]))

    def drain(self) -> None:
        while events := self.native.events(0.0):
            for event in events:
                self.reporter.tell(event)
        self.reporter._housekeeping.settle()

    def look(self) -> None:
        """What its reporter does each second, and each minute."""
        house = self.reporter._housekeeping
        house._use_ledger(
            house.late.write_all, house.fire_requested, house.fire_attempts,
            house.followed.look, house.recover)
        house.look_again()
        self.drain()


@dataclass
class Machine:
    """See the module."""

    directory: Path
    jobs: Mapping[str, Job]
    behave: Behave
    start: float
    firing: list[Firing] = field(default_factory=list)
    work: list[Work] = field(default_factory=list)
    done: list[Executed] = field(default_factory=list)
    asleep: list[tuple[float, float]] = field(default_factory=list)   # by the wall
    locked: list[tuple[float, float]] = field(default_factory=list)
    stretches: list[Stretch] = field(default_factory=list)
    now_ns: int = 0           # since the start, whatever the clock shows
    set_ns: int = 0           # by how much the clock was set, in all
    _look_ns: int = 0
    _locker: sqlite3.Connection | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        self.path = self.directory / 'ledger.sqlite3'
        self.server = SQLiteLedger(self.path, patience=0.0)
        self.host = SimpleNamespace(
            application_id=APPLICATION, jobs=self.jobs, headers={},
            site=Site(Settings(), ('a secret of this test alone',), self.server))
        pauses = sqlite_ledger.FINISH_PAUSES
        sqlite_ledger.FINISH_PAUSES = (0.0,)
        self._stack.callback(setattr, sqlite_ledger, 'FINISH_PAUSES', pauses)
        self._stack.callback(self.server.close)
        self._stack.enter_context(clock.in_place(lambda: self.wall))
        return self

    def __exit__(self, *details: object) -> None:
        self.unlock()
        while self.firing:
            self.firing.pop().site.ledger.close()
        self._stack.close()

    @property
    def wall(self) -> float:
        return self.start + (self.now_ns + self.set_ns) / NS

    # -- what happens to it ---------------------------------------------------

    def boot(self) -> None:
        """A process starts, and owns the application id: the locks of those
        that are there already have failed."""
        with self.disturbed():
            self.firing.append(Firing(self.path, self.jobs, self.wall))
            self._serve()

    def kill(self) -> None:
        """The oldest process dies: what it knew, and waited for, is gone."""
        with self.disturbed():
            self._forget(self.firing.pop(0))

    def leave(self) -> None:
        """The oldest process ends as it should."""
        with self.disturbed():
            firing = self.firing.pop(0)
            firing.drain()
            firing.look()
            self._forget(firing)

    def _forget(self, firing: Firing) -> None:
        for each in self.work:
            if each.sender is firing:
                each.sender = None
        firing.site.ledger._kept.clear()
        firing.site.ledger.close()

    def lock(self) -> None:
        """Another process keeps the ledger."""
        with self.disturbed():
            self.locked.append((self.wall, inf))
            self._locker = sqlite3.connect(self.path, timeout=0, isolation_level=None)
            with suppress(sqlite3.OperationalError):
                self._locker.execute('BEGIN IMMEDIATE')

    def unlock(self) -> None:
        if self._locker is not None:
            with self.disturbed():
                self._locker.close()
                self._locker = None
                self.locked[-1] = self.locked[-1][0], self.wall

    def step(self, seconds: float) -> None:
        """Somebody sets the clock."""
        with self.disturbed():
            self.set_ns += round(seconds * NS)
            for each in self.firing:
                each.native.advance(0.0, seconds)
            self._serve()

    def suspend(self, seconds: float) -> None:
        with self.disturbed():
            self.asleep.append((self.wall, self.wall + seconds))
            self._pass(round(seconds * NS))
            self._serve()

    def run(self, seconds: float) -> None:
        """Time passes, and everything happens that is due meanwhile."""
        until_ns = self.now_ns + round(seconds * NS)
        while self.now_ns < until_ns:
            self._pass(max(min(self._next_ns(), until_ns) - self.now_ns, 1))
            self._serve()

    def disturbed(self) -> ExitStack:
        if self.stretches:
            self.stretches[-1].wall_until = self.wall
        stack = ExitStack()
        stack.callback(self._go_on)
        return stack

    def _go_on(self) -> None:
        calm = bool(self.firing) and self._locker is None
        self.stretches.append(Stretch(self.wall, self.now_ns, calm))

    # -- time, and what is due -------------------------------------------------

    def _next_ns(self) -> int:
        idle = [each.native.idle() for each in self.firing]
        return min(
            [self._look_ns, *(each.ends_ns for each in self.work),
             *(each.gives_up_ns for each in self.work if each.sender),
             *(self.now_ns + round(each * NS) for each in idle if each is not None)])

    def _pass(self, ns: int) -> None:
        for each in self.firing:
            each.native.advance(ns / NS)
        self.now_ns += ns

    def _serve(self) -> None:
        for each in list(self.work):
            self._finish(each)
        if self.now_ns >= self._look_ns:
            self._look_ns = self.now_ns + LOOK_NS
            with suppress(LedgerError):   # as each process does that serves
                self.server.take_requests([])
            for firing in self.firing:
                firing.look()
        while sum(self._deliver(each) for each in self.firing):
            pass

    def _deliver(self, firing: Firing) -> bool:
        firing.drain()
        delivery = firing.native.take()
        if delivery is not None:
            firing.drain()
            self._receive(firing, delivery)
            firing.drain()
        return delivery is not None

    def _receive(self, firing: Firing, delivery: Delivery) -> None:
        try:
            execution = accept(
                self.host, delivery.job_name, delivery.headers, method=delivery.method)
        except Answered as answered:
            retry_after = answered.headers.get('Retry-After')
            firing.native.complete(
                delivery.run, answered.status, detail=answered.text,
                outcome=answered.headers.get(OUTCOME_HEADER, ''),
                retry_after=None if retry_after is None else int(retry_after))
            return
        done = Executed(
            delivery.job_name, delivery.scheduled, delivery.attempt, self.wall, self.now_ns)
        self.done.append(done)
        seconds, error = self.behave(done.job)
        self.work.append(Work(
            done, execution, delivery, firing, self.now_ns + round(seconds * NS),
            self.now_ns + round(delivery.timeout * NS), error))
        self._finish(self.work[-1])

    def _finish(self, work: Work) -> None:
        """As far as it is time for that."""
        if work.ends_ns <= self.now_ns and (
                work.sender is None or work.ends_ns < work.gives_up_ns):
            self._end(work)
        elif work.sender is not None and work.gives_up_ns <= self.now_ns:
            work.sender.native.complete(
                work.delivery.run, 0, delivery='timed_out', took=work.delivery.timeout)
            work.sender.drain()
            work.done.overdue, work.sender = True, None
            self._finish(work)

    def _end(self, work: Work) -> None:
        self.work.remove(work)
        work.done.outcome = work.execution.end(work.error)
        work.done.ended_ns = self.now_ns
        if work.sender is not None:
            answer = work.execution.answer
            work.sender.native.complete(
                work.delivery.run, answer.status, outcome=answer.headers[OUTCOME_HEADER],
                took=(self.now_ns - work.done.began_ns) / NS)
            work.sender.drain()


def by_chance(random: Random, shapes: Mapping[str, tuple[float, float, float]]) -> Behave:
    """By name of the job: the shortest and the longest, and the share that fails."""
    def behave(job: str) -> tuple[float, Exception | None]:
        shortest, longest, fails = shapes[job]
        seconds = random.uniform(shortest, longest)
        return seconds, ValueError('by chance') if random.random() < fails else None

    return behave
