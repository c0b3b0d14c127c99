"""Under ASGI a server says that it ends, and may then end by a signal."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cronsched import Cron
from cronsched.scheduler import process


async def application(scope: Any, receive: Any, send: Any) -> None:
    while (await receive())['type'] != 'lifespan.shutdown':
        pass
    await send({'type': 'lifespan.shutdown.complete'})


def test_others_may_take_over_before_the_application_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    happened: list[str] = []
    monkeypatch.setattr(process, 'leave', lambda: happened.append('left'))
    messages = [{'type': 'lifespan.startup'}, {'type': 'lifespan.shutdown'}]

    async def receive() -> dict[str, str]:
        return messages.pop(0)

    async def send(message: dict[str, str]) -> None:
        happened.append(message['type'])

    cron = Cron(
        'shop', ledger='postgresql://db/app', secret='the same on all machines', enabled=False)
    asyncio.run(cron.asgi(application)({'type': 'lifespan'}, receive, send))
    assert happened == ['left', 'lifespan.shutdown.complete']


def test_where_there_is_one_machine_nothing_happens() -> None:
    process.leave()
