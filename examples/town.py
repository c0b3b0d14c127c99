"""A server for three towns: one Morepath application, mounted once for each.

    gunicorn --threads 8 'town:serve()'

Each town is an application id with its own runs. What its jobs do is there to be
seen: one is quick, one takes long, one hangs, one fails, and one works when it is
tried again. `python examples/run.py` starts it, kills a process, and shows what
becomes of the runs.
"""

from __future__ import annotations

import os
import time

from cronsched.morepath import CronApp

TOWNS = ('glarus', 'uri', 'zug')


class Server(CronApp):
    """What the WSGI server calls; it has no jobs of its own."""


class Town(CronApp):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    @property
    def application_id(self) -> str:
        return f'towns/{self.name}'


@Server.mount(path='{name}', app=Town)
def get_town(name: str) -> Town | None:
    return Town(name) if name in TOWNS else None


@Town.path(path='')
class Page:
    pass


@Town.view(model=Page)
def view_page(self, request):
    return f'Welcome to {request.app.name}.'


@Server.setting(section='cronjobs', name='base_url')
@Town.setting(section='cronjobs', name='base_url')
def get_base_url():
    return os.environ.get('TOWNS_URL')


def serve() -> Server:
    """What a WSGI server starts, in each of its processes."""
    Server.commit()
    server = Server()
    if os.environ.get('TOWNS_URL'):
        for name in TOWNS:
            server.start_cronjobs(f'/{name}')
    return server


def note(request) -> None:
    """Write down that this job was executed, in a file of all processes."""
    run = request.cron_run
    line = f'{run.application_id} {run.job} {int(run.scheduled.timestamp())} {run.attempt}\n'
    if 'TOWNS_EXECUTED' in os.environ:
        with open(os.environ['TOWNS_EXECUTED'], 'a') as file:
            file.write(line)


@Town.cronjob('*/5 * * * * *', timezone='UTC', max_offset=0)
def look_at_the_clock(request):
    note(request)


@Town.cronjob('7-59/20 * * * * *', timezone='UTC', max_offset=0)
def send_newsletter(request):
    note(request)
    if request.app.name == 'uri':
        raise ValueError('the newsletter has no recipients')


@Town.cronjob('3-59/20 * * * * *', timezone='UTC', max_offset=0, retries=2, backoff=2)
def fetch_weather(request):
    note(request)
    if request.app.name == 'zug' and request.cron_run.attempt == 1:
        raise ConnectionError('the weather service is busy')


@Town.cronjob('11-59/20 * * * * *', timezone='UTC', max_offset=0, timeout=3)
def ask_tax_office(request):
    note(request)
    if request.app.name == 'glarus':
        time.sleep(5)


@Town.cronjob('*/15 * * * * *', timezone='UTC', max_offset=0)
def make_backup(request):
    note(request)
    time.sleep(18 if request.app.name == 'uri' else 1)
