"""Cron jobs for Morepath applications.

Example::

    class App(cronsched.morepath.CronApp):
        pass

    @App.cronjob(hour=8, minute=0, timezone='Europe/Zurich')
    def cleanup_stuff(request):
        ...

    @App.cronjob('0 9 * * MON#1', timezone='Europe/Zurich', timeout=900, retries=2)
    def monthly_report(request):
        since = request.cron_run.last_success

The function is called by a regular request, once for each application id:
expect many calls on a busy site. It starts up to `max_offset` (30) seconds
late, always by the same delay, so that not everything happens at once.

The jobs of an application id start with its first request. With the setting
`cronjobs.base_url`, `app.start_cronjobs()` starts them without any.
"""

from __future__ import annotations

import hashlib
import logging
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import dectate
import morepath
from itsdangerous import BadSignature, Signer
from morepath.core import excview_tween_factory
from morepath.publish import resolve_model

from cronsched.errors import ConfigurationError, CronError
from cronsched.jobs.settings import Settings
from cronsched.morepath.blank import blank_at
from cronsched.morepath.decorator import cronjob_directive
from cronsched.morepath.directives import (
    CronjobAction,
    CronjobDirective,
    find_job,
    is_enabled,
    respond,
    start,
)
from cronsched.morepath.job import Job
from cronsched.morepath.mounted import site_of_app
from cronsched.morepath.tween import make_tween
from cronsched.scheduler import uwsgi
from cronsched.scheduler.site import Site
from cronsched.web import facts
from cronsched.web.address import is_trusted

__all__ = ['CronApp']

log = logging.getLogger('cronsched')


class CronApp(morepath.App):
    """A Morepath application with the directive `cronjob` and the settings
    section `cronjobs`; see `cronsched.jobs.settings`."""

    if TYPE_CHECKING:
        cronjob = dectate.directive(CronjobDirective)
    else:
        cronjob = cronjob_directive()
    _cronjob = dectate.directive(CronjobAction)

    @cached_property
    def application_id(self) -> str:
        """Who the jobs run for. One class may serve many: override it where
        an application is mounted once for each of its tenants."""
        return f'{type(self).__module__}.{type(self).__qualname__}'

    @property
    def has_implicit_id(self) -> bool:
        """Whether nobody has chosen the application id."""
        return type(self).application_id is CronApp.application_id

    @property
    def cronjob_site(self) -> Site:
        """What the scheduler needs of this application class; see `mounted`
        for where its settings come from."""
        return site_of_app(self, 'POST', strict=True)

    def sign(self, text: str, salt: str) -> str:
        """Sign a text for this application id."""
        return self._signer(salt).sign(text.encode()).decode()

    def unsign(self, text: str, salt: str) -> str | None:
        """The text that was signed, or None if it was not, or elsewhere."""
        try:
            return self._signer(salt).unsign(text.encode()).decode()
        except (BadSignature, UnicodeError):
            return None

    def _signer(self, salt: str) -> Signer:
        # In bytes before the secrets are bare: half a character raises here.
        salted = f'{salt}/{self.application_id}'.encode()
        secrets = reversed(self.cronjob_site.secrets)   # the last one signs
        return Signer(
            [each.reveal() for each in secrets], salt=salted, digest_method=hashlib.sha256
        )

    def start_cronjobs(self, *paths: str) -> None:
        """Start without a first request: this application, those mounted at
        `paths`, and all that were seen before. Commits the application if
        nobody has. Raises `ConfigurationError` without the setting
        `cronjobs.base_url`. A ledger or directory that cannot be used is
        logged: the application serves its visitors."""
        if not self.is_committed():
            self.commit()
        if uwsgi.postpone(partial(self.start_cronjobs, *paths)):
            return
        settings: Settings = self.config.cronjob_registry.settings
        if settings.base_url is None:
            raise ConfigurationError(
                'start_cronjobs() has to know where the application is reached: '
                "write the setting cronjobs.base_url, like 'http://127.0.0.1:8080'",
                field='base_url',
            )
        if is_enabled(self):
            try:
                for path in ('/', *paths):
                    self._start_at(path)
                self._restore(self.cronjob_site, urlsplit(settings.base_url).path.rstrip('/'))
            except CronError as error:
                log.error('the cronjobs could not all be started: %s', error)

    def _restore(self, site: Site, prefix: str) -> None:
        for seen in site.ledger.applications() if site.ledger else ():
            path = urlsplit(seen.base_url).path.removeprefix(prefix)
            if self._start_at(path, seen.application_id) != seen.application_id:
                log.debug('%s is not at %r of this application', seen.application_id, path)

    def _start_at(self, path: str, expected: str | None = None) -> str | None:
        """Start the application at `path`, if it is the one expected."""
        blank = blank_at(_base_url(self), path.rstrip('/') + '/cronjobs/-')
        request = self.request(blank.environ)
        resolve_model(request)   # finds no job, but the mounted application
        found = request.app
        if not isinstance(found, CronApp) or expected not in (None, found.application_id):
            return None
        start(found, lambda: request, serving=False)
        return found.application_id


def _base_url(app: CronApp) -> str:
    """Where the root application is reached, as its settings say."""
    url: str | None = app.config.cronjob_registry.settings.base_url
    assert url is not None
    return url


@CronApp.setting(section='cronjobs', name='enabled')
def cronjobs_enabled() -> bool | str:
    """False starts no jobs, and 'auto' none in a test."""
    return 'auto'


@CronApp.path(model=Job, path='/cronjobs/{id}')
def get_job(app: CronApp, id: str) -> Job | None:
    return find_job(app, id)


@CronApp.view(model=Job, request_method='POST')
def run_job(self: Job, request: Any) -> Any:
    return respond(self, request, morepath.Response())


def refuse_method(self: Job, request: Any) -> Any:
    """The caller learns no more than with a wrong signature."""
    return morepath.Response(status=401)


for method in ('GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'):
    CronApp.view(model=Job, request_method=method)(refuse_method)


@CronApp.tween_factory(over=excview_tween_factory)
def cronjob_tween_factory(app: CronApp, handler: Any) -> Any:
    settings: Settings = app.config.cronjob_registry.settings

    def linker(request: Any) -> Any | None:
        address = settings.base_url or facts.own_address(request.environ)
        if address is not None:
            linking = app.request(blank_at(address).environ)
            linking.app = request.app
            return linking
        # A visitor may name any port; the server knows where it listens.
        came_in = request.host_port == str(request.server_port)
        if is_trusted(request.host, settings.allowed_hosts, loopback=came_in):
            return request
        _report_host(app.config.cronjob_registry, request.host)
        return None

    def begin(request: Any) -> None:
        if isinstance(request.app, CronApp) and is_enabled(app):
            start(request.app, lambda: linker(request))

    return make_tween(app, handler, begin)


def _report_host(registry: Any, host: str) -> None:
    if not getattr(registry, 'host_reported', False):
        registry.host_reported = True
        log.error(
            'No cronjobs are started: the first request names the host %r, which could be '
            "anybody's. Write where the application is reached in the setting "
            'cronjobs.base_url, or the host in cronjobs.allowed_hosts',
            host,
        )
