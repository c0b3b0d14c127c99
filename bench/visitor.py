"""What a visitor pays for the jobs: `visitor.py [rounds]`.

Each application is asked for its page in place, without a server: bare, and
with jobs that have been started, in turns and in an order that is drawn anew
in each round. Prints for WSGI, ASGI, Morepath and OneGov's mount the median of
the bare request, and that of the difference within a round, in µs of the
process's own time. ASGI's bare request is a coroutine that is run to its end.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import morepath

from cronsched import Cron
from cronsched.morepath import CronApp
from cronsched.scheduler import process
from cronsched.web.start import start

sys.path.insert(0, str(Path(__file__).parent.parent / 'tests'))

from framework import make_framework
from gateways import asgi_page, wsgi_page

REQUESTS = 1_000
ADDRESS = 'http://127.0.0.1:9'     # nobody is called: the job is due in a year

ENVIRON = {
    'REQUEST_METHOD': 'GET', 'SCRIPT_NAME': '', 'PATH_INFO': '/page', 'QUERY_STRING': '',
    'SERVER_NAME': 'localhost', 'SERVER_PORT': '80', 'SERVER_PROTOCOL': 'HTTP/1.1',
    'HTTP_HOST': 'localhost', 'wsgi.url_scheme': 'http',
}

Visit = Callable[[], object]


def cron() -> Cron:
    made = Cron('bench', enabled=True)
    made.add(print, name='yearly', expression='0 0 1 1 *', timezone='UTC')
    return made


def wsgi(jobs: bool) -> Visit:
    app = _started(cron(), 'wsgi', wsgi_page) if jobs else wsgi_page
    return lambda: app(dict(ENVIRON), _start_response)


def asgi(jobs: bool) -> Visit:
    app = _started(cron(), 'asgi', asgi_page) if jobs else asgi_page
    scope = {'type': 'http', 'path': '/page', 'method': 'GET', 'headers': []}
    asyncio.run(_first(app, dict(scope)))
    return lambda: _run(app(dict(scope), None, _send))


async def _first(app: Any, scope: Any) -> None:
    await app(scope, None, _send)
    await asyncio.sleep(0.1)   # what the first visitor starts is done


def _started(made: Cron, gateway: str, page: Any) -> Any:
    start(made, ADDRESS)
    made._begin = lambda: True   # type: ignore[method-assign]  # as after the first visitor
    return getattr(made, gateway)(page)


def morepath_app(jobs: bool) -> Visit:
    return _visit(_with_page(CronApp if jobs else morepath.App, jobs))


def onegov(jobs: bool) -> Visit:
    # Without a job there is no tween; the framework is the same.
    return _visit(_with_page(make_framework(), jobs))


def _with_page(base: Any, jobs: bool) -> Any:
    class App(base):
        pass

    class Page:
        pass

    App.path(path='page')(Page)
    App.view(model=Page, permission=None)(lambda self, request: 'page')
    if jobs:
        App.cronjob('0 0 1 1 *', timezone='UTC')(lambda request: None)
        App.setting(section='cronjobs', name='enabled')(lambda: True)
        App.setting(section='cronjobs', name='base_url')(lambda: ADDRESS)
    App.commit()
    return App()


def _visit(app: Any) -> Visit:
    return lambda: app.publish(app.request(dict(ENVIRON)))


def _start_response(status: str, headers: object) -> None:
    pass


async def _send(message: object) -> None:
    pass


def _run(coroutine: Any) -> None:
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise SystemExit('it waited for something')


def took(visit: Visit) -> float:
    begun = time.process_time_ns()
    for _ in range(REQUESTS):
        visit()
    return (time.process_time_ns() - begun) / REQUESTS / 1000


def compare(bare: Visit, with_jobs: Visit, rounds: int) -> tuple[float, float]:
    figures: list[float] = []
    differences: list[float] = []
    for _ in range(rounds):
        order = [bare, with_jobs]
        random.shuffle(order)
        pair = {visit: took(visit) for visit in order}
        figures.append(pair[bare])
        differences.append(pair[with_jobs] - pair[bare])
    return statistics.median(figures), statistics.median(differences)


def main(rounds: int = 200) -> None:
    with tempfile.TemporaryDirectory() as directory:
        for variable, name in (('XDG_STATE_HOME', 'state'), ('XDG_RUNTIME_DIR', 'run')):
            os.environ[variable] = os.path.join(directory, name)
            os.mkdir(os.environ[variable], 0o700)
        for make in (wsgi, asgi, morepath_app, onegov):
            bare, with_jobs = make(False), make(True)
            # The first request starts the jobs.
            took(bare), took(with_jobs)
            request, more = compare(bare, with_jobs, rounds)
            print(f'{make.__name__:12} {request:.2f} {more:+.2f}')
        process.stop()


if __name__ == '__main__':
    main(*map(int, sys.argv[1:]))
