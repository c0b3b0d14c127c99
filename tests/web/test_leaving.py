"""Under ASGI a server says that it ends, and may then end by a signal."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import postgres
import pytest
from servers import free_port, wait_for

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


SHOPS = {
    'starlette': '''
from starlette.applications import Starlette
from cronsched.starlette import Cron
app = Starlette()
cron = Cron('shop', timezone='UTC', **settings)
cron.mount(app)
''',
    'fastapi': '''
from fastapi import FastAPI
from cronsched.fastapi import Cron
app = FastAPI()
cron = Cron('shop', timezone='UTC', **settings)
cron.mount(app)
''',
    'django': '''
import django
from django.conf import settings as project
project.configure(
    SECRET_KEY='x', ROOT_URLCONF=__name__, INSTALLED_APPS=['cronsched.django', 'tidying'],
    USE_TZ=True, ALLOWED_HOSTS=['*'], CRONSCHED={'APPLICATION_ID': 'shop', **{
        name.upper(): value for name, value in settings.items()}})
django.setup()
from django.urls import include, path
from cronsched.django.asgi import get_asgi_application
urlpatterns = [path('', include('cronsched.django.urls'))]
app = get_asgi_application()
''',
}
JOB = '''
@{}('0 3 * * *', timezone='UTC')
def tidy():
    pass
'''


@pytest.mark.parametrize('framework', SHOPS)
def test_a_server_that_is_told_to_end_is_followed_at_once(
    framework: str, tmp_path: Path,
) -> None:
    pytest.importorskip('uvicorn')
    pytest.importorskip(framework)
    server, port = postgres.server(), free_port()
    url = server.clean_database()
    settings = {'ledger': url, 'secret': 'the same on all machines', 'enabled': True,
                'base_url': f'http://127.0.0.1:{port}', 'state_directory': str(tmp_path),
                'runtime_directory': str(tmp_path), 'takeover': 4,
                'machine_lost_after': 300, 'beat_url': f'{url}&application_name=beats'}
    shop = f'settings = {settings!r}{SHOPS[framework]}'
    if framework == 'django':
        (tmp_path / 'tidying').mkdir()
        (tmp_path / 'tidying' / '__init__.py').touch()
        (tmp_path / 'tidying' / 'cron.py').write_text(
            f'from cronsched.django import cronjob{JOB.format("cronjob")}')
    else:
        shop += JOB.format('cron.job')
    (tmp_path / 'shop.py').write_text(shop)

    def seats() -> list[tuple[object, ...]]:
        return server.sql('SELECT member IS NOT NULL FROM cronsched.seats',
                          postgres.database_of(url))

    with (tmp_path / 'log').open('wb') as log:
        process = subprocess.Popen(
            [sys.executable, '-m', 'uvicorn', 'shop:app', '--port', str(port)],
            cwd=tmp_path, stdout=log, stderr=log)
    try:
        wait_for(lambda: seats() == [(True,)])
        assert server.sql('SELECT hold, lost_after FROM cronsched.members '
                          'WHERE seen IS NOT NULL', postgres.database_of(url)) == [(2.0, 300.0)]
        assert server.sql("SELECT count(*) FROM pg_stat_activity "
                          "WHERE application_name = 'beats'") == [(1,)]
        process.send_signal(signal.SIGTERM)
        asked = time.monotonic()
        process.wait(20)
        assert seats() == [(False,)], (tmp_path / 'log').read_text()
        assert time.monotonic() - asked < 10
    finally:
        process.kill()
        process.wait()


def test_where_there_is_one_machine_nothing_happens() -> None:
    process.leave()
