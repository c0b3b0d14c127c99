"""1,000 application ids x 20 jobs: `registration.py original|cronsched`.

Both sides get a request whose `link` is trivial. Prints: seconds to register
and start, bytes per application id, threads.
"""

from __future__ import annotations

import os
import sys
import time

from original import ORG, ApplicationThread, Job

APPLICATIONS = 1000


def resident() -> int:
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')


def threads() -> int:
    return len(os.listdir('/proc/self/task'))


def register_original() -> list[object]:
    kept: list[object] = []
    for number in range(APPLICATIONS):
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
    from cronsched.job import Job as CronJob

    jobs = []
    for i, (hour, minute, zone) in enumerate(ORG):
        def function(request: object) -> None: ...
        function.__qualname__ = f'job_{i}'
        jobs.append(CronJob(function, hour, minute, zone))
    return jobs


def register_cronsched(jobs: list[object]) -> list[object]:
    from cronsched.onegov import ApplicationBoundCronjobs

    kept: list[object] = []
    for number in range(APPLICATIONS):
        bound = ApplicationBoundCronjobs(Request(number), jobs)
        bound.start()
        kept.append(bound)
    return kept


def main() -> None:
    if sys.argv[1] == 'original':
        def register() -> list[object]:
            return register_original()
    else:
        jobs = make_jobs()

        def register() -> list[object]:
            return register_cronsched(jobs)
    before = resident()
    start = time.perf_counter()
    kept = register()
    took = time.perf_counter() - start
    time.sleep(0.3)   # let the threads reach their sleep
    print(took, (resident() - before) / len(kept), threads())
    sys.stdout.flush()
    os._exit(0)   # a thousand daemon threads end at once


if __name__ == '__main__':
    main()
