"""The Django project of this process, as the target of a test.

Example, in a test of Django or of pytest-django::

    from cronsched.testing import VirtualClock, run

    class Invoices(TestCase):
        def test_they_are_sent(self):
            self.assertEqual(run('send_invoices').status_code, 200)

A job is run through `django.test.Client`: in the transaction of the test, with
the middleware of the project, and what it gave to `on_commit` is called.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connections
from django.test import AsyncClient, Client, TestCase

from cronsched.django import conf
from cronsched.django.host import HOST
from cronsched.errors import SchedulerError
from cronsched.jobs.settings import Settings
from cronsched.scheduler.site import forget_ledger
from cronsched.testing.target import ANYWHERE, Answer, Found, settings_for
from cronsched.web import start

__all__ = ['DjangoTarget']


class DjangoTarget:
    """A `Target`: one for all, as there is one project."""

    _lent = False

    @property
    def base(self) -> str:
        return (self.settings.base_url or ANYWHERE).rstrip('/')

    @property
    def settings(self) -> Settings:
        return HOST.settings

    @contextmanager
    def isolated(self) -> Iterator[None]:
        if DjangoTarget._lent:
            yield
            return
        if start.is_started(HOST.application_id):
            raise SchedulerError(
                f'the jobs of {HOST.application_id} are called by the real scheduler: write '
                "CRONSCHED = {'ENABLED': False} for tests"
            )
        real = conf.configuration()
        with tempfile.TemporaryDirectory(prefix='cronsched-') as directory:
            settings = replace(settings_for(real.settings, directory), enabled=False)
            conf.use(replace(real, settings=settings))
            DjangoTarget._lent = True
            try:
                yield
            finally:
                DjangoTarget._lent = False
                forget_ledger(settings)
                conf.use(real)

    def found(self, path: str) -> Found:
        return Found(
            HOST.application_id, HOST.jobs, HOST.site,
            lambda job: self.base + HOST.url_of(job.name),
        )

    def start(self, path: str) -> None:
        if HOST.jobs:
            start.start(HOST, self.base)

    def end(self) -> None:
        start.stop(HOST)

    def send(self, url: str, *, method: str, headers: dict[str, str]) -> Answer:
        with _commits():
            return Answer(Client().generic(method, self._path(url), headers=_named(headers)))

    async def send_async(self, url: str, *, method: str, headers: dict[str, str]) -> Answer:
        commits = _commits()
        # Where the connections of an async test are.
        await sync_to_async(commits.__enter__)()
        try:
            response = await _AsyncClient().generic(
                method, self._path(url), headers=_named(headers)
            )
        finally:
            await sync_to_async(commits.__exit__)(None, None, None)
        return Answer(response)

    def _path(self, url: str) -> str:
        return url.removeprefix(self.base) or '/'


class _AsyncClient(AsyncClient):  # type: ignore[misc]
    """Has the host that it is given, and not its own before it."""

    async def request(self, **request: Any) -> Any:
        request['headers'] = [*dict(request['headers']).items()]
        return await super().request(**request)


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {**HOST.headers, **headers}


@contextmanager
def _commits() -> Iterator[None]:
    """What is given to `on_commit` is called at the end, in the transaction of
    the test as well."""
    with ExitStack() as stack:
        for alias in connections:
            if connections[alias].in_atomic_block:   # the test's
                stack.enter_context(TestCase.captureOnCommitCallbacks(using=alias, execute=True))
        yield
