"""20,000 calls due at one instant, against the server at BENCH_URL:
`throughput.py original|cronsched`. Prints calls per second."""

from __future__ import annotations

import os
import sched
import sys
import threading
import time
from collections.abc import Iterator

from original import get

from cronsched import Schedule, Scheduler
from cronsched._cronsched import Event

BASE = os.environ['BENCH_URL']
CALLS = 20_000
IN_FLIGHT = 64


def original(calls: int) -> float:
    scheduler = sched.scheduler(timefunc=time.time)
    due = time.time() + 0.5
    for i in range(calls):
        scheduler.enterabs(due, 0, get, (f'{BASE}/cronjobs/{i}',))
    thread = threading.Thread(target=scheduler.run, daemon=True)
    thread.start()
    thread.join()
    return calls / (time.time() - due)


def drain(scheduler: Scheduler) -> Iterator[Event]:
    while events := scheduler.events(0.0, 1024):
        yield from events


def cronsched(calls: int) -> float:
    scheduler = Scheduler(
        max_concurrency=IN_FLIGHT, max_per_application=IN_FLIGHT, events=4 * calls
    )
    job = scheduler.define('bench', Schedule('* * * * *'), once=True, claims=True, overlap='allow')
    app = scheduler.open('bench', bytes(32))
    due = float(int(time.time()) + 2)
    for i in range(calls):
        scheduler.add(app, job, f'{BASE}/cronjobs/{i}', offset=0, due=due)
    scheduler.start()
    # The ring is read when all is done: a reader would take a third core, and
    # here there may be two, one of them the server's.
    while scheduler.stats()['ended'] < calls:
        time.sleep(0.01)
    ends = [event for event in drain(scheduler) if event.kind == 'ended']
    assert len(ends) == calls, len(ends)
    failed = sum(event.outcome != 'ok' for event in ends)
    last = max(event.at for event in ends)
    scheduler.stop()
    assert not failed, failed
    return calls / (last - due)


def main() -> None:
    if sys.argv[1] == 'original':
        print(original(CALLS // 10))
    else:
        print(cronsched(CALLS))


if __name__ == '__main__':
    main()
