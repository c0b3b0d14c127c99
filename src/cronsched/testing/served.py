"""An ASGI application as a server has it: a loop, and its lifespan around all
requests.

Example::

    served = Served(app)        # its start-up has ended
    served.run(request())
    served.end()
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from cronsched.errors import SchedulerError
from cronsched.testing.loops import in_another_thread, is_in_a_loop

__all__ = ['Served']

T = TypeVar('T')


class Served:
    """See the module. `state` is what the lifespan gives to requests. Raises
    what the start-up, or `end` what the shutdown, raises."""

    def __init__(self, app: Any) -> None:
        if is_in_a_loop():
            raise SchedulerError(
                'a loop runs in this test: have the clock in a test that is no `async def`'
            )
        self.state: dict[str, Any] = {}
        self._busy = False
        self._runner = asyncio.Runner()
        try:
            self._lifespan = self._runner.run(_start_up(app, self.state))
        except BaseException:
            self._runner.close()
            raise

    def run(self, request: Coroutine[Any, Any, T]) -> T:
        """In the loop; in one of its own where a request of that loop moves
        the clock on."""
        if self._busy:
            return in_another_thread(lambda: asyncio.run(request))
        self._busy = True
        try:
            return self._runner.run(request)
        finally:
            self._busy = False

    def end(self) -> None:
        try:
            self._runner.run(self._lifespan.shut_down())
        finally:
            self._runner.close()


async def _start_up(app: Any, state: dict[str, Any]) -> _Lifespan:
    lifespan = _Lifespan(app, state)
    await lifespan.ask('startup')
    return lifespan


class _Lifespan:
    """One that the application does not know is none."""

    def __init__(self, app: Any, state: dict[str, Any]) -> None:
        self._events: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._answers: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        scope = {'type': 'lifespan', 'asgi': {'version': '3.0', 'spec_version': '2.0'},
                 'state': state}
        self._task = asyncio.ensure_future(app(scope, self._events.get, self._answers.put))

    async def ask(self, what: str) -> None:
        await self._events.put({'type': f'lifespan.{what}'})
        answer = asyncio.ensure_future(self._answers.get())
        await asyncio.wait({answer, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            answer.cancel()
        elif answer.result()['type'].endswith('failed'):
            await self._failed(what, answer.result().get('message', ''))

    async def _failed(self, what: str, message: str) -> None:
        await asyncio.wait({self._task})
        raise self._task.exception() or SchedulerError(f'the {what} has failed: {message}')

    async def shut_down(self) -> None:
        if not self._task.done():
            await self.ask('shutdown')
            await asyncio.wait({self._task})
        if not self._task.cancelled():
            self._task.exception()   # of a lifespan that is not known: looked at
