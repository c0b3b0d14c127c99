"""The application of the laboratory: jobs that write down what they do.

    gunicorn fleet_app:wsgi          uvicorn fleet_app:asgi

FLEET_IDS application ids have FLEET_JOBS jobs each, which run by FLEET_SCHEDULE;
FLEET_DIRECTORY says where to write. FLEET_LONG=1 adds a job of the first id that
executes while a file `hold-HOST` is there. FLEET_RELEASE=2 is the next release,
see `releases`. Real-time signals torment a process: see `torments`.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Any

import releases
import torments

from cronsched import Cron

directory = Path(os.environ['FLEET_DIRECTORY'])
host = os.environ['FLEET_HOST']
logging.basicConfig(
    filename=directory / f'log-{host}', level=os.environ.get('FLEET_LOG', 'WARNING'),
    format='%(created).3f %(process)d %(levelname)s %(message)s')
if os.environ.get('FLEET_RELEASE') == '2':
    releases.become_next()
torments.listen()


def opened(name: str) -> int:
    """For lines that are written whole whoever else writes."""
    return os.open(directory / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


EXECUTIONS, ASKED = opened('executions'), opened('asked')


def note(*words: object) -> None:
    # A clock that no test sets, and that all hosts share.
    at = time.clock_gettime(time.CLOCK_BOOTTIME)
    os.write(EXECUTIONS, f'{" ".join(map(str, words))} {host} {os.getpid()} {at}\n'.encode())


def executing(cron: Cron, job: str) -> Any:
    def execute(run: Any) -> None:
        key = cron.application_id, job, int(run.scheduled.timestamp()), run.attempt
        note('began', *key)
        while job == 'long' and (directory / f'hold-{host}').exists():
            time.sleep(0.05)
        note('ended', *key)

    return execute


def made(number: int) -> Cron:
    cron = Cron(
        f'fleet-{number}', prefix=f'/c{number}', timezone='UTC', enabled=True,
        ledger=os.environ['FLEET_LEDGER'], secret='the same on every host',
        base_url=os.environ['FLEET_URL'])
    for job in range(int(os.environ['FLEET_JOBS'])):
        cron.job(os.environ.get('FLEET_SCHEDULE', '* * * * * *'), name=f'job-{job}', max_offset=0,
                 coalesce=False, overlap='allow',
                 timeout=float(os.environ['FLEET_TIMEOUT']))(executing(cron, f'job-{job}'))
    if number == 0 and os.environ.get('FLEET_LONG'):
        cron.job('* * * * * *', name='long', max_offset=0, overlap='skip',
                 timeout=3600)(executing(cron, 'long'))
    return cron


def page(environ: Any, start_response: Any) -> list[bytes]:
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [host.encode()]


async def async_page(scope: Any, receive: Any, send: Any) -> None:
    if scope['type'] == 'lifespan':
        while (await receive())['type'] != 'lifespan.shutdown':
            await send({'type': 'lifespan.startup.complete'})
        await send({'type': 'lifespan.shutdown.complete'})
        return
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    await send({'type': 'http.response.body', 'body': host.encode()})


def of(path: str) -> str:
    """The prefix of the application id that is asked. What asks for a run counts."""
    _, prefix, *rest = path.split('/', 2)
    if rest != ['-']:   # a knock
        os.write(ASKED, b'.')
    return prefix


KIND = os.environ['FLEET_KIND']
APPS: dict[str, Any] = {}
for _number in range(int(os.environ['FLEET_IDS'])):
    _cron = made(_number)
    APPS[f'c{_number}'] = _cron.wsgi(page) if KIND == 'wsgi' else _cron.asgi(async_page)
FIRST = APPS['c0']


def wsgi(environ: Any, start_response: Any) -> Any:
    return APPS.get(of(environ['PATH_INFO']), FIRST)(environ, start_response)


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    found = FIRST if scope['type'] == 'lifespan' else APPS.get(of(scope['path']), FIRST)
    await found(scope, receive, send)
