"""How the jobs come into a Morepath application: the directive, the answer
to a request for a job, and the start. `morepath` and `onegov` are made of these,
and of the tween.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote_plus

import dectate
from morepath.directive import SettingAction
from morepath.settings import SettingRegistry

from cronsched.base.locks import Lock
from cronsched.base.text import printable
from cronsched.errors import CronError
from cronsched.jobs.job import NOT_GIVEN
from cronsched.jobs.registry import jobs_of
from cronsched.jobs.settings import Settings
from cronsched.morepath.bound import ApplicationBoundCronjobs
from cronsched.morepath.host import AppHost
from cronsched.morepath.job import CRONJOB_ID_SALT, Job, register_cronjob
from cronsched.morepath.mounted import enabled_of, is_enabled, settings_of
from cronsched.morepath.visitors import admission_of
from cronsched.schedule.english import lint
from cronsched.web import facts, functions
from cronsched.web.receive import Answered, accept
from cronsched.web.wsgi import remove_credentials

__all__ = [
    'CronjobAction', 'CronjobDirective', 'CronjobRegistry', 'find_job', 'is_enabled',
    'respond', 'start',
]

log = logging.getLogger('cronsched')

_starting = Lock()

# After jobs could not be started, seconds.
REST = 60.0
MOST_RESTING = 1000


class CronjobRegistry:
    """The configuration `cronjob_registry`: `cronjobs` and `cronjob_threads`
    by name and by application id, once there is a job."""

    settings: Settings

    def __init__(self) -> None:
        #: What this application class itself declares, to find two of a name;
        #: a class derived from it may still declare one of them anew.
        self.named: dict[str, CronjobAction] = {}


class CronjobAction(dectate.Action):
    """One job; its name must be unique in its application class."""

    config = {'cronjob_registry': CronjobRegistry, 'setting_registry': SettingRegistry}  # noqa: RUF012
    depends = [SettingAction]  # noqa: RUF012

    def __init__(self, name: str, given: dict[str, Any]) -> None:
        self.name = name
        self.given = given

    def identifier(self, cronjob_registry: CronjobRegistry, **config: Any) -> str:
        first = cronjob_registry.named.setdefault(self.name, self)
        if first is not self:
            place = first.code_info.filelineno() if first.code_info else 'elsewhere'
            raise dectate.DirectiveReportError(
                f"two jobs are named {self.name!r}, the other one in {place}: "
                "rename one of them, or write name='...'",
                self.code_info,
            )
        return self.name

    def perform(
        self, obj: Callable[..., Any], cronjob_registry: CronjobRegistry, **config: Any
    ) -> None:
        try:
            functions.check(obj, 'one', loop=False)
            job = register_cronjob(cronjob_registry, obj, **self.given)
        except CronError as error:
            raise dectate.DirectiveError(str(error)) from error
        place = self.code_info
        if place is not None:
            lint.warn(job.schedule, filename=place.path, lineno=place.lineno)

    @staticmethod
    def after(cronjob_registry: CronjobRegistry, setting_registry: Any) -> None:
        """Wrong settings, too, are found when the application is committed."""
        cronjob_registry.settings = Settings.read(getattr(setting_registry, 'cronjobs', None))


class CronjobDirective(dectate.Composite):
    """`@App.cronjob(...)`; see `cronsched.jobs.job.Job` for what it takes."""

    query_classes = [CronjobAction]  # noqa: RUF012

    def __init__(
        self,
        expression: str | None = None,
        *,
        hour: int | str | None = None,
        minute: int | str | None = None,
        timezone: Any = NOT_GIVEN,
        once: bool = False,
        **options: Any,
    ) -> None:
        self.given = dict(
            options, expression=expression, hour=hour, minute=minute, timezone=timezone, once=once
        )

    def actions(self, obj: Callable[..., Any]) -> Iterator[tuple[CronjobAction, Any]]:
        name = self.given.get('name', getattr(obj, '__qualname__', None))
        if not isinstance(name, str):
            raise dectate.DirectiveError(f"{obj!r} has no name: write name='...'")
        yield CronjobAction(name, self.given), obj


def find_job(app: Any, id: str) -> Job | None:
    """The job behind a path; nobody can guess its id."""
    name = app.unsign(unquote_plus(id), CRONJOB_ID_SALT)
    return jobs_of(app.config.cronjob_registry).get(name) if name else None


def respond(job: Job, request: Any, response: Any) -> Any:
    """Run the job for this request; says in `response` how it ended."""
    try:
        execution = accept(
            AppHost(request.app, {job.name: job}), job.name, request.headers,
            method=request.method, environ=request.environ,
        )
    except Answered as answered:
        response.status_code = answered.status
        response.headers.update(answered.headers)
        response.text = answered.text
        return response
    if execution.claim is not None:
        remove_credentials(request.environ)
    request.cron_run = execution.run
    with execution:
        functions.check_result(job.function, job.function(request))
    response.headers.update(execution.answer.headers)
    return response


def start(app: Any, linker: Callable[[], Any | None], *, serving: bool = True) -> None:
    """Start the jobs of `app` unless this process has. `linker` makes the
    request whose links are called, or None when there is to be none. What
    goes wrong is logged, and tried again after a minute. `serving`: a process
    without a listening socket is a test or a script."""
    registry = getattr(app.config, 'cronjob_registry', None)
    jobs = jobs_of(registry)
    if registry is None or not jobs or app.application_id in registry.cronjob_threads:
        return
    if not is_enabled(app):
        return
    with _starting:
        if app.application_id in registry.cronjob_threads or _is_resting(registry, app):
            return
        reason = facts.reason_not_to_start(enabled_of(app), serving=serving)
        if reason:
            return _rest_quietly(registry, app, reason)
        most = settings_of(app).max_applications
        if not admission_of(registry).admits(app.application_id, registry.cronjob_threads, most):
            return
        try:
            request = linker()
            if request is not None:
                bound = ApplicationBoundCronjobs(request, jobs.values())
                registry.cronjob_threads[app.application_id] = bound
                bound.start()
        except Exception as error:
            # The visitor is not to blame.
            registry.cronjob_threads.pop(app.application_id, None)
            _rest(registry, app, error)


def _is_resting(registry: Any, app: Any) -> bool:
    resting: dict[str, float] = getattr(registry, 'cronjobs_resting', {})
    return time.monotonic() < resting.get(app.application_id, 0.0)


def _rest_quietly(registry: Any, app: Any, reason: str) -> None:
    _rest_for(registry, app)
    log.info('the cronjobs of %s are not started: %s', app.application_id, reason)


def _rest_for(registry: Any, app: Any) -> None:
    resting = vars(registry).setdefault('cronjobs_resting', {})
    if len(resting) >= MOST_RESTING:
        resting.clear()
    resting[app.application_id] = time.monotonic() + REST


def _rest(registry: Any, app: Any, error: Exception) -> None:
    _rest_for(registry, app)
    log.error(
        'the cronjobs of %s could not be started: %s', printable(app.application_id), error,
        # What we have words for needs no traceback.
        exc_info=None if isinstance(error, CronError) else error,
    )
