"""A server that ends gives up what this process has among several machines.

Example::

    app.router.lifespan_context = leaving(app.router.lifespan_context)

Under ASGI a server may end by a signal that it raises itself, which runs no
exit handler; without this the others would wait until they have not heard the
process for a while. Where there is one machine, nothing happens.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from cronsched.scheduler import process
from cronsched.web.threads import in_thread

__all__ = ['leaving', 'live', 'received']

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Lifespan = Callable[[Any], AbstractAsyncContextManager[Any]]

SHUTDOWN = 'lifespan.shutdown'


def received(receive: Receive) -> Receive:
    """`receive` of a lifespan, whose application hears of the end after us."""
    async def receive_and_leave() -> Message:
        message = await receive()
        if message['type'] == SHUTDOWN:
            await in_thread(process.leave)
        return message

    return receive_and_leave


def leaving(lifespan: Lifespan) -> Lifespan:
    """The lifespan of an application, as Starlette has it, which ends after
    us."""
    @asynccontextmanager
    async def lifespan_and_leave(app: Any) -> AsyncIterator[Any]:
        async with lifespan(app) as state:
            try:
                yield state
            finally:
                await in_thread(process.leave)

    return lifespan_and_leave


async def live(receive: Receive, send: Send) -> None:
    """The whole lifespan of an application that has none."""
    while True:
        message = await receive()
        if message['type'] == SHUTDOWN:
            await in_thread(process.leave)
        await send({'type': f'{message["type"]}.complete'})
        if message['type'] == SHUTDOWN:
            return
