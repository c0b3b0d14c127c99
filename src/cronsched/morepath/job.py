"""A job in the path of a Morepath application.

Example::

    bound = job.as_request_call(request)     # runs the job by calling its URL
    register_cronjob(registry, cleanup, hour=8, minute=0, timezone='Europe/Zurich')

`Job.id` is the job's name, signed by the application: in a path it cannot be
guessed, and it is the same in every process.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import tzinfo
from typing import TYPE_CHECKING, Any, Final, Generic, Self
from urllib.parse import quote_plus

from cronsched._cronsched import Zone
from cronsched.jobs import job as jobs
from cronsched.jobs.job import NOT_GIVEN
from cronsched.jobs.registry import prepare, register
from cronsched.morepath.delivery import RequestCall
from cronsched.scheduler.site import site_of

__all__ = ['CRONJOB_ID_SALT', 'Job', 'register_cronjob']

# Signs the names of jobs in their paths, as in the original.
CRONJOB_ID_SALT: Final = 'cronjob-id'


if TYPE_CHECKING:
    from typing_extensions import TypeVar

    Function = TypeVar('Function', bound=Callable[..., Any], default=Callable[..., Any])

    class Base(jobs.Job, Generic[Function]):
        """Generic in its function, as the original's."""
else:
    Function, Base = Any, jobs.Job


class Job(Base[Function]):
    """A single cron job, as the original's."""

    __slots__ = ('app',)

    #: The application that signs `id`; set by `as_request_call`.
    app: Any

    @property
    def id(self) -> str:
        """The signed name. Needs `app`."""
        return quote_plus(self.app.sign(self.name, CRONJOB_ID_SALT))

    def as_request_call(self, request: Any) -> Self:
        """The same job, run by calling the URL that `request.link` gives."""
        self.app = request.app
        url = request.link(self)
        call = RequestCall.of(self, url, request.app.application_id, site_of(request.app))
        return self.bound_to(url, call)


def register_cronjob(
    registry: Any,
    function: Callable[..., Any],
    hour: int | str | None = None,
    minute: int | str | None = None,
    timezone: str | tzinfo | Zone = NOT_GIVEN,
    once: bool = False,
    *,
    expression: str | None = None,
    **options: Any,
) -> Job:
    """Add a job to `registry`. The options are those of `Job`. Raises a
    `CronError` when the job could not run, or its name is taken by another
    function."""
    prepare(registry)
    job = Job(function, hour, minute, timezone, once, expression=expression, **options)
    register(registry, job)
    return job
