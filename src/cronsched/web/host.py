"""What an adapter provides, and the answers it gets.

Example::

    class Shop:                                 # a Host
        application_id, site, jobs = 'shop', Site(...), {'cleanup': job}
        headers = {'Host': 'shop.example'}
        def url_of(self, job): return f'/cronjobs/{quote(job, safe="")}'
        def told(self, diagnosis): return ''

    try:
        execution = accept(Shop(), name, request.headers)
    except Answered as answered:
        return Response(answered.text, answered.status, answered.headers)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from cronsched.jobs.job import Job
from cronsched.scheduler.site import Site

__all__ = ['KNOCK', 'OUTCOME_HEADER', 'Answer', 'Answered', 'Diagnosis', 'Host']

#: Names the outcome of a run in every answer about one.
OUTCOME_HEADER: Final = 'Cronsched-Outcome'

#: In place of a job's name: a request that finds out who serves; runs no job.
KNOCK: Final = '-'


@dataclass(frozen=True, slots=True)
class Answer:
    """What to send back: plain text, and these headers beside its type."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ''


class Answered(Exception):
    """Nothing is to be executed for this request; this is its answer."""

    def __init__(
        self, status: int, headers: Mapping[str, str] | None = None, text: str = ''
    ) -> None:
        super().__init__(status, text)
        self.answer = Answer(status, headers or {}, text)

    @property
    def status(self) -> int:
        return self.answer.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self.answer.headers

    @property
    def text(self) -> str:
        return self.answer.text


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What stood in the way of a request that should have reached us."""

    kind: Literal[
        'redirect', 'login', 'host', 'refused', 'not_found', 'method', 'error',
        'elsewhere', 'application', 'secret', 'no_answer', 'unreached', 'not_http',
    ]
    address: str          # where it was sent to
    status: int = 0       # 0: there was no answer
    location: str = ''    # of a redirect
    text: str = ''        # the beginning of the answer, or of the error


class Host(Protocol):
    """One application id, as its adapter knows it. The attributes may be
    properties; `site` may be made when it is first asked for, which is never
    in a process that only forks others."""

    @property
    def application_id(self) -> str: ...

    @property
    def site(self) -> Site:
        """Settings, secrets, ledger, method, and whether it is strict."""

    @property
    def jobs(self) -> Mapping[str, Job]:
        """By name."""

    def url_of(self, job: str) -> str:
        """The path of a job, or of `KNOCK`, below the address."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Sent with each request, like Host and X-Forwarded-Proto."""

    def told(self, diagnosis: Diagnosis) -> str:
        """What to write, in the words of the framework; '' for none better
        than ours."""
