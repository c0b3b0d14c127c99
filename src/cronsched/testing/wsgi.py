"""An application of WSGI as the target of a test: Flask, Pyramid, any other.

Example::

    target = WsgiTarget(app, host)
    target.send('http://localhost/cronjobs/cleanup', method='POST', headers={})
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit
from wsgiref.util import setup_testing_defaults

from cronsched.jobs.settings import Settings
from cronsched.testing.lending import Response, base_of, found, lent, name_of
from cronsched.testing.loops import in_another_thread, is_in_a_loop
from cronsched.testing.target import Answer, Found
from cronsched.web import start
from cronsched.web.cron import Cron
from cronsched.web.wsgi import THROW_ERRORS

__all__ = ['WsgiTarget']


class WsgiTarget:
    """A `Target`; `host` has the jobs that are answered in `app`."""

    def __init__(self, app: Any, host: Cron) -> None:
        self.app = app
        self.host = host

    @property
    def base(self) -> str:
        return base_of(self.host)

    @property
    def settings(self) -> Settings:
        return self.host.settings

    def isolated(self) -> AbstractContextManager[None]:
        return lent([self.host])

    def found(self, path: str) -> Found:
        if path.strip('/'):
            raise LookupError(f'no jobs are mounted at {path!r}: give the application itself')
        return found(self.host, self.base)

    def start(self, path: str) -> None:
        self.found(path)
        if self.host.jobs:
            start.start(self.host, self.base)

    def end(self) -> None:
        start.stop(self.host)

    def send(self, url: str, *, method: str, headers: dict[str, str]) -> Answer:
        sent = {**name_of(self.host), **headers}
        environ = environ_of(url, self.base, method, sent)
        if is_in_a_loop():   # Flask may need one of its own
            return Answer(in_another_thread(lambda: _call(self.app, environ)))
        return Answer(_call(self.app, environ))

    async def send_async(self, url: str, *, method: str, headers: dict[str, str]) -> Answer:
        return await asyncio.to_thread(self.send, url, method=method, headers=headers)


def environ_of(url: str, base: str, method: str, headers: dict[str, str]) -> dict[str, Any]:
    """As a server makes it of the request for `url`; the path of `base` is
    where the application is mounted."""
    parts, root = urlsplit(url), urlsplit(base).path
    environ: dict[str, Any] = {
        'REQUEST_METHOD': method,
        'SCRIPT_NAME': _text(root),
        'PATH_INFO': _text(parts.path.removeprefix(root) or '/'),
        'QUERY_STRING': parts.query,
        'SERVER_NAME': parts.hostname or 'localhost',
        'SERVER_PORT': str(parts.port or (443 if parts.scheme == 'https' else 80)),
        'SERVER_PROTOCOL': 'HTTP/1.1',
        'HTTP_HOST': parts.netloc,
        'REMOTE_ADDR': '127.0.0.1',
        'wsgi.url_scheme': parts.scheme,
        'wsgi.errors': sys.stderr,
        THROW_ERRORS: True,
    }
    environ.update((f'HTTP_{name.upper().replace("-", "_")}', text)
                   for name, text in headers.items())
    setup_testing_defaults(environ)
    return environ


def _text(path: str) -> str:
    return unquote_to_bytes(path).decode('latin-1')


def _call(app: Any, environ: dict[str, Any]) -> Response:
    said: list[Any] = []
    written: list[bytes] = []

    def start_response(status: str, headers: list[Any], error: Any = None) -> Any:
        said[:] = [int(status.split()[0]), headers]
        return written.append

    body: Iterable[bytes] = app(environ, start_response)
    try:
        written.extend(body)   # to its end, as a server would
    finally:
        getattr(body, 'close', lambda: None)()
    status, headers = said
    return Response(status, headers, b''.join(written))
