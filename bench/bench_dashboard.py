"""How long the pages of the dashboard take with 20,000 jobs and a million runs,
beside an empty ledger in the same run.

    python bench/bench_dashboard.py [directory]

Milliseconds, the median of several rounds, of one page as a function: no server
and no browser. On a machine that others use, what the processor needed (in
brackets) says more than what passed. The very first page of a process has its
templates to compile. The ledger is written in one transaction, as its tables
are: a million claims would take a quarter of an hour. 2 % of the runs are not ok.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from urllib.parse import urlencode

from cronsched.dashboard import Dashboard, Request, Rights
from cronsched.ledger import Declared, Ledger, Owner, Plan, Seen, open_ledger

ROUNDS = 7
TOWNS, NAMES, RUNS = 1000, 20, 50     # 20,000 jobs, 50 runs of each
PLANS = ('0 3 * * *', '*/5 * * * *', '15 * * * *', 'H H * * *', '30 2 * * MON-FRI')
DAY = 86400

PAGES = {
    'Jobs, a line for each name': ('/', {}, '100 ms'),
    'Jobs, a line for each job': ('/', {'view': 'all'}, '100 ms'),
    'Jobs, not well': ('/', {'state': 'bad'}, '100 ms'),
    'Jobs, search': ('/', {'q': 'town0042'}, '100 ms'),
    'Jobs, by their next run': ('/', {'sort': 'next', 'view': 'all'}, '100 ms'),
    'Job': ('/job', {'application': 'town0042', 'job': 'job07'}, ''),
    'Day': ('/day', {}, '300 ms'),
    'Day, yesterday': ('/day', {'date': None}, '300 ms'),
    'Load': ('/load', {}, '150 ms'),
    'Load, a week': ('/load', {'span': 'week'}, '150 ms'),
    'History': ('/history', {}, '100 ms'),
    'History, lost': ('/history', {'state': 'lost'}, '100 ms'),
    # Which none of the million is.
    'History, timed out': ('/history', {'state': 'timed_out'}, '100 ms'),
    'History, running': ('/history', {'state': 'running'}, '100 ms'),
    'History, by hand': ('/history', {'hand': '1'}, '100 ms'),
    'Why': ('/why', {'job': 'job07', 'application': 'town0042', 'at': '2026-01-01T00:00'}, ''),
    'Machines': ('/machines', {}, ''),
}


def main() -> None:
    if sys.argv[1:2] == ['first']:
        print(*first(sys.argv[2]))
        return
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if sys.argv[1:] else None) as directory:
        measure(Path(directory))


def measure(directory: Path) -> None:
    empty, full = (
        open_ledger(f'sqlite://{directory}/{name}.sqlite3') for name in ('empty', 'full'))
    now = time.time()
    fill(full, directory / 'full.sqlite3', int(now))
    empty.jobs()
    print(f'{"":<30} {"empty":>16} {"full":>16}')
    for what, (path, given, reach) in PAGES.items():
        query = urlencode({
            name: value or time.strftime('%Y-%m-%d', time.gmtime(now - DAY))
            for name, value in given.items()})
        request = Request('GET', path, query)
        few, many = (told([*times(ledger, request)]) for ledger in (empty, full))
        print(f'{what:<30} {few:>16} {many:>16}   {reach}', flush=True)
    few, many = (
        told([first_elsewhere(f'sqlite://{directory}/{name}.sqlite3') for _ in range(5)])
        for name in ('empty', 'full'))
    print(f'{"the very first page":<30} {few:>16} {many:>16}   100 ms')
    for ledger in (empty, full):
        ledger.close()


def told(rounds: list[tuple[float, float]]) -> str:
    passed, needed = (median(column) for column in zip(*rounds, strict=True))
    return f'{passed:.1f} ({needed:.1f})'


def times(ledger: Ledger, request: Request) -> Iterator[tuple[float, float]]:
    dashboard = Dashboard(lambda: ledger)
    for turn in range(ROUNDS + 1):
        began, used = time.perf_counter(), time.process_time()
        answer = dashboard.respond(request, Rights('operate'))
        took = (time.perf_counter() - began) * 1e3, (time.process_time() - used) * 1e3
        assert answer.status in (200, 404), answer.body   # an empty one has no job
        if turn:
            yield took


def first(url: str) -> tuple[float, float]:
    ledger = open_ledger(url)
    began, used = time.perf_counter(), time.process_time()
    Dashboard(lambda: ledger).respond(Request('GET', '/'), Rights('read'))
    return (time.perf_counter() - began) * 1e3, (time.process_time() - used) * 1e3


def first_elsewhere(url: str) -> tuple[float, float]:
    said = subprocess.run(
        [sys.executable, __file__, 'first', url], check=True, capture_output=True, text=True)
    passed, used = map(float, said.stdout.split())
    return passed, used


def fill(ledger: Ledger, path: Path, now: int) -> None:
    """Jobs and owners as an application declares them, runs as a transaction."""
    import sqlite3

    names = [f'job{number:02}' for number in range(NAMES)]
    declared = {
        name: Declared(Plan(PLANS[number % len(PLANS)], 'Europe/Zurich', name), number / 2,
                       '{}', 'shop/cron.py:12', 'At some time, Europe/Zurich')
        for number, name in enumerate(names)
    }
    towns = [f'town{number:04}' for number in range(TOWNS)]
    ledger.see(Seen(each, 'http://localhost', declared, now - 60 * DAY) for each in towns)
    ledger.own(Owner(each, 'http://localhost', '/srv', now - DAY) for each in towns)
    ledger.close()
    chance = random.Random(1)
    with sqlite3.connect(path) as connection:
        ids = [row[0] for row in connection.execute('SELECT id FROM jobs')]
        connection.executemany(
            'INSERT INTO runs (job_id, scheduled, state, attempt, started, ended, status, '
            "host, pid, member) VALUES (?, ?, ?, 1, ?, ?, 200, 'host', 1, 1)",
            runs(ids, now, chance))
        connection.execute(
            'UPDATE jobs SET (newest, last_started) = (SELECT max(scheduled), max(scheduled) '
            'FROM runs WHERE job_id = id), last_ok = (SELECT max(scheduled) FROM runs '
            "WHERE job_id = id AND state = 'ok')")
    connection.close()


def runs(ids: list[int], now: int, chance: random.Random) -> Iterator[tuple[object, ...]]:
    """The oldest first, as they come to be in the file."""
    for number in range(RUNS, 0, -1):
        for job_id in ids:
            at = now - number * DAY // 5 + job_id % 3600
            state = 'ok' if chance.random() < 0.98 else chance.choice(('failed', 'missed', 'lost'))
            yield job_id, at, state, at + 1.0, at + 1.0 + chance.random()


if __name__ == '__main__':
    main()
