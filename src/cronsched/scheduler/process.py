"""The scheduler of this process: one native thread and one reporter for all
its application ids.

Example::

    start(bound)

It is made when the first application id starts, never at import, so it lives
in the process that serves and not in the one that forks it. After a fork the
child has none; the parent goes on with the one it has. Around a fork no
thread of ours runs, so Python has nothing to warn about.
"""

from __future__ import annotations

import atexit
import functools
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from cronsched._cronsched import Scheduler
from cronsched.base.directories import private_directory, runtime_directory
from cronsched.base.locks import Lock
from cronsched.jobs.job import Job
from cronsched.jobs.settings import Settings
from cronsched.scheduler import deployments, forks, uwsgi
from cronsched.scheduler.bound import BoundApplication
from cronsched.scheduler.members import Members
from cronsched.scheduler.reporter import Reporter
from cronsched.scheduler.site import Site, close_ledgers
from cronsched.scheduler.state import State

__all__ = ['Service', 'leave', 'service', 'start', 'stop']

log = logging.getLogger('cronsched')

Jobs = tuple[Job, ...]
Handles = tuple[tuple[int, ...], tuple[float, ...]]


class Service(State):
    """See the module. One for a process; `service` makes it."""

    def __init__(self, settings: Settings, native: Scheduler | None = None) -> None:
        self.settings = settings
        self.process_id = os.getpid()
        super().__init__(
            native
            or Scheduler(
                max_concurrency=settings.max_concurrency,
                max_per_application=settings.max_per_application,
                lease_directory=str(lease_directory(settings)),
            )
        )
        self._compared = [settings]
        self._handles: dict[tuple[Jobs, int], Handles] = {}
        self._lock = Lock()
        self.reporter = Reporter(self)
        self.members = Members(
            self.native, None if native else str(lease_directory(settings)))

    def compare(self, settings: Settings) -> None:
        """Log once which of these settings came too late."""
        if any(settings is each for each in self._compared):
            return
        self._compared.append(settings)
        for name in ('max_concurrency', 'max_per_application', 'runtime_directory'):
            first, later = getattr(self.settings, name), getattr(settings, name)
            if first != later:
                log.warning(
                    'cronjobs.%s is %r for this process: %r came later and is not used',
                    name, first, later,
                )

    def start(self) -> None:
        self.native.start()
        self.reporter.start()
        self.members.start()

    def open(self, bound: BoundApplication) -> None:
        """Make the calls of an application id, if it can be owned."""
        handles, offsets = self.handles(bound.registered, bound.site)
        # The reporter may hear that we own the application id before all of
        # its calls are there.
        with self.opening:
            self.apps[bound.open(
                self.native, handles, offsets, shared=self.members.shares(bound))] = bound
        self.members.add(bound)

    def handles(self, jobs: Jobs, site: Site) -> Handles:
        """The handles of `jobs`, and the upper bounds of their offsets."""
        # The same jobs differ in the defaults of two applications.
        key = jobs, id(site)
        with self._lock:
            if key not in self._handles:
                self._handles[key] = self._define(jobs, site)
            return self._handles[key]

    def _define(self, jobs: Jobs, site: Site) -> Handles:
        handles: list[int] = []
        offsets: list[float] = []
        for job in jobs:
            policy = site.policy(job)
            handle = self.native.define(
                job.name,
                job.schedule,
                once=job.once,
                method=site.method,
                claims=site.ledger is not None,
                **policy.native(),
            )
            self.jobs[handle] = job
            handles.append(handle)
            offsets.append(policy.max_offset)
        return tuple(handles), tuple(offsets)

    def pause(self) -> None:
        """No thread of ours runs when this returns."""
        self.members.pause()
        self.native.pause()
        self.reporter.pause()
        self.telling.pause()

    def resume(self) -> None:
        self.native.resume()
        self.reporter.start()
        self.members.start()
        self.telling.resume()

    def stop(self, timeout: float = 2.0) -> None:
        """Release the leases. Bounded: a thread that hangs is left running."""
        self.members.pause(timeout)
        self.native.stop(timeout)
        self.reporter.pause(timeout)
        self.members.leave()
        self.telling.stop(timeout)


_service: Service | None = None
_lock = forks.lock

# What a child inherits of its parent's scheduler is not touched, not even to
# free it: descriptors and transfers belong to the parent.
_inherited: list[Service] = []


def service(settings: Settings) -> Service:
    """The scheduler of this process, started. The first caller's settings
    decide about limits and directories. Raises `CronError`."""
    global _service
    found = _service
    # The reporter comes here, and a fork waits for it with the lock in hand.
    if found is None or found.process_id != os.getpid():
        with _lock:
            _forget_inherited()
            if _service is None:
                uwsgi.check()
                made = Service(settings)
                made.start()
                _service = made
                _hook()
            found = _service
    found.compare(settings)
    return found


def start(bound: BoundApplication) -> None:
    """Have the scheduler of this process make the calls of `bound`. Raises a
    `CronError`."""
    deployments.check(bound)
    service(bound.site.settings).open(bound)


def leave() -> None:
    """This process is about to end: other machines may take over at once what
    they share with it. Nothing where there is one machine."""
    with _lock:
        if _service is not None and _service.process_id == os.getpid():
            _service.members.end()


def stop(timeout: float = 2.0) -> None:
    """End the scheduler of this process; nothing is called any more. The next
    application id that starts makes a new one."""
    global _service
    with _lock:
        _forget_inherited()
        if _service is not None:
            _service.stop(timeout)
            _service = None
    close_ledgers()


@contextmanager
def in_place(virtual: Service) -> Iterator[None]:
    """Have `virtual` take the place of the scheduler of this process, for a
    test. Application ids that start meanwhile start there."""
    global _service
    with _lock:
        before, _service = _service, virtual
    try:
        yield
    finally:
        with _lock:
            _service = before


def lease_directory(settings: Settings) -> str:
    """The directory of the leases, by which processes agree on the owner."""
    directory = runtime_directory(settings.runtime_directory, state=settings.state_directory)
    return str(private_directory(directory / 'leases'))


def _forget_inherited() -> None:
    # By the process id: a server's plain fork() runs none of Python's hooks.
    global _service
    if _service is not None and _service.process_id != os.getpid():
        _inherited.append(_service)
        _service = None


class _Companion:
    """The scheduler as a `forks.Companion`."""

    def pause(self) -> None:
        if _service is not None and _service.process_id == os.getpid():
            _service.pause()

    def resume(self) -> None:
        if _service is not None and _service.process_id == os.getpid():
            _service.resume()

    def renew(self) -> None:
        _forget_inherited()


_companion = _Companion()


@functools.cache
def _hook() -> None:
    atexit.register(stop)
    forks.watch(_companion)
