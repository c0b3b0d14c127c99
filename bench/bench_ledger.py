"""What the ledger adds to a run, and how many claims it takes.

    python bench/bench_ledger.py [directory]

Medians of several rounds, on the file system of `directory` (default: a
temporary one). "claim + finish" is what a view adds to its job; the claims of
four processes all write to one file. FULL is one fsync per commit.
"""

from __future__ import annotations

import itertools
import multiprocessing
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import median

from cronsched._cronsched import sign_headers
from cronsched.base.keys import derive_key
from cronsched.ledger import Ledger, Run, open_ledger
from cronsched.web.signing import verify

ROUNDS = 5
RUNS = 1000
PROCESSES = 4
ROWS, JOBS, PAIRS = 1_000_000, 1_000, 3_000
MILLISECOND = 1e-3


def main() -> None:
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if sys.argv[1:] else None) as directory:
        for what, figure, reach in figures(Path(directory)):
            print(f'{what:<52} {figure:>16}   {reach}')


def figures(directory: Path) -> list[tuple[str, str, str]]:
    """What was measured, the figure, and what is to be reached."""
    found = []
    for synchronous in ('NORMAL', 'FULL'):
        url = f'sqlite://{directory}/{synchronous}?synchronous={synchronous}'
        ledger = open_ledger(url)
        times = sorted(one for _ in range(ROUNDS) for one in run_times(ledger))
        middle, late = (times[int(len(times) * part)] / MILLISECOND for part in (0.5, 0.99))
        found.append((
            f'claim + finish, {synchronous}, p50 / p99', f'{middle:.3f} / {late:.3f} ms',
            '0.4 ms' if synchronous == 'NORMAL' else ''))
        rate = median(claim_rate(url, number) for number in range(ROUNDS))
        found.append((
            f'claims of {PROCESSES} processes, {synchronous}', f'{rate:,.0f} /s',
            '3,000 /s' if synchronous == 'NORMAL' else ''))
        ledger.close()
    found.append(('a claim with 43,200 runs of its job in the history',
                  f'{full_history(directory) / MILLISECOND:.3f} ms', ''))
    middle, late = beside_a_million(directory)
    found.append(('claim + finish with 1,000,000 rows, p50 / p99', f'{middle:.2f} / {late:.2f} x',
                  '1.1 / 1.5 x those of an empty ledger'))
    found.append(('a poll for requested runs', f'{poll(directory) * 1e6:.0f} us', ''))
    found.append(('verify a signed request, two keys', f'{verification() * 1e6:.0f} us', ''))
    return found


def run_times(ledger: Ledger) -> list[float]:
    """Seconds of each claim and its end, of runs that never were."""
    first, times = int(time.time_ns() // 1000), []
    for number in range(RUNS):
        times.append(run_time(ledger, Run('org/zug', 'cleanup', first + number), number))
    return times


def run_time(ledger: Ledger, run: Run, timestamp: int) -> float:
    start = time.perf_counter()
    claim = ledger.claim(run, timestamp=timestamp)
    ledger.finish(claim, 'ok', took=0.0)
    return time.perf_counter() - start


def claim_rate(url: str, number: int) -> float:
    """Claims per second of several processes, from the first to the last."""
    context = multiprocessing.get_context('spawn')
    barrier = context.Barrier(PROCESSES)
    spans: Queue[tuple[float, float]] = context.Queue()
    processes = [
        context.Process(target=claim_all, args=(url, f'{number} {each}', barrier, spans))
        for each in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    measured = [spans.get() for _ in processes]
    for process in processes:
        process.join()
    first, last = min(start for start, _ in measured), max(end for _, end in measured)
    return PROCESSES * RUNS / (last - first)


def claim_all(url: str, name: str, barrier: Barrier, spans: Queue[tuple[float, float]]) -> None:
    ledger = open_ledger(url)
    ledger.applications()   # the file is open before the race begins
    barrier.wait()
    start = time.monotonic()
    for number in range(RUNS):
        ledger.claim(Run(name, 'cleanup', number), overlap='allow')
    spans.put((start, time.monotonic()))
    ledger.close()


def full_history(directory: Path) -> float:
    ledger = open_ledger(f'sqlite://{directory}/history')
    for minute in range(43_200):
        ledger.record(Run('org/zug', 'cleanup', minute * 60), 'failed', at=0.0)
    minutes = itertools.count(43_200)
    return median_of(lambda: ledger.claim(
        Run('org/zug', 'cleanup', next(minutes) * 60), overlap='allow'))


def beside_a_million(directory: Path) -> tuple[float, float]:
    """How many times as long as in an empty ledger, in turn: p50 and p99. The
    same runs on both sides, each of another job than the one before."""
    fill(directory / 'full')
    sides = [open_ledger(f'sqlite://{directory}/{name}') for name in ('empty', 'full')]
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(PAIRS):
        job = number * 7919 % JOBS   # far from the one before
        run = Run(f'org/{job // 10}', f'job {job % 10}', 60 * (ROWS // JOBS + number))
        for side in (0, 1) if number % 2 else (1, 0):
            times[side].append(run_time(sides[side], run, number))
    empty, full = map(sorted, times)
    middle, late = (full[int(PAIRS * part)] / empty[int(PAIRS * part)] for part in (0.5, 0.99))
    return middle, late


def fill(path: Path) -> None:
    """A million rows, in the order of time, as they come."""
    open_ledger(f'sqlite://{path}').seen('org/0', 'http://127.0.0.1/', [], 0.0)
    counted = 'WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ? - 1) '
    with sqlite3.connect(path) as connection:
        connection.execute(
            f"{counted} INSERT INTO jobs (application_id, job, since, newest, last_started, "
            "last_ok) SELECT 'org/' || (i / 10), 'job ' || (i % 10), 0, ?2, ?2, ?2 FROM n",
            (JOBS, 60 * (ROWS // JOBS - 1)))
        connection.execute(
            f'{counted} INSERT INTO runs (job_id, scheduled, state, attempt, started, ended, '
            "host, pid) SELECT id, 60 * i, 'ok', 1, 60 * i, 60 * i + 1.5, 'host', 4711 "
            'FROM n CROSS JOIN jobs', (ROWS // JOBS,))
    connection.close()


def poll(directory: Path) -> float:
    ledger = open_ledger(f'sqlite://{directory}/history')
    return median_of(lambda: ledger.take_requests(['org/zug'], 0.0))


def verification() -> float:
    keys = [derive_key(secret, 'org/zug') for secret in ('new', 'old')]
    headers = sign_headers('org/zug', 'cleanup', 1792000000, key=keys[1], now=1792000007,
                           attempt=1)
    return median_of(lambda: verify(
        headers, application_id='org/zug', job='cleanup', keys=keys, now=1792000008.0))


def median_of(action: Callable[[], object]) -> float:
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return median(times)


if __name__ == '__main__':
    main()
