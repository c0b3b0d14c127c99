"""The process that fires is killed twenty times under the usual servers of each
framework: no second is run twice, and none is left out.

A run that a killed process had claimed is lost, and never repeated: it may have
done half of its work. The ledger says so, and it counts as neither.
"""

from __future__ import annotations

import random
import shutil
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from example_server import PATIENCE, serving
from servers import wait_for

from cronsched.ledger import open_ledger

EXAMPLES = Path(__file__).parents[2] / 'examples'
GUNICORN = 'gunicorn -w 4 --no-control-socket --graceful-timeout 2 -b 127.0.0.1:{port}'
TIMES = 20

SERVERS = {
    'flask, gunicorn x 4': f'{GUNICORN} shop:create_app()',
    'pyramid, gunicorn x 4': f'{GUNICORN} shop:main()',
    'django, gunicorn x 4': f'{GUNICORN} shop.wsgi',
    'django, uvicorn x 4': 'uvicorn --workers 4 --port {port} shop.asgi:application',
    'fastapi, uvicorn x 4': 'uvicorn --workers 4 --port {port} shop:app',
    'fastapi, gunicorn x 4': f'{GUNICORN} -k uvicorn_worker.UvicornWorker shop:app',
}


@dataclass(frozen=True)
class Account:
    seconds: int
    double: list[int]
    absent: list[int]
    lost: list[int]


def account_of(server, job, directory):
    """What became of each second between the first and the last."""
    counted = Counter(server.runs(job))
    ledger = open_ledger(f'sqlite://{directory}/state/cronsched/ledger.sqlite3')
    try:
        rows = ledger.history(application_id='shop', job=job, limit=100_000)
    finally:
        ledger.close()
    lost = {row.run.scheduled for row in rows if row.state == 'lost'}
    wanted = range(min(counted), max(counted))
    missing = {*wanted} - {*counted}
    return Account(
        len(wanted), [second for second, count in counted.items() if count > 1],
        sorted(missing - lost), sorted(missing & lost),
    )


@pytest.mark.soak
@pytest.mark.parametrize('name', SERVERS)
def test_no_second_is_double_or_absent_when_who_fires_is_killed(name, tmp_path):
    project, chance = tmp_path / 'project', random.Random(name)
    framework = name.partition(',')[0]
    shutil.copytree(
        EXAMPLES / framework, project,
        ignore=shutil.ignore_patterns('__pycache__', '*.sqlite3'),
    )
    with serving(SERVERS[name], project) as server:
        wait_for(lambda: len(server.runs('tick')) >= 3, PATIENCE)
        for _ in range(TIMES):
            time.sleep(chance.random())    # not always at the same point of a second
            owners, ticks = len(server.owners()), len(server.runs('tick'))
            server.kill()
            wait_for(lambda owners=owners: len(server.owners()) > owners, PATIENCE)
            wait_for(lambda ticks=ticks: len(server.runs('tick')) >= ticks + 3, PATIENCE)
        time.sleep(1)     # so that what is caught up has ended as well
        jobs = ('tick', 'poll') if framework in ('fastapi', 'django') else ('tick',)
        found = {job: account_of(server, job, tmp_path) for job in jobs}
    for job, each in found.items():
        print(f'\n| {name}, {job} | {TIMES} kills, {each.seconds} s | double {len(each.double)} '
              f'| absent {len(each.absent)} | lost while executing {len(each.lost)} |')
        assert (each.double, each.absent) == ([], [])
        assert len(each.lost) <= TIMES
