"""A server in a process of its own that notes when each request came.

It answers `204` at once, over any number of kept connections, and hands out
what it noted: `[[arrival in ns since 1970, path], ...]`. The arrival is the
kernel's time stamp where there is one (Linux), so that the server's own
Python is not a part of the figure.
"""

from __future__ import annotations

import json
import selectors
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

SO_TIMESTAMPNS = 35   # asm-generic/socket.h; CPython has no name for it
ANSWER = (
    b'HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n'
    b'Cronsched-Outcome: ok\r\n\r\n'
)


@contextmanager
def receiver() -> Iterator[str]:
    """Base URL of a receiver; it ends with the block."""
    process = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield f'http://127.0.0.1:{int(process.stdout.readline())}'
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def noted(base: str) -> list[tuple[int, str]]:
    with urllib.request.urlopen(f'{base}/noted') as answer:
        return [(at, path) for at, path in json.load(answer)]


def receive(connection: socket.socket) -> tuple[bytes, int]:
    """The bytes, and when they arrived."""
    data, extra, _, _ = connection.recvmsg(65536, 128)
    now = time.time_ns()
    for level, kind, value in extra:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, ns = struct.unpack('@qq', value[:16])
            return data, seconds * 10**9 + ns
    return data, now


def serve() -> None:
    listener = socket.create_server(('127.0.0.1', 0), backlog=4096)
    if sys.platform == 'linux':
        listener.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    print(listener.getsockname()[1], flush=True)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    arrivals: list[tuple[int, str]] = []
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(connection, selectors.EVENT_READ)
                continue
            connection = key.fileobj  # type: ignore[assignment]
            data, now = receive(connection)
            if not data:
                selector.unregister(connection)
                connection.close()
                continue
            path = data.split(b' ', 2)[1].decode()
            if path == '/noted':
                body = json.dumps(arrivals).encode()
                arrivals.clear()
                head = b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n' % len(body)
                connection.sendall(head + body)
            else:
                arrivals.append((now, path))
                connection.sendall(ANSWER)


if __name__ == '__main__':
    serve()
