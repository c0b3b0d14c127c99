"""Cron jobs for any WSGI or ASGI application.

Example::

    cron = Cron('shop', timezone='Europe/Zurich')

    @cron.job('0 8 * * MON-FRI', retries=2)
    def send_digest():
        ...

    @cron.job(hour=3, minute=0)
    def cleanup(run):
        since = run.last_success

    application = cron.wsgi(application)     # or cron.asgi(application)

The middleware is the outermost: it answers below its prefix and passes on
everything else. Under ASGI an `async def` job is awaited in the server's own
loop, and ended at its `timeout`; under WSGI it is an error.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from datetime import tzinfo
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote

from cronsched._cronsched import Zone
from cronsched.errors import ConfigurationError, CronError, DuplicateJobError, OptionError
from cronsched.jobs.job import NOT_GIVEN, Job
from cronsched.jobs.registry import place_of
from cronsched.jobs.settings import Settings
from cronsched.schedule.english import lint
from cronsched.scheduler import uwsgi
from cronsched.scheduler.site import Site, ledger_of, secrets_of
from cronsched.telemetry import RunEvent, listen
from cronsched.web import facts, functions, knock, settings, start
from cronsched.web.host import Diagnosis
from cronsched.web.wsgi import Application, make_wsgi

if TYPE_CHECKING:
    from cronsched.web.dashboard import Mounted

__all__ = ['Cron', 'check_prefix', 'make_job']

log = logging.getLogger('cronsched')

Function = TypeVar('Function', bound=Callable[..., Any])

# Names that a path cannot hold, and the one that is kept for the knock.
RESERVED: Final = frozenset(('-', '.', '..'))

# After jobs could not be started, seconds.
REST: Final = 60.0


class Cron:
    """See the module; it is the `Host` of its application id.

    name: who the jobs run for; its runs are recorded under it. The same in
        every process of the application, and in no other application.
    prefix: the path below which jobs are answered.
    timezone: of jobs that name none.
    settings: those of `cronsched.jobs.settings`, as keywords.
    """

    #: Whether `async def` is awaited; None until the application tells.
    has_loop: bool | None = None

    #: By kind of diagnosis: what to write, where the framework has its own
    #: words for it.
    words: Mapping[str, str] = MappingProxyType({})

    #: What a job's function may take.
    arguments: functions.Arguments = 'zero or one'

    def __init__(
        self,
        name: str | None = None,
        *,
        prefix: str = '/cronjobs',
        timezone: str | tzinfo | Zone | None = None,
        **given: Any,
    ) -> None:
        self.name = _check_id(name)
        self.prefix = check_prefix(prefix)
        self.timezone = timezone
        self.settings: Settings = settings.read(given)
        self._jobs: dict[str, Job] = {}
        self._site: Site | None = None
        self._rest_until = 0.0   # by the monotonic clock
        self._served: Any = None   # the application that has the jobs, for tests

    # -- jobs ------------------------------------------------------

    @property
    def jobs(self) -> Mapping[str, Job]:
        return MappingProxyType(self._jobs)

    def job(
        self,
        expression: str | None = None,
        *,
        hour: int | str | None = None,
        minute: int | str | None = None,
        timezone: str | tzinfo | Zone | None = None,
        once: bool = False,
        **options: Any,
    ) -> Callable[[Function], Function]:
        """Decorate a function that takes nothing, or one argument, the run;
        it is returned unchanged. The options are those of
        `cronsched.jobs.job.Job`. Raises `CronError` for what could not run."""
        functions.check_parentheses(expression, '@cron.job')
        given = dict(
            options, expression=expression, hour=hour, minute=minute, once=once,
            timezone=timezone,
        )

        def register(function: Function) -> Function:
            self.add(function, **given)
            return function

        return register

    def add(self, function: Callable[..., Any], **options: Any) -> Job:
        """What the decorator does, for functions that are not decorated."""
        if options.get('timezone') is None:
            options['timezone'] = NOT_GIVEN if self.timezone is None else self.timezone
        job = make_job(
            function, loop=self.has_loop is not False, arguments=self.arguments, **options
        )
        taken = self._jobs.get(job.name)
        if taken is not None:
            raise DuplicateJobError(
                f'there is a job {job.name!r} already, the one {place_of(taken.function)}; '
                f"rename the one {place_of(function)}, or write name='...'"
            )
        self._jobs[job.name] = job
        _warn(job)
        return job

    def listen(
        self, function: Callable[[RunEvent], Any] | None = None, /, **wanted: Any,
    ) -> Any:
        """Decorate a function that is called with each `RunEvent` of these
        jobs in this process; see `cronsched.telemetry.listeners`, also for
        `kinds=` and `outcomes=`. It is returned unchanged."""
        listening: Any = listen(of=self._is_ours, **wanted)
        return listening if function is None else listening(function)

    def _is_ours(self, application_id: str) -> bool:
        return application_id == self.application_id

    # -- what the web core needs (Host) ----------------------------------------------

    @property
    def application_id(self) -> str:
        found = settings.from_environment('application_id') or self.name
        if found is None:
            raise ConfigurationError(
                "the application has no name: write Cron('shop'), or set "
                'CRONSCHED_APPLICATION_ID', field='application_id',
            )
        return found

    @property
    def site(self) -> Site:
        if self._site is None:
            given = self.settings
            # Whoever makes one at the same time makes an equal one.
            self._site = Site(given, secrets_of(given), ledger_of(given))
        return self._site

    @property
    def headers(self) -> Mapping[str, str]:
        return {}

    def url_of(self, job: str) -> str:
        return f'{self.prefix}/{quote(job, safe="")}'

    def told(self, diagnosis: Diagnosis) -> str:
        return self.words.get(diagnosis.kind, '').format(prefix=self.prefix)

    # -- start and stop -------------------------------------------------------

    def wsgi(self, application: Application) -> Application:
        """The application, with its jobs answered before it is asked."""
        self._serve(has_loop=False)
        self._served = served = make_wsgi(application, self, self.prefix, self._begin)
        return served

    def asgi(self, application: Any) -> Any:
        """The same for ASGI; also `lifespan` and `websocket` are passed on."""
        from cronsched.web.asgi import make_asgi  # others need not load asyncio

        self._serve(has_loop=True)
        self._served = make_asgi(application, self, self.prefix, self._begin)
        return self._served

    def dashboard(self, *, auth: Any = None, **options: Any) -> Mounted:
        """Pages about its jobs and their runs: `.wsgi` and `.asgi` are
        applications to be mounted. `auth` takes the request and returns None,
        'read' or 'operate'; see `cronsched.dashboard.rights`. `links` and
        `title` are those of `cronsched.dashboard.site.Dashboard`. Raises
        `ConfigurationError` without `auth`."""
        from cronsched.web.dashboard import mounted  # needs an extra

        return mounted(self, auth, **options)

    def _serve(self, has_loop: bool) -> None:
        self.application_id  # noqa: B018 (raises where there is none)
        self.has_loop = has_loop if self.has_loop is None else self.has_loop and has_loop
        for job in self._jobs.values():
            functions.check(job.function, self.arguments, loop=self.has_loop)
        knock.arm(self)

    def start(self, base_url: str | None = None) -> None:
        """Have the jobs called from now on, at `base_url` or the setting of
        that name: in each process that serves, not in the one that forks it.
        Nothing happens the second time. Raises `CronError`."""
        if base_url is not None:
            base_url = settings.read({'base_url': base_url}).base_url
        address = base_url or self.settings.base_url
        if address is None:
            raise ConfigurationError(
                'start() has to know where the application is reached: write '
                "start('http://127.0.0.1:8080'), or base_url=",
                field='base_url',
            )
        reason = facts.reason_not_to_start(self.settings.enabled, serving=False)
        if reason:
            log.info('the jobs of %s are not started: %s', self.application_id, reason)
        elif not uwsgi.postpone(lambda: self.start(address)):
            start.start(self, address)

    def stop(self) -> None:
        """Make no more calls from this process."""
        knock.disarm(self)
        start.stop(self)

    def _begin(self) -> bool:
        """What the first request of a process does, and whether that is done.
        Never raises: the visitor must get an answer."""
        if time.monotonic() < self._rest_until:
            return False
        try:
            return knock.visit(self)
        except Exception as error:
            self._rest_until = time.monotonic() + REST
            log.error(
                'the jobs of %s could not be started: %s', self.application_id, error,
                # A diagnosed error needs no traceback.
                exc_info=None if isinstance(error, CronError) else error,
            )
            return False


def make_job(
    function: Callable[..., Any],
    *,
    loop: bool,
    arguments: functions.Arguments = 'zero or one',
    **options: Any,
) -> Job:
    """The job of a function, where every fault is an error: raises `CronError`
    for what could not run. `loop`: there is an event loop that awaits it."""
    functions.check(function, arguments, loop=loop)
    if options.get('name') is None:
        options['name'] = _name_of(function)
    job = Job(function, **options)
    if job.name in RESERVED:
        raise OptionError(f'name={job.name!r} cannot be in a path: write another', field='name')
    return job


def _check_id(name: object) -> str | None:
    if name is not None and (not isinstance(name, str) or not name or '\0' in name):
        raise ConfigurationError(f"name={name!r}: write a text like 'shop'", field='name')
    return name


def check_prefix(prefix: object) -> str:
    """A path without a slash at its end. Raises `ConfigurationError`."""
    if not isinstance(prefix, str) or not prefix.startswith('/') or prefix.rstrip('/') == '':
        raise ConfigurationError(
            f"prefix={prefix!r}: write a path like '/cronjobs'", field='prefix'
        )
    return prefix.rstrip('/')


def _name_of(function: Callable[..., Any]) -> str | None:
    """It is in paths and logs, so without the function it was written in."""
    name = getattr(function, '__qualname__', None)
    return name.rpartition('<locals>.')[2] if isinstance(name, str) else None


def _warn(job: Job) -> None:
    code = getattr(job.function, '__code__', None)
    if code is not None:
        lint.warn(job.schedule, filename=code.co_filename, lineno=code.co_firstlineno)
