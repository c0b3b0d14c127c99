"""The command `web`: the dashboard beside an application, for the user who starts it.

Example::

    $ cronsched web --port 0
    http://127.0.0.1:43127/?token=... (opens once; Ctrl-C ends it)

It listens on the loopback only. The token opens it once and becomes a cookie
that no script and no other site can use; a Host that is not the loopback's is
refused, so that no name on the internet leads here. It only reads the ledger,
unless `--operate` is given.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import threading
from collections.abc import Callable, Iterable
from hmac import compare_digest
from http.cookies import CookieError, SimpleCookie
from socketserver import TCPServer, ThreadingMixIn
from typing import Any, Final
from urllib.parse import parse_qs, urlencode
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from cronsched.base.hosts import is_loopback, name_of
from cronsched.cli.access import add_ledger_options, opened
from cronsched.cli.runs import write_json
from cronsched.cli.terminal import Terminal
from cronsched.errors import CronError
from cronsched.ledger import Ledger

__all__ = ['Door', 'add_arguments', 'run']

LOOPBACK: Final = '127.0.0.1'
PATIENCE: Final = 30.0     # seconds, for a request to arrive

Environ = dict[str, Any]
StartResponse = Callable[..., Any]


DESCRIPTION = """\
Shows the dashboard on the loopback, to the user who opens the address that it
prints. The ledger is only read, unless --operate is given."""
EXAMPLES = (
    'cronsched web',
    'cronsched web --operate --port 8090',
)
STATUSES = (
    ('2', 'there is no ledger, or the port is taken'),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--port', type=_port, default=0, help='0, the default: a free one')
    parser.add_argument(
        '--operate', action='store_true', help='also run, pause and resume jobs there')
    add_ledger_options(parser)


def run(arguments: argparse.Namespace) -> None:
    """Until it is interrupted. Raises `CronError` where the port is taken."""
    # Who may act has to write.
    with opened(arguments, looks=not arguments.operate) as ledger:
        serve(arguments, ledger)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text[:6]) > 65_535:
        raise argparse.ArgumentTypeError(f'{text[:20]!r} is not a port: write 0 to 65535')
    return int(text)


def serve(arguments: argparse.Namespace, ledger: Ledger) -> None:
    named = arguments.application or []
    first = f'jobs?{urlencode({"application": named[0]})}' if len(named) == 1 else './'
    door = Door(ledger, operates=arguments.operate, first=first)
    try:
        server = Server((LOOPBACK, arguments.port), Handler)
    except OSError as error:
        raise CronError(
            f'port {arguments.port} of {LOOPBACK} cannot be used ({error.strerror}): write '
            '--port 0') from error
    with server:
        door.port = server.server_port
        server.set_app(door)
        url = f'http://{LOOPBACK}:{door.port}/?token={door.token}'
        if arguments.json:
            write_json({'url': url})
        else:
            Terminal(sys.stdout).write(f'{url} (opens once; Ctrl-C ends it)')
        sys.stdout.flush()
        server.serve_forever()


class Door:
    """A WSGI application in front of the dashboard: lets in a browser with
    the token, once, and after that with the cookie."""

    def __init__(self, ledger: Ledger, *, operates: bool, first: str = './') -> None:
        from cronsched.web.dashboard import Mounted  # needs an extra

        level = 'operate' if operates else 'read'
        self._dashboard = Mounted(
            lambda: ledger, lambda environ: level if self._is_known(environ) else None,
            operates=operates)
        #: Opens once.
        self.token = secrets.token_urlsafe(32)
        self.port = 0
        self._first = first
        self._session = secrets.token_urlsafe(32)
        self._lock = threading.Lock()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        name = name_of(environ.get('HTTP_HOST', ''))
        if name is None or not is_loopback(name):
            return _say(start_response, '421 Misdirected Request', 'This is for the loopback.\n')
        given = parse_qs(environ.get('QUERY_STRING', '')).get('token')
        if given is None or environ['REQUEST_METHOD'] != 'GET':
            return self._dashboard.wsgi(environ, start_response)
        if not self._spend(given[-1]):
            return _say(start_response, '403 Forbidden', 'This token was used, or is none: start '
                        '`cronsched web` anew.\n')
        cookie = f'{self._cookie}={self._session}; HttpOnly; SameSite=Strict; Path=/'
        start_response('303 See Other', [
            ('Location', self._first), ('Set-Cookie', cookie), ('Cache-Control', 'no-store'),
            ('Referrer-Policy', 'no-referrer'), ('Content-Length', '0')])
        return []

    @property
    def _cookie(self) -> str:
        # Cookies know no port: another one of ours has another name.
        return f'cronsched-{self.port}'

    def _spend(self, given: str) -> bool:
        with self._lock:
            if not self.token or not compare_digest(given.encode(), self.token.encode()):
                return False
            self.token = ''
            return True

    def _is_known(self, environ: Environ) -> bool:
        try:
            cookie = SimpleCookie(environ.get('HTTP_COOKIE', '')).get(self._cookie)
        except CookieError:
            return False
        return cookie is not None and compare_digest(
            cookie.value.encode(), self._session.encode())


class Server(ThreadingMixIn, WSGIServer):
    """For one person: a thread for each request."""

    daemon_threads = True

    def server_bind(self) -> None:
        # Without asking who 127.0.0.1 is, which may take long.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = LOOPBACK, self.server_address[1]
        self.setup_environ()


class Handler(WSGIRequestHandler):
    timeout = PATIENCE

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _say(start_response: StartResponse, status: str, text: str) -> Iterable[bytes]:
    start_response(status, [
        ('Content-Type', 'text/plain; charset=utf-8'), ('Content-Length', str(len(text))),
        ('Cache-Control', 'no-store'), ('X-Content-Type-Options', 'nosniff')])
    return [text.encode()]
