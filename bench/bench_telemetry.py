"""What telemetry adds to a run: CPU time of the worker, and of the reporter.

    python bench/bench_telemetry.py [rounds]

Each variant is a process of its own, as what is imported once is used from
then on. They take turns, and the figures are medians of the rounds. The
worker's run is a request to a WSGI application without a ledger, so that what
is measured is not lost in the disk; the reporter's is a run of the real
scheduler under a clock of its own. Also: a scrape of Prometheus's.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from cronsched import Cron, Scheduler
from cronsched.base import clock
from cronsched.jobs.job import Job
from cronsched.jobs.settings import Settings
from cronsched.ledger import Declared, Plan, open_ledger
from cronsched.scheduler import process
from cronsched.scheduler.bound import BoundApplication
from cronsched.scheduler.site import Site
from cronsched.web.wsgi import make_wsgi

RUNS = 1000
JOBS = 1000
START = 1_795_600_799.5

ENVIRON = {'REQUEST_METHOD': 'POST', 'PATH_INFO': '/cronjobs/job', 'QUERY_STRING': ''}


# -- what is switched on ------------------------------------------------------------


def nothing() -> None:
    pass


def listener() -> None:
    from cronsched.telemetry import listen
    from cronsched.telemetry.events import KINDS

    listen(kinds=KINDS)(lambda event: None)


def sentry() -> None:
    import sentry_sdk
    from sentry_sdk.transport import Transport

    class Nowhere(Transport):
        def capture_envelope(self, envelope: object) -> None:
            pass

    sentry_sdk.init(dsn='http://key@127.0.0.1:1/1', transport=Nowhere,
                    auto_enabling_integrations=False)


def opentelemetry() -> None:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    trace.set_tracer_provider(TracerProvider())


def structlog() -> None:
    import structlog  # noqa: F401


WORKER: dict[str, Callable[[], None]] = {
    each.__name__: each for each in (nothing, listener, sentry, opentelemetry, structlog)}
REPORTER: dict[str, tuple[Callable[[], None], dict[str, Any]]] = {
    'nothing': (nothing, {}),
    'listener': (listener, {}),
    'monitor': (sentry, {'monitor': True}),
    'ping': (nothing, {'ping': 'http://127.0.0.1:9/x'}),
}


# -- one variant, in a process of its own -------------------------------------------


def worker(name: str) -> float:
    """Microseconds of a run."""
    WORKER[name]()
    cron = Cron('shop', timezone='UTC', enabled=False)
    cron._site = Site(Settings(), (), None, strict=False)
    cron.job('* * * * *', name='job')(lambda: None)
    application = make_wsgi(lambda environ, start: [], cron, cron.prefix, lambda: True)
    return per_run(lambda: list(application(dict(ENVIRON), lambda status, headers: None)))


def reporter(name: str) -> float:
    switch_on, options = REPORTER[name]
    switch_on()
    native = Scheduler(manual=START)
    settings = Settings()
    job = Job(lambda: None, expression='* * * * *', timezone='UTC', name='job', max_offset=0,
              **options)
    service = process.Service(settings, native)
    bound = BoundApplication(
        'shop', Site(settings), [job], ['http://127.0.0.1:9/cronjobs/job'],
        'http://127.0.0.1:9', seeds=['shop/job'])
    now = START

    def run() -> None:
        nonlocal now
        native.advance(60.0)
        now += 60
        while delivery := native.take():
            native.complete(delivery.run, 200, outcome='ok')
        service.reporter.drain()

    with process.in_place(service), clock.in_place(lambda: now):
        process.start(bound)
        service.telling.pause()
        run()
        if service.telling._pings is not None:
            service.telling._pings.pause()   # who sends them is another thread
        return per_run(run)


def scrape(name: str) -> float:
    """Milliseconds of one."""
    from prometheus_client import CollectorRegistry, generate_latest

    from cronsched.telemetry.prometheus import Collector

    with tempfile.TemporaryDirectory() as directory:
        ledger = open_ledger(f'sqlite://{directory}/ledger')
        jobs = {f'job {number}': Declared(Plan('* * * * *', 'UTC')) for number in range(JOBS)}
        ledger.seen('shop', '', jobs, time.time())
        registry = CollectorRegistry()
        registry.register(Collector(ledger))
        begun = time.process_time()
        for _ in range(5):
            generate_latest(registry)
        took = (time.process_time() - begun) / 5
        ledger.close()
    return took * 1e3


def per_run(action: Callable[[], object]) -> float:
    for _ in range(RUNS // 10):
        action()
    begun = time.process_time()
    for _ in range(RUNS):
        action()
    return (time.process_time() - begun) / RUNS * 1e6


# -- in turn ------------------------------------------------------------------------


def main() -> None:
    rounds = int(sys.argv[1]) if sys.argv[1:] else 5
    for what, names, unit in (
        ('worker', WORKER, 'µs'), ('reporter', REPORTER, 'µs'), ('scrape', [f'{JOBS} jobs'], 'ms'),
    ):
        found: dict[str, list[float]] = {name: [] for name in names}
        for number in range(rounds):
            order = list(names) if number % 2 == 0 else list(names)[::-1]
            for name in order:
                found[name].append(measured(what, name))
        base = median(next(iter(found.values())))
        for name, figures in found.items():
            more = f'{median(figures) - base:+8.1f}' if len(found) > 1 else ''
            print(f'{what:<10}{name:<16}{median(figures):8.1f} {unit} {more}')


def measured(what: str, name: str) -> float:
    done = subprocess.run(
        [sys.executable, __file__, '--one', what, name],
        capture_output=True, text=True, check=True)
    return float(done.stdout)


if __name__ == '__main__':
    if sys.argv[1:2] == ['--one']:
        logging.disable()
        kinds = {'worker': worker, 'reporter': reporter, 'scrape': scrape}
        print(kinds[sys.argv[2]](sys.argv[3]))
    else:
        main()
