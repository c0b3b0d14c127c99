"""The jobs of one application class, bound to one application id.

Example::

    cronjobs = ApplicationBoundCronjobs(request, registry.cronjobs.values())
    cronjobs.start()

Under the original's name and with the face of its thread, but it is none any
more: the calls go to the scheduler of this process, which serves all
application ids. What is kept here for each is one text with the URLs and one
array with the calls; bound jobs are made when somebody looks at them.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable
from typing import Any, Final

from cronsched._cronsched import seeded_offset
from cronsched.base import clock
from cronsched.base.locks import Lock
from cronsched.errors import SchedulerError
from cronsched.jobs.job import Job
from cronsched.jobs.options import Policy
from cronsched.scheduler import process as scheduler
from cronsched.scheduler.delivery import RequestCall
from cronsched.scheduler.site import Site, site_of

__all__ = ['ApplicationBoundCronjobs']

USUAL_OFFSET: Final = Policy().max_offset

# A registered job knows one application at a time, to sign its id with.
_binding = Lock()


class ApplicationBoundCronjobs:
    """See the module."""

    __slots__ = (
        '_calls',
        '_jobs',
        '_process_id',
        '_urls',
        'application_id',
        'handle',
        'planned_from',
        'registered',
        'site',
    )

    #: As the original's thread: nothing waits for it at exit.
    daemon = True

    def __init__(self, request: Any, jobs: Iterable[Job]) -> None:
        app = request.app
        self.application_id: str = app.application_id
        self.site: Site = site_of(app)
        self.registered = scheduler.shared(tuple(jobs))
        self._urls = '\n'.join(self._links(request, app))
        self._calls = array('Q')
        self._jobs: tuple[Job, ...] | None = None
        self._process_id = 0
        #: From when on the scheduler makes the calls, UTC seconds.
        self.planned_from = 0.0
        #: The native scheduler's name for the application id; 0 for none.
        self.handle = 0

    def _links(self, request: Any, app: Any) -> list[str]:
        links: list[str] = []
        with _binding:
            for job in self.registered:
                job.app = app
                links.append(request.link(job))
        return links

    @property
    def name(self) -> str:
        return f'cronjobs of {self.application_id}'

    @property
    def urls(self) -> list[str]:
        return self._urls.split('\n') if self._urls else []

    @property
    def base_url(self) -> str:
        """Where the application id is reached, without the jobs' path."""
        return self._urls.partition('\n')[0].rpartition('/cronjobs/')[0]

    @property
    def jobs(self) -> tuple[Job, ...]:
        """The bound jobs, each with its `url` and its own `offset`. An offset
        that is set here before `start` is the one that counts."""
        if self._jobs is None:
            self._jobs = tuple(map(self._bind, self.registered, self.urls))
        return self._jobs

    def _bind(self, job: Job, url: str) -> Job:
        call = RequestCall(
            url=url,
            application_id=self.application_id,
            job=job.name,
            method=self.site.method,
            key=self.site.key(self.application_id),
            timeout=self.site.policy(job).timeout,
        )
        return job.bound_to(url, call)

    # -- for the reporter ----------------------------------------------------

    def titles(self) -> list[str]:
        return [url.partition('://')[-1] for url in self.urls]

    def title_of(self, job: Job) -> str:
        return self.titles()[self.registered.index(job)]

    def index_of(self, name: str) -> int | None:
        names = [job.name for job in self.registered]
        return names.index(name) if name in names else None

    def policy(self, index: int) -> Policy:
        return self.site.policy(self.registered[index])

    def offset_of(self, index: int) -> float:
        """Seconds, as given to the scheduler."""
        if self._jobs is not None:
            return self._jobs[index].offset
        return seeded_offset(self.urls[index], self.policy(index).max_offset)

    # -- as of the thread ----------------------------------------------------

    def start(self) -> None:
        """Have the calls made from now on, by the process that owns the
        application id on this machine."""
        if self._process_id == os.getpid():
            raise SchedulerError(f'the cronjobs of {self.application_id} were started before')
        self.run()

    def run(self) -> None:
        service = scheduler.service(self.site.settings)
        # The reporter may hear that we own the application id before all of
        # its calls are there.
        with service.opening:
            self._calls = array('Q')
            self._process_id = os.getpid()
            self.handle = service.open(self)
            self.run_locked()

    def run_locked(self) -> None:
        """Give every call to the scheduler."""
        if self._jobs is not None or clock.is_frozen():
            self._add_by_job()
            return
        # The same, without making a job for each call; the native side seeds
        # the usual offset by itself.
        service = scheduler.service(self.site.settings)
        handles, offsets = service.handles(self.registered, self.site)
        add, app = service.native.add, self.handle
        self.planned_from = clock.now()
        calls = [
            add(app, handle, url)
            if most == USUAL_OFFSET
            else add(app, handle, url, offset=seeded_offset(url, most))
            for handle, most, url in zip(handles, offsets, self.urls, strict=True)
        ]
        self._calls = array('Q', calls)

    def _add_by_job(self) -> None:
        service = scheduler.service(self.site.settings)
        handles, _ = service.handles(self.registered, self.site)
        frozen = clock.is_frozen()
        self.planned_from = clock.now()
        for handle, job in zip(handles, self.jobs, strict=True):
            due = job.due_epoch(self.planned_from) if frozen else None
            self._calls.append(
                service.native.add(
                    self.handle, handle, job.url or '', offset=job.offset, due=due
                )
            )

    def schedule(self, job: Job) -> None:
        """Plan one of `jobs` anew, from its next runtime."""
        service = scheduler.service(self.site.settings)
        index = self.jobs.index(job)
        handles, _ = service.handles(self.registered, self.site)
        due = job.due_epoch(clock.now())
        service.native.remove(self._calls[index])
        self._calls[index] = service.native.add(
            self.handle, handles[index], job.url or '', offset=job.offset, due=due
        )

    def process_job(self, job: Job) -> None:
        """Run one of `jobs` now, beside its schedule. Returns at once."""
        self.fire(self.jobs.index(job), int(clock.now()))

    def fire(self, index: int, scheduled: int) -> None:
        """Fire the run `scheduled` (UTC seconds) of a job now. Raises
        `SchedulerError` when another process owns the application id."""
        scheduler.service(self.site.settings).native.fire(self._calls[index], scheduled)

    def stop(self) -> None:
        """Make no more calls from this process."""
        if not self.is_alive():
            return
        native = scheduler.service(self.site.settings).native
        for call in self._calls:
            native.remove(call)
        self._calls = array('Q')
        self._process_id = 0

    def is_alive(self) -> bool:
        """Whether this process makes the calls, or stands by to do so."""
        return self._process_id == os.getpid() and bool(self._calls)

    def join(self, timeout: float | None = None) -> None:
        """Nothing to wait for: as for a daemon thread that never ends."""
