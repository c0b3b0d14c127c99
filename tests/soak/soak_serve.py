"""Two simple servers with several processes on one port:

    python soak_serve.py waitress PORT COUNT   # SO_REUSEPORT, one socket each
    python soak_serve.py prefork PORT COUNT    # one socket, inherited

Both keep COUNT processes alive, whatever kills them, until SIGTERM.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import soak_app


def main(kind: str, port: str, count: str = '1') -> None:
    if kind == 'child':
        serve_waitress(int(port))
    elif kind == 'waitress':
        supervise(lambda: spawn(port), int(count))
    else:
        supervise(preforker(int(port)), int(count))


def supervise(make: Callable[[], int], count: int) -> None:
    """Keep `count` children; `make` returns the pid of a new one."""
    children: set[int] = set()
    ending = False

    def end(*_: object) -> None:
        nonlocal ending
        ending = True
        for child in children:
            os.kill(child, signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)
    while children or not ending:
        while len(children) < count and not ending:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
            children.add(make())
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        children.discard(os.wait()[0])


def spawn(port: str) -> int:
    # Blocked signals are inherited, also by what is executed.
    def unblock() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    return subprocess.Popen([sys.executable, __file__, 'child', port], preexec_fn=unblock).pid


def leave(*_: object) -> None:
    raise SystemExit(0)


def listening(port: int, reuse: bool) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind(('127.0.0.1', port))
    sock.listen(64)
    return sock


def serve_waitress(port: int) -> None:
    from waitress import create_server

    signal.signal(signal.SIGTERM, leave)
    server: Any = create_server(
        soak_app.serve(), sockets=[listening(port, reuse=True)], threads=4,
    )
    server.run()


def preforker(port: int) -> Callable[[], int]:
    sock = listening(port, reuse=False)
    app = soak_app.load()   # as servers do that load before they fork

    def fork() -> int:
        pid = os.fork()
        if pid == 0:
            serve_one_by_one(soak_app.begin(app), sock)
            raise SystemExit(0)
        return pid

    return fork


def serve_one_by_one(app: Any, sock: socket.socket) -> None:
    server = WSGIServer(sock.getsockname(), Quiet, bind_and_activate=False)
    server.socket.close()
    server.socket = sock
    server.server_name, server.server_port = sock.getsockname()
    server.setup_environ()
    server.set_app(app)

    # An exception would be swallowed by wsgiref in the middle of a request.
    def end(*_: object) -> None:
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, end)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    server.serve_forever(poll_interval=0.2)


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:
        pass


if __name__ == '__main__':
    main(*sys.argv[1:])
