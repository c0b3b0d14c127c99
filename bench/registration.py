"""1,000 application ids x 20 jobs: `registration.py original|cronsched`.

Both sides get a request whose `link` is trivial. Prints: seconds to register
and start, bytes per application id, threads. A first application id is started
before the measuring, so that the bytes are those of one more, and libraries
that are loaded at the first start are not divided by 1,000.
"""

from __future__ import annotations

import os
import sys
import time
from functools import partial

from original import ORG, ApplicationThread, Job

APPLICATIONS = 1000


def resident() -> int:
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')


def threads() -> int:
    return len(os.listdir('/proc/self/task'))


def register_original(numbers: range) -> list[object]:
    kept: list[object] = []
    for number in numbers:
        jobs = [
            Job(len, hour, minute, zone, f'http://127.0.0.1/{number}/cronjobs/{i}')
            for i, (hour, minute, zone) in enumerate(ORG)
        ]
        thread = ApplicationThread(jobs)
        for job in jobs:
            job.next_runtime()
        thread.start()
        kept.append(thread)
    return kept


class App:
    """What a request's application has to have."""

    def __init__(self, application_id: str) -> None:
        self.application_id = application_id


class Request:
    def __init__(self, number: int) -> None:
        self.app = App(f'org/{number}')
        self.prefix = f'http://127.0.0.1/{number}/cronjobs/'

    def link(self, job: object) -> str:
        return self.prefix + job.name  # type: ignore[attr-defined, no-any-return]


def make_jobs() -> list[object]:
    import cronsched.onegov  # noqa: F401  (modules are no part of the figure)
    from cronsched.morepath.job import Job as CronJob

    jobs = []
    for i, (hour, minute, zone) in enumerate(ORG):
        def function(request: object) -> None: ...
        function.__qualname__ = f'job_{i}'
        jobs.append(CronJob(function, hour, minute, zone))
    return jobs


def register_cronsched(jobs: list[object], numbers: range) -> list[object]:
    from cronsched.onegov import ApplicationBoundCronjobs

    kept: list[object] = []
    for number in numbers:
        bound = ApplicationBoundCronjobs(Request(number), jobs)
        bound.start()
        kept.append(bound)
    return kept


def main() -> None:
    if sys.argv[1] == 'original':
        register = register_original
    else:
        register = partial(register_cronsched, make_jobs())
    first = register(range(APPLICATIONS, APPLICATIONS + 1))
    time.sleep(0.3)
    before = resident()
    start = time.perf_counter()
    kept = register(range(APPLICATIONS))
    took = time.perf_counter() - start
    time.sleep(0.3)   # let the threads reach their sleep
    print(took, (resident() - before) / len(kept), threads())
    sys.stdout.flush()
    del first
    os._exit(0)   # a thousand daemon threads end at once


if __name__ == '__main__':
    main()
