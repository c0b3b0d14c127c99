"""How late a call reaches the server: `lateness.py original|cronsched BUSY`.

200 calls, 25 ms apart, fired while BUSY Python threads compute in the firing
process; lateness is arrival at a server in another process, less the due
time. Prints p50 and p99 in milliseconds, and then those of a bare thread in C
beside it that only waits for as many instants, and sends nothing.
"""

from __future__ import annotations

import sched
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from original import get
from receiver import noted, receiver

CALLS = 200
APART = 0.025
WAKE = Path(__file__).parent.parent / 'build/bench/cc/bench_wake'


def compute(stop: threading.Event) -> None:
    number = 1
    while not stop.is_set():
        for _ in range(1000):
            number = number * 1103515245 + 12345 & 0x7FFFFFFF


def prepare_original(base: str, first: float) -> Callable[[], None]:
    scheduler = sched.scheduler(timefunc=time.time)
    for i in range(CALLS):
        due = first + i * APART
        scheduler.enterabs(due, 0, get, (f'{base}/{round(due * 1e9)}',))
    thread = threading.Thread(target=scheduler.run, daemon=True)
    thread.start()
    return thread.join


def prepare_cronsched(base: str, first: float) -> Callable[[], None]:
    from cronsched import Schedule, Scheduler

    scheduler = Scheduler(max_concurrency=64, max_per_application=64)
    job = scheduler.define('bench', Schedule('* * * * *'), once=True, overlap='allow', claims=True)
    app = scheduler.open('bench', bytes(32))
    for i in range(CALLS):
        due = round((first + i * APART) * 1e3) / 1e3
        scheduler.add(app, job, f'{base}/{round(due * 1e9)}', offset=due % 1, due=due)
    scheduler.start()

    def wait() -> None:
        while scheduler.stats()['ended'] < CALLS:
            time.sleep(0.5)
        scheduler.stop()

    return wait


def main() -> None:
    side, busy = sys.argv[1], int(sys.argv[2])
    stop = threading.Event()
    threads = [threading.Thread(target=compute, args=(stop,), daemon=True) for _ in range(busy)]
    prepare = prepare_original if side == 'original' else prepare_cronsched
    first = time.time() + 1.5
    with receiver() as base, subprocess.Popen(
            [WAKE, repr(first)], stdout=subprocess.PIPE, text=True) as waking:
        wait = prepare(base, first)
        for thread in threads:
            thread.start()
        wait()
        stop.set()
        for thread in threads:
            thread.join()
        late = sorted((at - int(path[1:])) / 1e6 for at, path in noted(base))
        assert waking.stdout
        bare = waking.stdout.read()
    assert len(late) == CALLS, len(late)
    assert late[0] >= 0, 'early'
    print(late[CALLS // 2], late[CALLS * 99 // 100], bare)


if __name__ == '__main__':
    main()
