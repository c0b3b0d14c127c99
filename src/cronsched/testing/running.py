"""One job, run as its request.

Example::

    assert run(app, 'cleanup').status_code == 200
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from cronsched._cronsched import sign_headers
from cronsched.base import clock
from cronsched.jobs.job import Job
from cronsched.ledger import Run
from cronsched.scheduler.site import Site
from cronsched.testing.target import DJANGO, Answer, Found, Target
from cronsched.testing.targets import target_of

__all__ = ['epoch_of', 'run', 'run_async', 'run_in']


def run(
    app: Any,
    job: str | Callable[..., Any] = '',
    *,
    path: str = '/',
    scheduled: datetime | None = None,
    attempt: int = 1,
) -> Any:
    """Run a job as its request, signature and claim and all, and return what
    was answered. `job` is its name, or the last part of it, or the function;
    `path` is where its application is mounted in `app`. What the application
    raises is raised here. In a Django project: `run(job)`."""
    app, job = (app, job) if job else (DJANGO, app)
    return run_in(target_of(app), job, path, scheduled, attempt)


async def run_async(
    app: Any,
    job: str | Callable[..., Any] = '',
    *,
    path: str = '/',
    scheduled: datetime | None = None,
    attempt: int = 1,
) -> Any:
    """The same in the loop of the test: an `async def` job shares it."""
    app, job = (app, job) if job else (DJANGO, app)
    target = target_of(app)
    with target.isolated():
        url, given = _request(target.found(path), job, scheduled, attempt)
        return _response_of(await target.send_async(url, **given))


def run_in(
    target: Target,
    job: str | Callable[..., Any],
    path: str,
    scheduled: datetime | None = None,
    attempt: int = 1,
) -> Any:
    """The same, of a target that is known."""
    with target.isolated():
        url, given = _request(target.found(path), job, scheduled, attempt)
        return _response_of(target.send(url, **given))


def _response_of(answer: Answer) -> Any:
    if answer.error is not None:
        raise answer.error
    return answer.response


def _request(
    found: Found, job: str | Callable[..., Any], scheduled: datetime | None, attempt: int
) -> tuple[str, dict[str, Any]]:
    """What the scheduler would send: to where, and what."""
    wanted = _find(found.jobs, job)
    headers = sign_headers(
        found.application_id,
        wanted.name,
        _free_second(found.site, found.application_id, wanted, scheduled),
        key=found.site.key(found.application_id),
        now=int(clock.now()),
        attempt=attempt,
    )
    return found.url_of(wanted), {'method': found.site.method, 'headers': headers}


def _find(jobs: Mapping[str, Any], wanted: str | Callable[..., Any]) -> Any:
    found = [
        job for job in jobs.values()
        if wanted in (job.name, job.function, job.name.rpartition('.')[2])
    ]
    if len(found) != 1:
        names = ', '.join(jobs) or 'none'
        raise LookupError(f'{wanted!r} names {len(found)} jobs of this application: {names}')
    return found[0]


def _free_second(
    site: Site, application_id: str, job: Job, scheduled: datetime | None
) -> int:
    """What was asked for, else the present; but no run is run twice."""
    if scheduled is not None:
        return int(epoch_of(scheduled))
    second = int(clock.now())
    while site.ledger and site.ledger.find(Run(application_id, job.name, second)):
        second += 1
    return second


def epoch_of(instant: datetime) -> float:
    """UTC seconds."""
    if instant.tzinfo is None:
        raise ValueError(f'{instant!r} has no time zone: write tzinfo=UTC, say')
    return instant.timestamp()
