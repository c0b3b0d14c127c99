"""How long a new owner needs for what was missed.

    python bench/bench_takeover.py [application ids] [jobs] [postgresql]

Everything real but the clock of the scheduler: a ledger (SQLite, or a server of
PostgreSQL of its own) in which each job of each application id last ran five
periods ago, and the reporter that takes all of them over at once. "First" is the
first request that may be sent, "all decided" when each job has its decision,
recorded and handed to the scheduler.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / 'tests'))

import postgres

from cronsched._cronsched import Scheduler
from cronsched.base import clock
from cronsched.jobs.job import Job
from cronsched.jobs.settings import Settings
from cronsched.ledger import Seen, open_ledger
from cronsched.scheduler import process
from cronsched.scheduler.bound import BoundApplication
from cronsched.scheduler.process import Service
from cronsched.scheduler.site import Site
from cronsched.scheduler.takeover import Prepared

NOW = int(time.time()) // 3600 * 3600
BASE = 'http://127.0.0.1:8080'


RAN = (
    "INSERT INTO {schema}runs (job_id, scheduled, state, attempt, started, ended) "
    "SELECT id, {ran}, 'ok', 1, {ran} + 10.0, {ran} + 11.0 FROM {schema}jobs; "
    'UPDATE {schema}jobs SET newest = {ran}, last_ok = {ran}')


def main(ids: str = '10000', jobs: str = '20', store: str = 'sqlite') -> None:
    logging.getLogger('cronsched').addHandler(logging.NullHandler())
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        ledger, sql = (in_postgresql(stack) if store == 'postgresql'
                       else in_sqlite(Path(directory) / 'ledger'))
        for what, seconds, reach in figures(ledger, sql, int(ids), int(jobs)):
            print(f'{what:<52} {seconds:>10.2f} s   {reach}')


def in_sqlite(path: Path):
    def sql(text: str) -> None:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.executescript(text.format(schema='', ran=NOW - 300))

    return open_ledger(f'sqlite://{path}'), sql


def in_postgresql(stack: contextlib.ExitStack):
    server = postgres.Server(**postgres.DURABLE)
    stack.callback(server.close)
    url = server.fresh_database()
    ledger = open_ledger(url)
    stack.callback(ledger.close)

    def sql(text: str) -> None:
        database = postgres.database_of(url)
        server.sql(text.format(schema='cronsched.', ran=NOW - 300), database)
        server.sql('ANALYZE', database)

    return ledger, sql


def figures(ledger, sql, ids: int, count: int) -> list[tuple[str, float, str]]:
    site = Site(Settings(), (), ledger)
    jobs = [
        Job(lambda request: None, expression='* * * * *', timezone='UTC', name=f'job {number}')
        for number in range(count)
    ]
    apps = [
        BoundApplication(
            f'org/{number}', site, jobs, [f'{BASE}/{number}/{job.name}' for job in jobs], BASE)
        for number in range(ids)
    ]
    service = Service(site.settings, Scheduler(manual=float(NOW)))
    with clock.in_place(lambda: float(NOW)):
        fill(ledger, sql, apps)
        with process.in_place(service):
            for app in apps:
                process.start(app)
        first, whole = take_over(service, ids * count)
    named = f'taking over {ids:,} application ids x {count} jobs'
    return [(f'{named}: first', first, '1 s'), (f'{named}: all decided', whole, '8 s')]


def fill(ledger, sql, apps) -> None:
    prepared = [Prepared.of(apps[0].site, job) for job in apps[0].registered]
    ledger.see([
        Seen(app.application_id, BASE,
             {each.job.name: each.declare(app.offset_of(index))
              for index, each in enumerate(prepared)}, NOW - 86_400.0)
        for app in apps
    ])
    sql(RAN)


def take_over(service: Service, calls: int) -> tuple[float, float]:
    housekeeping, first = service.reporter._housekeeping, 0.0
    start = time.perf_counter()
    cpu = time.process_time()
    housekeeping.ownership.follow()
    while housekeeping.ownership.waiting:
        housekeeping.ownership.catch_up()
        first = first or time.perf_counter() - start
    whole = time.perf_counter() - start
    print(f'of the processor: {time.process_time() - cpu:.2f} s')
    assert service.native.stats()['waiting'] == calls, service.native.stats()
    return first, whole


if __name__ == '__main__':
    main(*sys.argv[1:])
