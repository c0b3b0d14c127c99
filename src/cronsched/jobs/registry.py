"""Where the jobs of an application class are kept.

Example::

    registry = types.SimpleNamespace()
    register_cronjob(registry, cleanup, hour=8, minute=0, timezone='Europe/Zurich')
    registry.cronjobs['cleanup'], registry.cronjob_threads

Any object that takes attributes will do. Two functions of one name are an
error: in the path and in the ledger, the name is the job.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import tzinfo
from typing import Any

from cronsched._cronsched import Zone
from cronsched.errors import DuplicateJobError
from cronsched.jobs.job import NOT_SAID, Job

__all__ = ['StartedHere', 'jobs_of', 'register_cronjob']


class StartedHere(dict[str, Any]):
    """What was started, by application id: in this process. After a fork the
    child has started nothing, whatever it inherited."""

    def __init__(self) -> None:
        super().__init__()
        self._process_id = os.getpid()

    def __contains__(self, application_id: object) -> bool:
        if self._process_id != os.getpid():
            self.clear()
            self._process_id = os.getpid()
        return super().__contains__(application_id)


def register_cronjob(
    registry: Any,
    function: Callable[..., Any],
    hour: int | str | None = None,
    minute: int | str | None = None,
    timezone: str | tzinfo | Zone = NOT_SAID,
    once: bool = False,
    *,
    expression: str | None = None,
    **options: Any,
) -> Job:
    """Add a job to `registry`. The options are those of `Job`. Raises a
    `CronError` when the job could not run, or its name is taken by another
    function."""
    if not hasattr(registry, 'cronjobs'):
        registry.cronjobs = {}
        registry.cronjob_threads = StartedHere()
    job = Job(function, hour, minute, timezone, once, expression=expression, **options)
    taken = registry.cronjobs.get(job.name)
    if taken is not None and taken.function is not function:
        raise DuplicateJobError(
            f'there is a job {job.name!r} already, {_place(taken.function)}; '
            f"rename {_place(function)}, or write name='...'"
        )
    registry.cronjobs[job.name] = job
    return job


def jobs_of(registry: Any) -> dict[str, Job]:
    """The jobs by name; none when nothing was registered."""
    jobs: dict[str, Job] = getattr(registry, 'cronjobs', {})
    return jobs


def _place(function: Callable[..., Any]) -> str:
    code = getattr(function, '__code__', None)
    where = f'{code.co_filename}:{code.co_firstlineno}' if code else 'unknown'
    return f'the one in {getattr(function, "__module__", "?")} ({where})'
