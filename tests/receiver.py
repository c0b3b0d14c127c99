"""A server in a process of its own that notes what came, and when.

It answers 204 to everything, `/slow/...` after a fifth of a second. `/noted` hands
out what came since it was last asked: [arrival in UTC seconds, path,
scheduled], in that order.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SLOW = 0.2

noted: list[tuple[float, str, str]] = []
lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        at = time.time()
        with lock:
            noted.append((at, self.path, self.headers['Cronsched-Scheduled']))
        if self.path.startswith('/slow/'):
            time.sleep(SLOW)
        self.send_response_only(204)
        self.end_headers()

    def do_GET(self) -> None:
        with lock:
            body = json.dumps(noted).encode()
            noted.clear()
        self.send_response_only(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle(self) -> None:
        with suppress(ConnectionError):   # whoever was connected was killed
            super().handle()


@contextmanager
def receiver() -> Iterator[str]:
    """Base URL; the server ends with the block."""
    process = subprocess.Popen([sys.executable, '-I', __file__], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield f'http://127.0.0.1:{int(process.stdout.readline())}'
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def fetch(base: str) -> list[tuple[float, str, str]]:
    """What the receiver noted."""
    with urllib.request.urlopen(f'{base}/noted', timeout=20) as answer:
        return [(at, path, scheduled) for at, path, scheduled in json.load(answer)]


def serve() -> None:
    ThreadingHTTPServer.request_queue_size = 512
    ThreadingHTTPServer.daemon_threads = True
    with ThreadingHTTPServer(('127.0.0.1', 0), Handler) as server:
        print(server.server_port, flush=True)
        server.serve_forever()


if __name__ == '__main__':
    serve()
