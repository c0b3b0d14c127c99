"""A server that does to a scheduler what servers do at their worst.

    with Target() as target:
        target.url('hang')   # accepts, and never answers
        target.asked         # for what, so far

One thread; it sends what each path says and nothing more.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any

GIGABYTE = 1 << 30


class Target:
    def __init__(self) -> None:
        self.asked: set[str] = set()
        self.sent = 0   # bytes of gigabytes
        self._loop = asyncio.new_event_loop()
        self._port = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Target:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end)
        self._thread.join(10)
        self._loop.close()

    def url(self, what: str) -> str:
        return f'http://127.0.0.1:{self._port}/{what}'

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, '127.0.0.1', 0)
        )
        self._port = self._server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()

    def _end(self) -> None:
        self._server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.call_later(0.1, self._loop.stop)

    async def _serve(self, reader: Any, writer: Any) -> None:
        try:
            while head := await reader.readuntil(b'\r\n\r\n'):
                what = head.split()[1].decode().strip('/')
                self.asked.add(what)
                await getattr(self, f'_{what}')(writer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _hang(self, writer: Any) -> None:
        await asyncio.sleep(3600)

    async def _drip(self, writer: Any) -> None:
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 3600\r\n\r\n')
        while True:
            writer.write(b'.')
            await writer.drain()
            await asyncio.sleep(1)

    async def _cut(self, writer: Any) -> None:
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 3600\r\n\r\nand then')
        await writer.drain()
        raise OSError

    async def _away(self, writer: Any) -> None:
        writer.write(b'HTTP/1.1 302 Found\r\nLocation: ' + self.url('stolen').encode()
                     + b'\r\nContent-Length: 0\r\n\r\n')

    async def _flood(self, writer: Any) -> None:
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n' % GIGABYTE)
        piece = bytes(1 << 16)
        for _ in range(GIGABYTE // len(piece)):
            writer.write(piece)
            await writer.drain()
            self.sent += len(piece)
