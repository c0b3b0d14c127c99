"""What a wheel that is tried calls: an HTTP and an HTTPS server on loopback, with a certificate of
an authority that was made for the occasion.

Example::

    with Servers() as servers:
        servers.http         # 'http://localhost:40001/'
        servers.authority    # a file; who trusts it trusts servers.https
"""

from __future__ import annotations

import ssl
import subprocess
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self


class Answer(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_response(200)
        self.send_header('Content-Length', '0')
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """In silence."""


class Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that distrusts us hangs up."""


class Servers:
    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory()
        self.authority = Path(self._folder.name) / 'authority.pem'
        key = self.authority.with_suffix('.key')
        # One that vouches for itself.
        subprocess.run(
            [
                *('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2'),
                *('-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'),
                *('-keyout', key, '-out', self.authority),
            ],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.authority, key)
        self._servers = [Quiet(('127.0.0.1', 0), Answer) for _ in range(2)]
        plain, secret = self._servers
        secret.socket = context.wrap_socket(secret.socket, server_side=True)
        for server in self._servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()
        self.http = f'http://localhost:{plain.server_port}/'
        self.https = f'https://localhost:{secret.server_port}/'
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()
        self._folder.cleanup()
