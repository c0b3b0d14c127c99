"""A way to a PostgreSQL server that loses answers.

Example::

    with Proxy(server.socket) as proxy:
        ledger = open_ledger(server.url('test', host='127.0.0.1', port=proxy.port))
        proxy.lose(3)      # the answers to the next three statements, after their commit

What the client sends goes to the server. An answer that is to be lost is read
until the server is ready for the next statement (message 'Z'), so it has
committed; then the connection of the client is closed.
"""

from __future__ import annotations

import selectors
import socket
import struct
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType

QUERY, EXECUTE, READY = b'Q', b'E', b'Z'


class Proxy:
    """See the module. `lost` counts the answers that were lost."""

    def __init__(self, upstream: Path) -> None:
        self._upstream = upstream
        self._listener = socket.create_server(('127.0.0.1', 0))
        self.port: int = self._listener.getsockname()[1]
        self._to_lose, self._lock = 0, threading.Lock()
        self._only_with = b''
        self.lost = 0
        self._threads: list[threading.Thread] = []

    def lose(self, count: int, only_with: bytes = b'') -> None:
        """The answers to the next `count` statements that have this text."""
        with self._lock:
            self._to_lose, self._only_with = count, only_with

    def __enter__(self) -> Proxy:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server, suppress(OSError):
            server.connect(str(self._upstream))
            with selectors.DefaultSelector() as selector:
                for each in (client, server):
                    selector.register(each, selectors.EVENT_READ)
                while self._pass_on(selector, client, server):
                    pass

    def _pass_on(
        self, selector: selectors.BaseSelector, client: socket.socket, server: socket.socket,
    ) -> bool:
        """Whether both sides are still there."""
        for key, _ in selector.select():
            data = key.fileobj.recv(1 << 16)    # type: ignore[union-attr]
            if not data:
                return False
            if key.fileobj is client and self._is_to_lose(data):
                server.sendall(data)
                self._swallow(server)
                return False
            (server if key.fileobj is client else client).sendall(data)
        return True

    def _is_to_lose(self, data: bytes) -> bool:
        # A statement is sent at once, by either protocol: 'Q', or 'P' to 'S'.
        if data[:1] not in (b'Q', b'P') or self._only_with not in data:
            return False
        with self._lock:
            if self._to_lose == 0:
                return False
            self._to_lose -= 1
            self.lost += 1
            return True

    @staticmethod
    def _swallow(server: socket.socket) -> None:
        """Read whole messages until the server is ready."""
        buffer = b''
        while True:
            while len(buffer) >= 5:
                length = struct.unpack('!I', buffer[1:5])[0] + 1
                if len(buffer) < length:
                    break
                if buffer[:1] == READY:
                    return
                buffer = buffer[length:]
            received = server.recv(1 << 16)
            if not received:
                return
            buffer += received
