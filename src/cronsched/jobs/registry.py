"""Where the jobs of an application class are kept.

Example::

    registry = types.SimpleNamespace()
    register(registry, Job(cleanup, hour=8, minute=0, timezone='Europe/Zurich'))
    registry.cronjobs['cleanup'], registry.cronjob_threads

Any object that takes attributes will do. Two functions of one name are an
error: paths and ledger identify a job by its name.
"""

from __future__ import annotations

import inspect
import weakref
from typing import Any

from cronsched.base.forks import mark
from cronsched.errors import DuplicateJobError
from cronsched.jobs.job import Job

__all__ = ['StartedHere', 'here', 'jobs_of', 'place_of', 'prepare', 'register']


class StartedHere(dict[str, Any]):
    """What was started, by application id: in this process. After a fork the
    child has started nothing, whatever it inherited."""

    def __init__(self) -> None:
        super().__init__()
        _all[id(self)] = self

    def __contains__(self, application_id: object) -> bool:
        if not here[0]:
            _forget_inherited()
        return super().__contains__(application_id)


#: 0 in a forked child until the inherited entries are dropped.
here = mark()

_all: weakref.WeakValueDictionary[int, StartedHere] = weakref.WeakValueDictionary()


def _forget_inherited() -> None:
    for started in [*_all.values()]:
        started.clear()
    here[0] = 1


def prepare(registry: Any) -> None:
    """Give `registry` the attributes that keep the jobs."""
    if not hasattr(registry, 'cronjobs'):
        registry.cronjobs = {}
        registry.cronjob_threads = StartedHere()


def register(registry: Any, job: Job) -> None:
    """Add `job` to `registry`. Raises `DuplicateJobError` when its name is
    taken by another function."""
    prepare(registry)
    taken = registry.cronjobs.get(job.name)
    if taken is not None and taken.function is not job.function:
        raise DuplicateJobError(
            f'there is a job {job.name!r} already, the one {place_of(taken.function)}; '
            f"rename the one {place_of(job.function)}, or write name='...'"
        )
    registry.cronjobs[job.name] = job


def jobs_of(registry: Any) -> dict[str, Any]:
    """The jobs by name; none when nothing was registered."""
    jobs: dict[str, Any] = getattr(registry, 'cronjobs', {})
    return jobs


def place_of(function: Any) -> str:
    """Where a function was written: module, file and line."""
    code = getattr(inspect.unwrap(function), '__code__', None)
    where = f'{code.co_filename}:{code.co_firstlineno}' if code else 'unknown'
    return f'in {getattr(function, "__module__", "?")} ({where})'
