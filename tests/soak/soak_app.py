"""The application that is killed: jobs that write down each execution.

A server loads it by `serve()`, or in two steps, `load()` before a fork and
`begin()` after. What it does comes from the environment: SOAK_DIRECTORY (the
log, `executions` and `ends`), SOAK_MOUNT (morepath, onegov, wsgi or asgi),
SOAK_URL, SOAK_JOBS, the options of each job by its name, as JSON, and
SOAK_WITHOUT, the safety net that is taken away (see `soak_nets`).
"""

from __future__ import annotations

import json
import logging
import os
import time
from pathlib import Path
from typing import Any

import soak_nets

from cronsched import Cron
from cronsched.morepath import CronApp

# In the middle of this long a view, its process may be killed.
WORK = 0.1
# The jobs of these names take longer: past a timeout, or the next run.
LONGER = {'hang': 6.0, 'late': 3.0, 'slow': 2.5}

directory = Path(os.environ['SOAK_DIRECTORY'])


def load() -> Any:
    logging.basicConfig(
        filename=directory / 'log', level=logging.INFO,
        format='%(created).6f %(process)d %(levelname)s %(message)s',
    )
    soak_nets.take_away(os.environ.get('SOAK_WITHOUT', ''))
    mount = os.environ.get('SOAK_MOUNT')
    if mount in ('wsgi', 'asgi'):
        return make_gateway(mount)
    App = make_mounted() if mount == 'onegov' else make_plain()
    for name, options in jobs():
        App.cronjob(name=name, **options)(lambda request, name=name: execute(
            name, request.cron_run
        ))
    App.commit()
    return App()


def jobs() -> list[tuple[str, dict[str, Any]]]:
    given = json.loads(os.environ['SOAK_JOBS'])
    return [(name, {'timezone': 'UTC', 'max_offset': 0, **given[name]}) for name in given]


def make_gateway(gateway: str) -> Any:
    from gateways import asgi_page, wsgi_page

    cron = Cron('soak')
    for name, options in jobs():
        cron.job(name=name, **options)(lambda run, name=name: execute(name, run))
    return cron.wsgi(wsgi_page) if gateway == 'wsgi' else cron.asgi(asgi_page)


def make_plain() -> Any:
    class App(CronApp):
        application_id = 'soak'

    @App.path(path='')
    class Root:
        pass

    App.view(model=Root)(lambda self, request: str(os.getpid()))
    url = os.environ.get('SOAK_URL')
    App.setting(section='cronjobs', name='base_url')(lambda: url)
    return App


def make_mounted() -> Any:
    from framework import make_app

    App = make_app()
    App.application_id = 'soak'
    return App


def execute(name: str, run: Any) -> None:
    scheduled = int(run.scheduled.timestamp())
    note('executions', name, scheduled, os.getpid(), run.attempt, f'{time.time():.3f}')
    time.sleep(LONGER.get(name, WORK))
    fails = name == 'flaky' and run.attempt == 1 and scheduled % 2
    note('ends', name, scheduled, run.attempt, 'failed' if fails else 'ok', f'{time.time():.3f}')
    if fails:
        raise RuntimeError('as it does every other second')


def note(file: str, *words: object) -> None:
    """One line, written whole whoever else writes."""
    line = ' '.join(map(str, words)) + '\n'
    descriptor = os.open(directory / file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def begin(app: Any) -> Any:
    if os.environ.get('SOAK_URL') and isinstance(app, CronApp):
        app.start_cronjobs()
    return app


def serve() -> Any:
    return begin(load())
