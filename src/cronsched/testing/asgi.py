"""An application of ASGI as the target of a test: FastAPI, Starlette, any other.

Example::

    target = AsgiTarget(app, {'': cron, '/admin': admin_cron})
    await target.send_async('http://localhost/cronjobs/refresh', method='POST', headers={})
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import unquote, urlsplit

from cronsched.errors import SchedulerError
from cronsched.jobs.settings import Settings
from cronsched.testing.lending import Response, base_of, found, lent, name_of
from cronsched.testing.loops import is_in_a_loop
from cronsched.testing.served import Served
from cronsched.testing.target import Answer, Found
from cronsched.web import start
from cronsched.web.asgi import THROW_ERRORS
from cronsched.web.cron import Cron

__all__ = ['AsgiTarget']


class AsgiTarget:
    """A `Target`; `hosts` are those that have jobs, by where they are mounted
    in `app`, '' for itself."""

    def __init__(self, app: Any, hosts: Mapping[str, Cron]) -> None:
        self.app = app
        self.hosts = hosts
        self._served: Served | None = None

    @property
    def base(self) -> str:
        return base_of(next(iter(self.hosts.values())))

    @property
    def settings(self) -> Settings:
        return next(iter(self.hosts.values())).settings

    def isolated(self) -> AbstractContextManager[None]:
        return lent(self.hosts.values())

    def found(self, path: str) -> Found:
        host, address = self._host_at(path)
        return found(host, address)

    def _host_at(self, path: str) -> tuple[Cron, str]:
        """The jobs there, and their address."""
        path = path.rstrip('/')
        if path not in self.hosts:
            known = ', '.join(repr(each or '/') for each in self.hosts)
            raise LookupError(f'no jobs are mounted at {path or "/"!r}, but at {known}')
        host = self.hosts[path]
        return host, self.base + path.removesuffix(below(host))

    def start(self, path: str) -> None:
        if self._served is None:
            self._served = Served(self.app)
        host, address = self._host_at(path)
        if host.jobs:
            start.start(host, address)

    def end(self) -> None:
        for host in self.hosts.values():
            start.stop(host)
        served, self._served = self._served, None
        if served is not None:
            served.end()

    def send(self, url: str, *, method: str, headers: dict[str, str]) -> Answer:
        if self._served is not None:
            request = self._request(url, method, headers, self._served.state)
            return self._served.run(request)
        if is_in_a_loop():
            raise SchedulerError('a loop runs in this test: write `await run_async(...)`')
        return asyncio.run(self._request(url, method, headers, {}))

    async def send_async(self, url: str, *, method: str, headers: dict[str, str]) -> Answer:
        return await self._request(url, method, headers, {})

    async def _request(
        self, url: str, method: str, headers: dict[str, str], state: dict[str, Any]
    ) -> Answer:
        sent: list[Any] = []
        messages = [{'type': 'http.request', 'body': b'', 'more_body': False}]

        async def receive() -> Any:
            if messages:
                return messages.pop()
            await asyncio.Event().wait()   # the client waits for its answer

        async def send(message: Any) -> None:
            sent.append(message)

        error = None
        try:
            await self.app(self._scope(url, method, headers, state), receive, send)
        except Exception as raised:
            error = raised   # maybe after the answer
        return Answer(_response(sent), error)

    def _scope(
        self, url: str, method: str, headers: dict[str, str], state: dict[str, Any]
    ) -> dict[str, Any]:
        parts, root = urlsplit(url), urlsplit(self.base).path
        if '' in self.hosts:   # it may be mounted in another, which is not here
            root += below(self.hosts[''])
        sent = {'Host': parts.netloc, **name_of(next(iter(self.hosts.values()))), **headers}
        return {
            'type': 'http', 'asgi': {'version': '3.0', 'spec_version': '2.3'},
            'http_version': '1.1', 'method': method, 'scheme': parts.scheme,
            'path': unquote(parts.path), 'raw_path': parts.path.encode(), 'query_string': b'',
            'root_path': unquote(root), 'client': ('127.0.0.1', 1),
            'server': (parts.hostname or 'localhost', parts.port or 80),
            'headers': [(name.lower().encode(), text.encode('latin-1'))
                        for name, text in sent.items()],
            'state': dict(state), 'extensions': {THROW_ERRORS: {}},
        }


def below(host: Cron) -> str:
    """Where the application says that it is mounted; it is part of its URLs."""
    return getattr(host, 'mounted_at', '')


def _response(sent: list[Any]) -> Response | None:
    if not sent:
        return None
    head, *rest = sent
    return Response(
        head['status'],
        [(name.decode('latin-1'), text.decode('latin-1')) for name, text in head['headers']],
        b''.join(each.get('body', b'') for each in rest),
    )
