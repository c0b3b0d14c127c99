"""The jobs of a Morepath application class, bound to one application id.

Example::

    cronjobs = ApplicationBoundCronjobs(request, registry.cronjobs.values())
    cronjobs.start()

Under the original's name and with the interface of its thread, but without
one: the calls go to the scheduler of this process, which serves all
application ids. The bound jobs are made when somebody looks at them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from cronsched._cronsched import Scheduler
from cronsched.base import clock
from cronsched.base.locks import Lock
from cronsched.errors import SchedulerError
from cronsched.jobs.job import Job
from cronsched.morepath.delivery import RequestCall
from cronsched.scheduler import process
from cronsched.scheduler.bound import BoundApplication
from cronsched.scheduler.site import site_of

__all__ = ['ApplicationBoundCronjobs']

# A registered job knows one application at a time, to sign its id with.
_binding = Lock()


class ApplicationBoundCronjobs(BoundApplication):
    """See the module."""

    __slots__ = ('_jobs',)

    #: As the original's thread: nothing waits for it at exit.
    daemon = True

    def __init__(self, request: Any, jobs: Iterable[Any]) -> None:
        jobs = tuple(jobs)
        urls = _links(request, jobs)
        super().__init__(
            request.app.application_id, site_of(request.app), jobs, urls,
            base_url=urls[0].rpartition('/cronjobs/')[0] if urls else '',
            implicit=bool(getattr(request.app, 'has_implicit_id', False)),
        )
        self._jobs: tuple[Any, ...] | None = None

    @property
    def name(self) -> str:
        return f'cronjobs of {self.application_id}'

    @property
    def jobs(self) -> tuple[Any, ...]:
        """The bound jobs, each with its `url` and its own `offset`. An offset
        that is set here before `start` is the one that counts."""
        if self._jobs is None:
            self._jobs = tuple(map(self._bind, self.registered, self.urls))
        return self._jobs

    def _bind(self, job: Job, url: str) -> Any:
        return job.bound_to(url, RequestCall.of(job, url, self.application_id, self.site))

    def offset_of(self, index: int) -> float:
        if self._jobs is not None:
            return float(self._jobs[index].offset)
        return super().offset_of(index)

    def start(self) -> None:
        """Have the calls made from now on, by the process that owns the
        application id on this machine."""
        if self._process_id == os.getpid():
            raise SchedulerError(f'the cronjobs of {self.application_id} were started before')
        self.run()

    def run(self) -> None:
        process.start(self)

    def _add_calls(
        self, native: Scheduler, jobs: Sequence[int], offsets: Sequence[float]
    ) -> None:
        frozen = clock.is_frozen()
        if self._jobs is None and not frozen:
            return super()._add_calls(native, jobs, offsets)
        for handle, job in zip(jobs, self.jobs, strict=True):
            due = job.due_epoch(self.planned_from) if frozen else None
            self._calls.append(
                native.add(self.handle, handle, job.url or '', offset=job.offset, due=due)
            )

    def schedule(self, job: Any) -> None:
        """Plan one of `jobs` anew, from its next runtime."""
        service = process.service(self.site.settings)
        index = self.jobs.index(job)
        handles, _ = service.handles(self.registered, self.site)
        due = job.due_epoch(clock.now())
        service.native.remove(self._calls[index])
        self._calls[index] = service.native.add(
            self.handle, handles[index], job.url or '', offset=job.offset, due=due
        )

    def process_job(self, job: Any) -> None:
        """Run one of `jobs` now, beside its schedule. Returns at once."""
        self.fire(self.jobs.index(job), int(clock.now()))

    def join(self, timeout: float | None = None) -> None:
        """Nothing to wait for: as for a daemon thread that never ends."""


def _links(request: Any, jobs: Iterable[Any]) -> list[str]:
    links: list[str] = []
    with _binding:
        for job in jobs:
            job.app = request.app
            links.append(request.link(job))
    return links
