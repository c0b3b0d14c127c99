"""The dashboard behind WSGI and ASGI.

Example::

    dashboard = cron.dashboard(auth=auth)     # auth takes the environ, or the scope
    DispatcherMiddleware(app, {'/cron': dashboard.wsgi})
    Mount('/cron', dashboard.asgi)

Mounted wherever it is: its links are relative. Under ASGI `auth` may be async;
pages are made in a thread of ours, as the ledger may have to be waited for.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any

from cronsched.dashboard import Auth, Dashboard, Request, Response
from cronsched.dashboard.messages import MOST_OF_A_BODY
from cronsched.dashboard.rights import Rights, check_auth, rights_of
from cronsched.errors import ConfigurationError
from cronsched.ledger import Ledger
from cronsched.web.threads import in_thread

__all__ = ['Mounted', 'Unchanged', 'mounted', 'request_of_environ']


class Mounted:
    """See the module. `operates`, `links` and `title` are those of
    `cronsched.dashboard.site.Dashboard`."""

    def __init__(
        self,
        ledger: Callable[[], Ledger | None],
        auth: object,
        *,
        native: Callable[[Any], Any] = lambda scope: scope,
        **options: Any,
    ) -> None:
        """`native` makes of a scope what `auth` takes."""
        self.auth: Auth = check_auth(auth)
        self.challenge: str = getattr(auth, 'challenge', '')
        self._options = options
        self._dashboard = Dashboard(ledger, **options)
        self._native = native

    def of(self, ledger: Callable[[], Ledger | None]) -> Mounted:
        """The same of another ledger."""
        return Mounted(ledger, self.auth, native=self._native, **self._options)

    def answer(self, request: Request, native: Any) -> Response:
        """For a framework: `native` is its request, of which `auth` is asked."""
        return self.respond(request, self.rights(native))

    def respond(self, request: Request, rights: Rights | None) -> Response:
        return self._dashboard.respond(request, rights, self.challenge)

    def rights(self, native: Any) -> Rights | None:
        answer = self.auth(native)
        if inspect.isawaitable(answer):
            if inspect.iscoroutine(answer):
                answer.close()
            raise ConfigurationError(
                'auth is async, and nobody awaits it under WSGI: write def', field='auth')
        return rights_of(answer)

    async def _asked(self, native: Any) -> Any:
        """What `auth` says; one that is not async may have to wait for a database."""
        if inspect.iscoroutinefunction(self.auth):
            return await self.auth(native)
        answer = await in_thread(self.auth, native)
        return await answer if inspect.isawaitable(answer) else answer

    # -- WSGI ----------------------------------------------------------------

    def wsgi(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        response = self.answer(request_of_environ(environ), environ)
        phrase = HTTPStatus(response.status).phrase
        start_response(f'{response.status} {phrase}', [*response.headers])
        return [] if environ['REQUEST_METHOD'] == 'HEAD' else [response.body]

    # -- ASGI ----------------------------------------------------------------

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        if scope['type'] != 'http':
            return await _refuse(scope, receive, send)
        answer = await self._asked(self._native(scope))
        body = await _body(receive) if scope['method'] == 'POST' else b''
        response = await in_thread(
            self.respond, _request_of_scope(scope, body), rights_of(answer))
        await send({
            'type': 'http.response.start', 'status': response.status,
            'headers': [
                (name.lower().encode('latin-1'), value.encode('latin-1'))
                for name, value in response.headers
            ],
        })
        shown = b'' if scope['method'] == 'HEAD' else response.body
        await send({'type': 'http.response.body', 'body': shown})


class Unchanged:
    """For a WebOb response, to be put before its class: it would make of a
    relative Location one with the host and path that a proxy asked for."""

    status: Any
    headerlist: Any
    body: Any

    def __call__(
        self, environ: Mapping[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        start_response(self.status, self.headerlist)
        return [] if environ['REQUEST_METHOD'] == 'HEAD' else [self.body]


def mounted(cron: Any, auth: object, **options: Any) -> Mounted:
    """The dashboard of a `Cron`, or of another host."""
    return Mounted(lambda: cron.site.ledger, auth, **options)


def request_of_environ(environ: Mapping[str, Any], body: bytes | None = None) -> Request:
    """`body`: what a framework has read of it."""
    if body is None:
        body = _body_of_environ(environ) if environ['REQUEST_METHOD'] == 'POST' else b''
    headers = {
        name[5:].replace('_', '-').lower(): str(value)
        for name, value in environ.items() if name.startswith('HTTP_')
    }
    headers['content-type'] = environ.get('CONTENT_TYPE') or ''
    return Request(
        environ['REQUEST_METHOD'],
        _decoded(environ.get('PATH_INFO', '')),
        environ.get('QUERY_STRING', ''),
        headers,
        body,
        _last(_decoded(environ.get('SCRIPT_NAME', ''))),
    )


def _request_of_scope(scope: Mapping[str, Any], body: bytes) -> Request:
    root, path = scope.get('root_path', '').rstrip('/'), scope['path']
    # Starlette leaves the prefix in the path, others do not.
    below = path[len(root):] if root and (path == root or path.startswith(f'{root}/')) else path
    headers: dict[str, str] = {}
    for name, value in scope['headers']:
        key, text = name.decode('latin-1').lower(), value.decode('latin-1')
        headers[key] = f'{headers[key]}, {text}' if key in headers else text
    return Request(
        scope['method'], below, scope.get('query_string', b'').decode('ascii', 'replace'),
        headers, body, _last(root),
    )


def _last(root: str) -> str:
    return root.rstrip('/').rpartition('/')[2]


def _decoded(path: str) -> str:
    # PEP 3333: the bytes of a path, each as a character.
    return path.encode('latin-1', 'replace').decode('utf-8', 'replace')


def _body_of_environ(environ: Mapping[str, Any]) -> bytes:
    """Of a form; what is longer is none of ours."""
    try:
        length = int(environ.get('CONTENT_LENGTH') or 0)
    except ValueError:
        return b''
    if not 0 < length <= MOST_OF_A_BODY:
        return b''
    body: bytes = environ['wsgi.input'].read(length)
    return body


async def _body(receive: Any) -> bytes:
    body = bytearray()
    while len(body) <= MOST_OF_A_BODY:
        message = await receive()
        body += message.get('body', b'')
        if message['type'] != 'http.request' or not message.get('more_body'):
            return bytes(body)
    return b''


async def _refuse(scope: Any, receive: Any, send: Any) -> None:
    """What is served alone has a lifespan; a websocket is none of ours."""
    if scope['type'] == 'lifespan':
        while True:
            message = await receive()
            await send({'type': f'{message["type"]}.complete'})
            if message['type'] == 'lifespan.shutdown':
                return
    if scope['type'] == 'websocket':
        await receive()
        await send({'type': 'websocket.close', 'code': 1000})
