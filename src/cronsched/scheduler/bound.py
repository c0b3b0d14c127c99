"""The jobs of one application, bound to one application id.

Example::

    bound = BoundApplication('org/zug', site, jobs, urls, 'http://127.0.0.1:8080')
    process.start(bound)

What is kept for each application id is one text with the URLs and one array
with the calls, as there may be thousands.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final

from cronsched._cronsched import Scheduler, seeded_offset
from cronsched.base import clock
from cronsched.errors import SchedulerError
from cronsched.jobs.checks import is_shared
from cronsched.jobs.job import Job, title_at
from cronsched.jobs.options import Policy
from cronsched.scheduler.site import Site

__all__ = ['BoundApplication']

DEFAULT_OFFSET: Final = Policy().max_offset

# Equal tuples of jobs as one, for all application ids of a class.
_shared: dict[tuple[Job, ...], tuple[Job, ...]] = {}


class BoundApplication:
    """See the module. `urls` are those of `jobs`, in the same order; `seeds`
    seed their offsets, by default the URLs do, as in the original; where
    several machines share the ledger, application id and name of the job."""

    __slots__ = (
        '__weakref__',
        '_calls',
        '_native',
        '_process_id',
        '_seeds',
        '_urls',
        'application_id',
        'base_url',
        'handle',
        'headers',
        'implicit',
        'planned_from',
        'registered',
        'site',
    )

    def __init__(
        self,
        application_id: str,
        site: Site,
        jobs: Iterable[Job],
        urls: Sequence[str],
        base_url: str,
        seeds: Sequence[str] | None = None,
        *,
        implicit: bool = False,
        headers: Sequence[str] = (),
    ) -> None:
        self.application_id = application_id
        self.site = site
        registered = tuple(jobs)
        self.registered = _shared.setdefault(registered, registered)
        self._urls = '\n'.join(urls)
        self._seeds = None if seeds is None else tuple(seeds)
        #: Where the application id is reached, without the paths of the jobs.
        self.base_url = base_url
        #: The application id was not configured: it comes from the name of a class.
        self.implicit = implicit
        #: 'Name: value', sent with each request.
        self.headers = tuple(headers)
        self._native: Scheduler | None = None
        self._calls = array('Q')
        self._process_id = 0
        #: From when on the scheduler makes the calls, UTC seconds.
        self.planned_from = 0.0
        #: The native scheduler's name for the application id; 0 for none.
        self.handle = 0

    @property
    def urls(self) -> list[str]:
        return self._urls.split('\n') if self._urls else []

    @property
    def has_own_seeds(self) -> bool:
        """Whether it is of an adapter with readable paths."""
        return self._seeds is not None

    def titles(self) -> list[str]:
        """The jobs for the log: where they are called, by name. The last part
        of a URL may be signed, and then whoever knows it may run the job."""
        return [
            title_at(url, job.name) for url, job in zip(self.urls, self.registered, strict=True)
        ]

    def title_of(self, job: Job) -> str:
        return self.titles()[self.registered.index(job)]

    def index_of(self, name: str) -> int | None:
        names = [job.name for job in self.registered]
        return names.index(name) if name in names else None

    def policy(self, index: int) -> Policy:
        return self.site.policy(self.registered[index])

    @property
    def seeds(self) -> Sequence[str]:
        if self._seeds is not None:
            return self._seeds
        if self._is_seeded_by_urls():
            return self.urls
        return [f'{self.application_id}/{job.name}' for job in self.registered]

    def _is_seeded_by_urls(self) -> bool:
        """Not where another machine may fire the calls next: that reaches the
        application by another URL, and no run may move with it."""
        return self._seeds is None and not is_shared(self.site.settings.ledger)

    def offset_of(self, index: int) -> float:
        """Seconds, as given to the scheduler."""
        return seeded_offset(self.seeds[index], self.policy(index).max_offset)

    def due_of(self, job: Job, scheduled: int) -> float:
        """UTC seconds; `scheduled` for a job that is not ours any more."""
        index = self.index_of(job.name)
        return scheduled + (0.0 if index is None else self.offset_of(index))

    def offsets(self) -> list[float]:
        """Those of all jobs. The scheduler has them; seeding takes longer."""
        calls = self._calls
        if self._native is not None and len(calls) == len(self.registered) and self.is_alive():
            with suppress(SchedulerError):   # another thread stops it
                return [self._native.offset(call) for call in calls]
        return [self.offset_of(index) for index in range(len(self.registered))]

    def open(
        self, native: Scheduler, jobs: Sequence[int], offsets: Sequence[float], *,
        shared: bool = False,
    ) -> int:
        """Have `native` make the calls, whose jobs have these handles and
        upper bounds of the offset. `shared`: several machines may make them.
        Returns the application's handle."""
        self._calls = array('Q')
        self._native, self._process_id = native, os.getpid()
        self.handle = native.open(
            self.application_id, self.site.key(self.application_id), self.headers
        )
        if shared:
            native.share(self.handle)
        self.planned_from = clock.now()
        self._add_calls(native, jobs, offsets)
        return self.handle

    def _add_calls(
        self, native: Scheduler, jobs: Sequence[int], offsets: Sequence[float]
    ) -> None:
        # The native side seeds the default offset by itself, by the URL.
        by_urls = self._is_seeded_by_urls()
        self._calls.extend(
            native.add(self.handle, job, url)
            if by_urls and most == DEFAULT_OFFSET
            else native.add(self.handle, job, url, offset=seeded_offset(seed, most))
            for job, most, url, seed in zip(jobs, offsets, self.urls, self.seeds, strict=True)
        )

    def fire(
        self, index: int, scheduled: int, *, attempt: int = 1, at: float | None = None,
    ) -> None:
        """Fire the run `scheduled` (UTC seconds) of a job now, or `at` an
        instant. Raises `SchedulerError` when another process owns the
        application id."""
        if self._native is None:
            raise SchedulerError(f'the cronjobs of {self.application_id} were not started')
        self._native.fire(self._calls[index], scheduled, attempt=attempt, at=at)

    def stop(self) -> None:
        """Make no more calls from this process."""
        if self.is_alive() and self._native is not None:
            for call in self._calls:
                self._native.remove(call)
            self._calls = array('Q')
            self._process_id = 0

    def is_alive(self) -> bool:
        """Whether this process makes the calls, or is on standby."""
        return self._process_id == os.getpid() and bool(self._calls)
