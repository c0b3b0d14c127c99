"""The application that is killed: jobs that write down each execution.

A server loads it by `serve()`, or in two steps, `load()` before a fork and
`begin()` after. What it does comes from the environment: SOAK_DIRECTORY (the
log and the executions), SOAK_MOUNT, SOAK_URL, and SOAK_JOBS, the options of
each job by its name, as JSON.
"""

from __future__ import annotations

import json
import logging
import os
import time
from pathlib import Path
from typing import Any

from cronsched.morepath import CronApp

# In the middle of this long a view, its process may be killed.
WORK = 0.1
HANG = 6.0   # the job of this name, past its timeout

directory = Path(os.environ['SOAK_DIRECTORY'])


def load() -> Any:
    logging.basicConfig(
        filename=directory / 'log', level=logging.INFO,
        format='%(created).6f %(process)d %(levelname)s %(message)s',
    )
    App = make_mounted() if os.environ.get('SOAK_MOUNT') == 'onegov' else make_plain()
    for name, options in json.loads(os.environ['SOAK_JOBS']).items():
        given = {'timezone': 'UTC', 'max_offset': 0, **options}
        App.cronjob(name=name, **given)(executing(name))
    App.commit()
    return App()


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


def executing(name: str) -> Any:
    def execute(request: Any) -> None:
        run = request.cron_run
        note(name, int(run.scheduled.timestamp()), os.getpid(), run.attempt)
        time.sleep(HANG if name == 'hang' else WORK)

    return execute


def note(*words: object) -> None:
    """One line, written whole whoever else writes."""
    line = ' '.join(map(str, words)) + '\n'
    descriptor = os.open(directory / 'executions', os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
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
