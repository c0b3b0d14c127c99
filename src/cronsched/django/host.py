"""The project as the scheduler knows it: a `cronsched.web.host.Host`.

Example::

    start(HOST, 'http://127.0.0.1:8000')

Where a job is reached is the path that answered; what Django's settings say of
the project's name goes into headers, so that neither ALLOWED_HOSTS nor
SECURE_SSL_REDIRECT stands in the way, and links in mails are right.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import quote, urlsplit

from django.conf import settings as project

from cronsched.django import words
from cronsched.django.conf import configuration
from cronsched.django.jobs import JOBS
from cronsched.jobs.job import Job
from cronsched.jobs.settings import Settings
from cronsched.scheduler.site import Site, ledger_of, secrets_of
from cronsched.web.host import Diagnosis

__all__ = ['HOST', 'DjangoHost', 'concrete_hosts']


class DjangoHost:
    """See the module; there is one in a process."""

    def __init__(self) -> None:
        self._site: Site | None = None

    @property
    def application_id(self) -> str:
        return configuration().application_id

    @property
    def implicit_id(self) -> bool:
        """Whether nobody chose it, so that another project may have it as well."""
        return configuration().implicit_id

    @property
    def settings(self) -> Settings:
        return configuration().settings

    @property
    def site(self) -> Site:
        given = self.settings
        if self._site is None or self._site.settings is not given:
            self._site = Site(given, secrets_of(given), ledger_of(given))
        return self._site

    @property
    def jobs(self) -> Mapping[str, Job]:
        return MappingProxyType(JOBS)

    def url_of(self, job: str) -> str:
        return f'{configuration().prefix}/{quote(job, safe="")}'

    @property
    def headers(self) -> Mapping[str, str]:
        return {name: value for name, value in (_host(), _scheme()) if value}

    def told(self, diagnosis: Diagnosis) -> str:
        return words.told(diagnosis, configuration().prefix)


def concrete_hosts() -> list[str]:
    """Those of ALLOWED_HOSTS that name one."""
    hosts = (str(host).removeprefix('.') for host in project.ALLOWED_HOSTS)
    return [host for host in hosts if host and '*' not in host]


def _public() -> tuple[str, str]:
    parts = urlsplit(configuration().settings.public_url or '')
    return parts.netloc, parts.scheme


def _host() -> tuple[str, str]:
    host = _public()[0] or next(iter(concrete_hosts()), '')
    if host and project.PREPEND_WWW and not host.startswith('www.'):
        host = f'www.{host}'
    return 'Host', host


def _scheme() -> tuple[str, str]:
    """The header by which a proxy would say that it was asked by https."""
    secure = project.SECURE_PROXY_SSL_HEADER
    if not secure or _public()[1] == 'http':
        return '', ''
    name, value = secure
    return name.removeprefix('HTTP_').replace('_', '-').title(), value


HOST = DjangoHost()
