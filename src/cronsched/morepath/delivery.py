"""One request for a job, sent at once and by the calling thread.

Example::

    bound = job.as_request_call(request)
    bound.function()      # the status; raises OSError for 4xx and 5xx

The scheduler does not use this: its requests are made and sent in C. It is
what a bound job's function does when somebody calls it.
"""

from __future__ import annotations

import http.client
import socket
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from cronsched._cronsched import sign_headers
from cronsched.base import clock
from cronsched.errors import ConfigurationError
from cronsched.jobs.job import Job
from cronsched.scheduler.site import Site

__all__ = ['RequestCall']


@dataclass(frozen=True, slots=True)
class RequestCall:
    """Sends the request that runs `job` for `application_id`."""

    url: str
    application_id: str
    job: str
    method: str
    key: bytes | None = field(repr=False)
    timeout: float

    @classmethod
    def of(cls, job: Job, url: str, application_id: str, site: Site) -> RequestCall:
        return cls(
            url=url,
            application_id=application_id,
            job=job.name,
            method=site.method,
            key=site.key(application_id),
            timeout=site.policy(job).timeout,
        )

    def __call__(self) -> int:
        now = int(clock.now())
        headers = sign_headers(
            self.application_id, self.job, now, key=self.key, now=now, attempt=1
        )
        body = b'' if self.method == 'POST' else None
        if self.url.startswith('http+unix://'):
            return self._over_socket(headers, body)
        if not self.url.startswith(('http://', 'https://')):
            raise ConfigurationError(f'{self.url!r} is not a URL to call', field='base_url')
        request = urllib.request.Request(  # noqa: S310 (the scheme is checked above)
            self.url, data=body, headers=headers, method=self.method
        )
        with _opener.open(request, timeout=self.timeout) as answer:
            return int(answer.status)

    def _over_socket(self, headers: dict[str, str], body: bytes | None) -> int:
        place, _, path = self.url.removeprefix('http+unix://').partition('/')
        connection = http.client.HTTPConnection('localhost', timeout=self.timeout)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(self.timeout)
        try:
            connection.sock.connect(unquote(place))
            connection.request(self.method, '/' + path, body, headers)
            return connection.getresponse().status
        finally:
            connection.close()


class _Refuse(urllib.request.HTTPRedirectHandler):
    """A redirect is an error: signed headers go nowhere else."""

    def redirect_request(self, *_arguments: Any) -> None:
        return None


# No proxy from the environment: it would carry the signed request away.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Refuse)
