"""The decorator, and the jobs of the project.

Example::

    @cronjob('0 8 * * MON-FRI', retries=2)
    def send_invoices():
        ...

    send_invoices()     # returned unchanged: a test may call it

Over a `@task` of Django 6 the job enqueues it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from datetime import tzinfo
from typing import Any, Final, TypeVar

from cronsched._cronsched import Zone
from cronsched.django.conf import configuration
from cronsched.errors import DuplicateJobError, OptionError
from cronsched.jobs.job import Job
from cronsched.jobs.registry import place_of
from cronsched.web import functions

__all__ = ['DUPLICATES', 'JOBS', 'cronjob', 'describe', 'is_async', 'refuse_duplicates']

Function = TypeVar('Function')

# Names that a path cannot hold, and the one that is kept for the knock.
RESERVED: Final = frozenset(('-', '.', '..'))

#: By name.
JOBS: Final[dict[str, Job]] = {}

#: Pairs of jobs that have one name; an error, see `cronsched.django.checks`.
DUPLICATES: Final[list[tuple[Job, Job]]] = []


def cronjob(
    expression: str | None = None,
    *,
    hour: int | str | None = None,
    minute: int | str | None = None,
    timezone: str | tzinfo | Zone | None = None,
    once: bool = False,
    **options: Any,
) -> Callable[[Function], Function]:
    """Decorate a function that takes nothing, or one argument, the run; it is
    returned unchanged. Without a time zone, times are in `TIME_ZONE`. The
    options are those of `cronsched.jobs.job.Job`. Raises `CronError`, with file
    and line, for what could not run."""
    functions.check_parentheses(expression, '@cronjob')

    def register(function: Function) -> Function:
        callee = _callee(function)
        functions.check(callee, 'zero or one', loop=True)
        zone = configuration().timezone if timezone is None else timezone
        given = dict(options, expression=expression, hour=hour, minute=minute, once=once)
        given.setdefault('name', _name_of(callee))
        _add(Job(callee, timezone=zone, **given))
        return function

    return register


def is_async(name: str) -> bool:
    """Whether that job is awaited."""
    job = JOBS.get(name)
    return job is not None and functions.is_async(job.function)


def refuse_duplicates() -> None:
    """Raise `DuplicateJobError` if two jobs have one name."""
    for first, second in DUPLICATES:
        raise DuplicateJobError(describe(first, second))


def describe(first: Job, second: Job) -> str:
    return (
        f'there is a job {first.name!r} already, the one {place_of(first.function)}; '
        f"rename the one {place_of(second.function)}, or write name='...'"
    )


def _add(job: Job) -> None:
    if job.name in RESERVED:
        raise OptionError(f'name={job.name!r} cannot be in a path: write another', field='name')
    taken = JOBS.get(job.name)
    # A module that is loaded anew, or under two names, brings the same ones.
    if taken is not None and _line_of(taken) != _line_of(job):
        DUPLICATES.append((taken, job))
    else:
        JOBS[job.name] = job


def _line_of(job: Job) -> Any:
    code = getattr(inspect.unwrap(job.function), '__code__', None)
    return (code.co_filename, code.co_firstlineno) if code else job.function


def _name_of(function: Callable[..., Any]) -> str | None:
    """It is in paths and logs, so without the function it was written in."""
    name = getattr(function, '__qualname__', None)
    return name.rpartition('<locals>.')[2] if isinstance(name, str) else None


def _callee(function: Any) -> Callable[..., Any]:
    """What a run calls."""
    return _enqueue(function) if _is_task(function) else function


def _is_task(function: object) -> bool:
    try:
        from django.tasks import Task  # since Django 6
    except ImportError:
        return False
    return isinstance(function, Task)


def _enqueue(task: Any) -> Callable[[], None]:
    @functools.wraps(task.func)
    def enqueue() -> None:
        task.enqueue()

    context = (None,) if getattr(task, 'takes_context', False) else ()
    try:
        inspect.signature(task.func).bind(*context)
    except TypeError as error:
        raise OptionError(
            f'the task {task.func.__qualname__} is enqueued without arguments, but it takes '
            f'{inspect.signature(task.func)} ({place_of(task.func)})', field='function',
        ) from error
    return enqueue
