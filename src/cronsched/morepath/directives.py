"""How the jobs are woven into a Morepath application: the directive, and the
tween that starts and settles. `morepath` and `onegov` are made of these.
"""

from __future__ import annotations

import logging
import os
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
from cronsched.scheduler import deployments
from cronsched.web import facts, functions
from cronsched.web.receive import OUTCOME_HEADER, Answered, accept, expect, settle
from cronsched.web.wsgi import remove_credentials

__all__ = [
    'CronjobAction', 'CronjobDirective', 'CronjobRegistry', 'find_job', 'is_enabled',
    'make_tween', 'respond', 'start',
]

log = logging.getLogger('cronsched')

_starting = Lock()

# In the path of every job.
JOBS = '/cronjobs/'

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


def make_tween(
    handler: Callable[[Any], Any], begin: Callable[[Any], None]
) -> Callable[[Any], Any]:
    """Calls `begin` with the first requests of an application, when they were
    handled: by then it is known which mounted application has answered. What
    all others pay is to be measured in nanoseconds; see bench/visitor.py."""

    def cronjob_tween(request: Any) -> Any:
        if JOBS in request.environ['PATH_INFO']:
            return attend(request)
        response = None
        try:
            response = handler(request)
            return response
        finally:
            if not _is_started(request.app) and not _is_missing(response):
                begin(request)

    def attend(request: Any) -> Any:
        expect(request.environ)
        try:
            response = handler(request)
        except BaseException as error:
            settle(request.environ, 500, error)
            raise
        outcome = settle(request.environ, response.status_code)
        if outcome is not None:
            # The sender is to know that the run was claimed, and spent; and
            # what an error handler made of an error is still a failure.
            response.headers[OUTCOME_HEADER] = outcome
            if outcome != 'ok' and response.status_code < 500:
                response.status_code = 500
        if not _is_missing(response):
            begin(request)
        return response

    return cronjob_tween


def _is_missing(response: Any) -> bool:
    """A visitor may ask for any path; where there is nothing, none begins."""
    return response is not None and response.status_code == 404


def _is_started(app: Any) -> bool:
    """Whether there is nothing more to do for this application id, in this
    process; a quick look that may say no for yes."""
    try:
        threads = app.config.cronjob_registry.cronjob_threads
        known = dict.__contains__(threads, app.application_id)
        return known and threads.process_id == os.getpid()
    except AttributeError:
        return False   # it has no jobs


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
                if getattr(app, 'has_implicit_id', False):
                    deployments.check(bound)
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
