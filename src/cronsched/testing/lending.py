"""The jobs of a `Cron` lent to a test: as they are, with their state elsewhere.

Example::

    with lent([cron]):
        cron.site.ledger        # one of its own, gone at the end

Secret, ledger and leases of the application are not touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any
from wsgiref.headers import Headers

from cronsched.errors import SchedulerError
from cronsched.scheduler.site import forget_ledger
from cronsched.testing.target import ANYWHERE, Found, lend_all, settings_for
from cronsched.web import start
from cronsched.web.address import name_headers
from cronsched.web.cron import Cron

__all__ = ['Response', 'base_of', 'found', 'lent', 'name_of']


class Response:
    """What was answered: `status_code`, `headers` (their case does not
    matter), `content`, `text`."""

    def __init__(
        self, status_code: int, headers: Iterable[tuple[str, str]], content: bytes
    ) -> None:
        self.status_code = status_code
        self.headers: Any = Headers([*headers])
        self.content = content

    @property
    def text(self) -> str:
        return self.content.decode(errors='replace')

    def __repr__(self) -> str:
        return f'<Response {self.status_code} {self.headers.items()}>'


def lent(hosts: Iterable[Cron]) -> AbstractContextManager[None]:
    """See the module. Nothing changes for one that is lent already. Raises
    `SchedulerError` when the real scheduler calls its jobs."""
    return lend_all(hosts, _lend)


@contextmanager
def _lend(host: Cron, directory: str) -> Iterator[None]:
    if start.is_started(host.application_id):
        raise SchedulerError(
            f'the jobs of {host.application_id} are called by the real scheduler: write '
            'enabled=False, or CRONSCHED_ENABLED=0 in the environment, for tests'
        )
    before = host.settings, host._site
    settings = replace(settings_for(host.settings, directory), enabled=False)
    host.settings, host._site = settings, None
    try:
        yield
    finally:
        forget_ledger(settings)
        host.settings, host._site = before


def base_of(host: Cron) -> str:
    """Where it is reached in production if that is known, else anywhere."""
    return (host.settings.base_url or ANYWHERE).rstrip('/')


def name_of(host: Cron) -> Mapping[str, str]:
    """The headers that say whom links are to name."""
    return {**name_headers(host.settings.public_url), **host.headers}


def found(host: Cron, base: str) -> Found:
    return Found(
        host.application_id, host.jobs, host.site, lambda job: base + host.url_of(job.name)
    )
