"""How a test speaks to an application: in place, as PEP 3333 and ASGI 3 say, or
over a real connection.

Example::

    send = wsgi_transport(app)
    assert send('GET', '/page', [], b'').body == b'page /page'
"""

from __future__ import annotations

import asyncio
import io
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import unquote, unquote_to_bytes, urlsplit

import uvicorn


@dataclass(frozen=True)
class Reply:
    """What came back; status 0 and the error where nothing did."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b''
    error: BaseException | None = None

    @property
    def outcome(self) -> str | None:
        return self.headers.get('cronsched-outcome')


Send = Callable[[str, str, list[tuple[str, str]], bytes], Reply]


def wsgi_transport(app: Any) -> Send:
    """Calls the application as PEP 3333 says."""

    def send(method: str, path: str, headers: list[tuple[str, str]], body: bytes) -> Reply:
        parts = urlsplit(path)
        environ: dict[str, Any] = {
            'REQUEST_METHOD': method, 'SCRIPT_NAME': '', 'QUERY_STRING': parts.query,
            'PATH_INFO': unquote_to_bytes(parts.path).decode('latin-1'),
            'SERVER_NAME': 'localhost', 'SERVER_PORT': '80', 'SERVER_PROTOCOL': 'HTTP/1.1',
            'HTTP_HOST': 'localhost', 'wsgi.version': (1, 0), 'wsgi.url_scheme': 'http',
            'wsgi.input': io.BytesIO(body), 'wsgi.errors': io.StringIO(),
            'wsgi.multithread': True, 'wsgi.multiprocess': True, 'wsgi.run_once': False,
        }
        if body:
            environ['CONTENT_LENGTH'] = str(len(body))
        for name, value in headers:
            key = f'HTTP_{name.upper().replace("-", "_")}'
            environ[key] = f'{environ[key]},{value}' if key in environ else value
        answered: list[Any] = []

        def start_response(status: str, sent: Any, error: Any = None) -> Any:
            answered[:] = [int(status.split()[0]), sent]
            return lambda data: None

        try:
            result = app(environ, start_response)
            content = b''.join(result)
            getattr(result, 'close', lambda: None)()
        except BaseException as error:
            return Reply(0, error=error)
        status, sent = answered
        return Reply(status, {name.lower(): value for name, value in sent}, content)

    return send


def asgi_transport(app: Any) -> Send:
    """Calls the application as ASGI 3 says, in a loop of its own."""

    def send(method: str, path: str, headers: list[tuple[str, str]], body: bytes) -> Reply:
        try:
            return asyncio.run(asgi_request(app, method, path, headers, body))
        except BaseException as error:
            return Reply(0, error=error)

    return send


async def asgi_request(
    app: Any, method: str, path: str, headers: list[tuple[str, str]], body: bytes,
) -> Reply:
    parts = urlsplit(path)
    sent: list[Any] = []
    length = [('content-length', str(len(body)))] if body else []
    scope = {
        'type': 'http', 'asgi': {'version': '3.0'}, 'http_version': '1.1', 'method': method,
        'scheme': 'http', 'path': unquote(parts.path), 'raw_path': parts.path.encode(),
        'query_string': parts.query.encode(), 'root_path': '', 'client': ('127.0.0.1', 1),
        'server': ('localhost', 80),
        'headers': [(name.lower().encode(), value.encode('latin-1'))
                    for name, value in [('host', 'localhost'), *length, *headers]],
    }

    requests = iter([{'type': 'http.request', 'body': body, 'more_body': False}])

    async def receive() -> Any:
        for request in requests:
            return request
        await asyncio.Event().wait()   # the client waits for its answer

    async def send(message: Any) -> None:
        sent.append(message)

    error = None
    try:
        await app(scope, receive, send)
    except Exception as raised:   # for the server's log; it was answered before
        if not sent:
            raise
        error = raised
    head = {name.decode().lower(): value.decode() for name, value in sent[0]['headers']}
    body = b''.join(each.get('body', b'') for each in sent[1:])
    return Reply(sent[0]['status'], head, body, error)


def http_transport(url: str) -> Send:
    """Over a real connection, byte by byte as it was asked for."""
    place = urlsplit(url).netloc

    def send(method: str, path: str, headers: list[tuple[str, str]], body: bytes) -> Reply:
        connection = HTTPConnection(place, timeout=20)
        try:
            connection.putrequest(method, path)
            for name, value in headers:
                connection.putheader(name, value)
            if body or method in ('POST', 'PUT', 'PATCH'):
                connection.putheader('Content-Length', str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            head = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, head, answer.read())
        except (HTTPException, OSError) as error:
            return Reply(0, error=error)
        finally:
            connection.close()

    return send


@contextmanager
def in_uvicorn(app: Any, **options: Any) -> Iterator[str]:
    """The URL of `app`, served by a thread of this process."""
    config = uvicorn.Config(app, port=0, log_config=None, ws='none', **options)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    end = time.monotonic() + 20
    while not server.started:
        assert thread.is_alive(), 'uvicorn did not start'
        assert time.monotonic() < end
        time.sleep(0.01)
    try:
        yield f'http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}'
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


# -- pages ----------------------------------------------------------------------


def wsgi_page(environ: Any, start_response: Any) -> list[bytes]:
    body = f'page {environ["PATH_INFO"]}'.encode()
    start_response('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', str(len(body)))])
    return [body]


async def asgi_page(scope: Any, receive: Any, send: Any) -> None:
    if scope['type'] == 'lifespan':
        while (message := await receive())['type'] != 'lifespan.shutdown':
            assert message['type'] == 'lifespan.startup'
            await send({'type': 'lifespan.startup.complete'})
        await send({'type': 'lifespan.shutdown.complete'})
        return
    body = f'page {scope["path"]}'.encode()
    await send({'type': 'http.response.start', 'status': 200, 'headers': [
        (b'content-type', b'text/plain'), (b'content-length', str(len(body)).encode()),
    ]})
    await send({'type': 'http.response.body', 'body': body})
