"""The application of the laboratory: jobs each second that write down what they
do. FLEET_IDS and FLEET_JOBS say how many; FLEET_DIRECTORY, where.

    gunicorn fleet_app:wsgi          uvicorn fleet_app:asgi
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Any

from cronsched import Cron

directory = Path(os.environ['FLEET_DIRECTORY'])
host = os.environ['FLEET_HOST']
logging.basicConfig(
    filename=directory / f'log-{host}', level=logging.INFO,
    format='%(created).3f %(process)d %(levelname)s %(message)s')


def note(*words: object) -> None:
    """One line, written whole whoever else writes."""
    descriptor = os.open(directory / 'executions', os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, (' '.join(map(str, words)) + '\n').encode())
    finally:
        os.close(descriptor)


def executing(cron: Cron, job: str) -> Any:
    def execute(run: Any) -> None:
        key = cron.application_id, job, int(run.scheduled.timestamp()), run.attempt
        # A clock that no test sets, and that all hosts share.
        note('began', *key, host, os.getpid(), time.clock_gettime(time.CLOCK_BOOTTIME))
        note('ended', *key, host, os.getpid(), time.clock_gettime(time.CLOCK_BOOTTIME))

    return execute


def crons() -> list[Cron]:
    made = []
    for number in range(int(os.environ['FLEET_IDS'])):
        cron = Cron(
            f'fleet-{number}', prefix=f'/c{number}', timezone='UTC', enabled=True,
            ledger=os.environ['FLEET_LEDGER'], secret='the same on every host',
            base_url=os.environ['FLEET_URL'])
        for job in range(int(os.environ['FLEET_JOBS'])):
            cron.job('* * * * * *', name=f'job-{job}', max_offset=0, coalesce=False,
                     overlap='allow', timeout=20)(executing(cron, f'job-{job}'))
        made.append(cron)
    return made


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


def wsgi(environ: Any, start_response: Any) -> Any:
    return _wsgi(environ, start_response)


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    await _asgi(scope, receive, send)


_wsgi: Any = page
_asgi: Any = async_page
if os.environ['FLEET_KIND'] == 'wsgi':
    for _cron in crons():
        _wsgi = _cron.wsgi(_wsgi)
else:
    for _cron in crons():
        _asgi = _cron.asgi(_asgi)
