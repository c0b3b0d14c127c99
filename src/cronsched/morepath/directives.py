"""How the jobs are woven into a Morepath application: the directive, and the
tween that starts and settles. `morepath` and `onegov` are made of these.
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
from cronsched.errors import CronError
from cronsched.jobs.job import NOT_GIVEN
from cronsched.jobs.registry import jobs_of
from cronsched.jobs.settings import Settings
from cronsched.morepath.bound import ApplicationBoundCronjobs
from cronsched.morepath.job import CRONJOB_ID_SALT, Job, register_cronjob
from cronsched.schedule.english import lint
from cronsched.scheduler.site import site_of
from cronsched.web.receive import OUTCOME_HEADER, Unclaimed, expect, run_job, settle
from cronsched.web.signing import Refused

__all__ = [
    'CronjobAction', 'CronjobDirective', 'CronjobRegistry', 'find_job', 'is_enabled',
    'make_tween', 'respond', 'start',
]

log = logging.getLogger('cronsched')

_starting = Lock()

# After jobs could not be started, seconds.
REST = 60.0


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
    app = request.app
    try:
        outcome = run_job(job, request, application_id=app.application_id, site=site_of(app))
    except Refused:
        response.status_code = 401
    except Unclaimed as error:
        log.error('%s of %s did not run: %s', job.name, app.application_id, error)
        response.status_code = 503
        response.headers['Retry-After'] = '1'
        response.text = 'the ledger cannot be used, see the log'
    else:
        response.headers[OUTCOME_HEADER] = outcome
    return response


def make_tween(
    handler: Callable[[Any], Any], begin: Callable[[Any], None]
) -> Callable[[Any], Any]:
    """`begin` is called with each request, before it is handled and after:
    by then it knows the mounted application that has answered."""

    def cronjob_tween(request: Any) -> Any:
        begin(request)
        expect(request.environ)
        try:
            response = handler(request)
        except BaseException as error:
            settle(request.environ, 500, error)
            raise
        outcome = settle(request.environ, response.status_code)
        if outcome is not None:
            # The sender is to know that the run was claimed, and spent.
            response.headers[OUTCOME_HEADER] = outcome
        begin(request)
        return response

    return cronjob_tween


def start(app: Any, linker: Callable[[], Any | None]) -> None:
    """Start the jobs of `app` unless this process has. `linker` makes the
    request whose links are called, or None when there is to be none. What
    goes wrong is logged, and tried again after a minute."""
    registry = getattr(app.config, 'cronjob_registry', None)
    jobs = jobs_of(registry)
    if registry is None or not jobs or app.application_id in registry.cronjob_threads:
        return
    if not is_enabled(app):
        return
    with _starting:
        if app.application_id in registry.cronjob_threads or _is_resting(registry, app):
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


def is_enabled(app: Any) -> bool:
    """As its settings say now: a test may switch it off after the commit."""
    section = getattr(getattr(app, 'settings', None), 'cronjobs', None)
    return bool(getattr(section, 'enabled', True))


def _is_resting(registry: Any, app: Any) -> bool:
    resting: dict[str, float] = getattr(registry, 'cronjobs_resting', {})
    return time.monotonic() < resting.get(app.application_id, 0.0)


def _rest(registry: Any, app: Any, error: Exception) -> None:
    resting = vars(registry).setdefault('cronjobs_resting', {})
    resting[app.application_id] = time.monotonic() + REST
    log.error(
        'the cronjobs of %s could not be started: %s', app.application_id, error,
        # What we have words for needs no traceback.
        exc_info=None if isinstance(error, CronError) else error,
    )
