"""A Morepath application as the web core knows it.

Example::

    execution = accept(AppHost(app, {job.name: job}), job.name, request.headers)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from cronsched.jobs.job import Job
from cronsched.scheduler.site import Site, site_of
from cronsched.web.host import KNOCK, Diagnosis

__all__ = ['AppHost']


class AppHost:
    """A `Host`; `jobs` are those it is asked about."""

    headers: Mapping[str, str] = {}

    def __init__(self, app: Any, jobs: Mapping[str, Job]) -> None:
        self.app = app
        self.jobs = jobs

    @property
    def application_id(self) -> str:
        return str(self.app.application_id)

    @property
    def site(self) -> Site:
        return site_of(self.app)

    def url_of(self, job: str) -> str:
        if job == KNOCK:
            return f'/cronjobs/{KNOCK}'
        self.jobs[job].app = self.app   # type: ignore[attr-defined]  # it signs the id
        return f'/cronjobs/{quote(self.jobs[job].id)}'   # type: ignore[attr-defined]

    def told(self, diagnosis: Diagnosis) -> str:
        return ''
