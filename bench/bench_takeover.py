"""How long a new owner needs for what was missed.

    python bench/bench_takeover.py [application ids] [jobs]

Everything real but the clock of the scheduler: a ledger in which each job of
each application id last ran five periods ago, and the reporter that takes all
of them over at once. "First" is the first request that may be sent, "all
decided" when each job has its decision, recorded and handed to the scheduler.
"""

from __future__ import annotations

import logging
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

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


def main(ids: int = 10_000, jobs: int = 20) -> None:
    logging.getLogger('cronsched').addHandler(logging.NullHandler())
    with tempfile.TemporaryDirectory() as directory:
        for what, seconds, reach in figures(Path(directory), ids, jobs):
            print(f'{what:<52} {seconds:>10.2f} s   {reach}')


def figures(directory: Path, ids: int, count: int) -> list[tuple[str, float, str]]:
    ledger = open_ledger(f'sqlite://{directory}/ledger')
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
        fill(directory / 'ledger', ledger, apps)
        with process.in_place(service):
            for app in apps:
                process.start(app)
        first, whole = take_over(service, ids * count)
    named = f'taking over {ids:,} application ids x {count} jobs'
    return [(f'{named}: first', first, '1 s'), (f'{named}: all decided', whole, '8 s')]


def fill(path: Path, ledger, apps) -> None:
    prepared = [Prepared.of(apps[0].site, job) for job in apps[0].registered]
    ledger.see([
        Seen(app.application_id, BASE,
             {each.job.name: each.declare(app.offset_of(index))
              for index, each in enumerate(prepared)}, NOW - 86_400.0)
        for app in apps
    ])
    with sqlite3.connect(path) as connection:
        connection.execute(
            "INSERT INTO runs (job_id, scheduled, state, attempt, started, ended) "
            "SELECT id, ?, 'ok', 1, ?, ? FROM jobs", (NOW - 300, NOW - 290.0, NOW - 289.0))
        connection.execute('UPDATE jobs SET newest = ?, last_ok = ?', (NOW - 300, NOW - 300))
    connection.close()


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
    main(*map(int, sys.argv[1:]))
