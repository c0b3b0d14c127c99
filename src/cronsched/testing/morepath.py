"""An application of Morepath, or OneGov, as the target of a test.

Example::

    target = MorepathTarget(App())
    target.found('/towns/zug').jobs
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager
from typing import Any

from cronsched.jobs.registry import StartedHere, jobs_of
from cronsched.jobs.settings import Settings
from cronsched.morepath.blank import blank_at
from cronsched.morepath.bound import ApplicationBoundCronjobs
from cronsched.scheduler.site import site_of
from cronsched.testing.isolation import base_of, isolated, reach, registries_of
from cronsched.testing.target import Answer, Found

__all__ = ['MorepathTarget']


class MorepathTarget:
    """A `Target`; `app` is the application object, with what is mounted in it."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.base = base_of(app)

    @property
    def settings(self) -> Settings:
        settings: Settings = registries_of(self.app)[0].settings
        return settings

    def isolated(self) -> AbstractContextManager[None]:
        return isolated(self.app)

    def found(self, path: str) -> Found:
        app, request = reach(self.app, path)
        return Found(
            app.application_id, jobs_of(app.config.cronjob_registry), site_of(app),
            lambda job: job.as_request_call(request).url or '',
        )

    def start(self, path: str) -> None:
        app, request = reach(self.app, path)
        registry = app.config.cronjob_registry
        jobs = jobs_of(registry)
        if jobs and app.application_id not in registry.cronjob_threads:
            bound = ApplicationBoundCronjobs(request, jobs.values())
            registry.cronjob_threads[app.application_id] = bound
            bound.start()

    def end(self) -> None:
        for registry in registries_of(self.app):
            registry.cronjob_threads = StartedHere()

    def send(self, url: str, *, method: str, headers: dict[str, str]) -> Answer:
        request = blank_at(self.base, url.removeprefix(self.base) or '/')
        request.environ['REMOTE_ADDR'] = '127.0.0.1'
        request.method = method
        request.headers.update(headers)
        response = request.get_response(self.app)
        response.body   # noqa: B018 (read to its end, as a server would)
        return Answer(response)

    async def send_async(self, url: str, *, method: str, headers: dict[str, str]) -> Answer:
        return await asyncio.to_thread(self.send, url, method=method, headers=headers)
