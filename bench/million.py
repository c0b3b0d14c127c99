"""1,000,000 calls in one process. Prints: MB of memory, seconds to add, CPU
while idle (percent of one core, over ten seconds)."""

from __future__ import annotations

import os
import time

from registration import resident

from cronsched import Schedule, Scheduler

CALLS = 1_000_000


def main() -> None:
    scheduler = Scheduler(max_concurrency=32)
    apps = [scheduler.open(f'org/{number}') for number in range(1000)]
    # Far from now, so that idle means idle.
    jobs = [
        scheduler.define(f'job_{i}', Schedule(f'{i % 60} 4 1 1 *', 'Europe/Zurich'))
        for i in range(1000)
    ]
    scheduler.start()
    before = resident()
    start = time.perf_counter()
    for number, app in enumerate(apps):
        for i, job in enumerate(jobs):
            scheduler.add(app, job, f'http://127.0.0.1:8080/{number}/cronjobs/job_{i}')
    took = time.perf_counter() - start
    memory = (resident() - before) / 1e6
    assert scheduler.stats()['calls'] == CALLS
    time.sleep(0.5)
    cpu = time.process_time()
    time.sleep(10)
    idle = (time.process_time() - cpu) / 10 * 100
    scheduler.stop()
    print(memory, took, idle)
    os._exit(0)


if __name__ == '__main__':
    main()
