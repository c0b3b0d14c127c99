"""A way to a server that can be cut, slowed, turned to another server, and on
which answers get lost.

Example::

    way = Way('10.90.1.1', 6432, target=('10.90.1.1', 5432))
    way.turn(('10.90.1.2', 5432))      # all connections end; new ones go there
    way.lose_each = 50                 # of claims, the answer of each 50th

A target may be the path of a Unix socket; port 0 is any, see `port`. All of it
runs in one thread.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

READY = b'Z\x00\x00\x00\x05'     # ReadyForQuery: the statement has committed
CLAIM = b'claim_v'      # of any release

Address = tuple[str, int] | str


class Way:
    """See the module. `lost` counts answers, `asked` what was sent at once."""

    def __init__(self, host: str, port: int, target: Address) -> None:
        self.target = target
        self.lose_each = 0
        self.lost = self.asked = 0
        self.port = port
        self.stalled = False
        self._claims = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(host, port), daemon=True)
        self._thread.start()
        assert self._started.wait(10)

    def turn(self, target: Address) -> None:
        self.target = target
        self._loop.call_soon_threadsafe(self._drop_all)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _run(self, host: str, port: int) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve(host, port))

    async def _serve(self, host: str, port: int) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._pass_on, host, port)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stop.wait()
        server.close()
        self._drop_all()
        await asyncio.sleep(0.1)

    def _drop_all(self) -> None:
        for writer in self._writers:
            writer.close()

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter,
    ) -> None:
        with suppress(OSError):
            other_reader, other_writer = await self._connect()
            self._writers |= {writer, other_writer}
            losing = [False]
            await asyncio.gather(
                self._forward(reader, other_writer, losing, None),
                self._forward(other_reader, writer, None, losing))
            self._writers -= {writer, other_writer}
        writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self.target, str):
            return await asyncio.open_unix_connection(self.target)
        return await asyncio.open_connection(*self.target)

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter,
        asked: list[bool] | None, answered: list[bool] | None,
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(1 << 16):
                while self.stalled:
                    await asyncio.sleep(0.05)
                self.asked += asked is not None
                if asked is not None and CLAIM in data:
                    self._claims += 1
                    asked[0] = bool(self.lose_each) and self._claims % self.lose_each == 0
                if answered is not None and answered[0]:
                    if READY not in data:
                        continue
                    self.lost += 1
                    break
                writer.write(data)
                await writer.drain()
        writer.close()
        if answered is not None:
            writer.transport.abort()
