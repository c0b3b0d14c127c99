"""The demo: three towns under a real web server, and their runs as they come.

    python examples/run.py            # gunicorn with two workers
    python examples/run.py waitress   # one process with threads

Ends by itself after DEMO_SECONDS (130), or with Ctrl-C. Everything it writes
is in a directory that is gone afterwards.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from town import TOWNS, Town

from cronsched.jobs.registry import jobs_of
from cronsched.ledger import Ledger, Row, open_ledger

HERE = Path(__file__).parent
SECONDS = float(os.environ.get('DEMO_SECONDS', '130'))
VISITED = ('zug', 'uri')

SERVERS = {
    'gunicorn': (
        'gunicorn', '--workers=2', '--log-level=warning', '--bind={bind}', 'town:serve()',
    ),
    'waitress': ('waitress', '--listen={bind}', '--call', 'town:serve'),
}

INTRODUCTION = """\
{count} towns, {jobs} jobs each, under {server} at {url}.
{visited} are visited once, as their first visitor starts their jobs.
{unvisited} is not: it is started by the setting cronjobs.base_url.

Shown is each run, once it has ended: when its view began, the town, the job,
how long after its scheduled time that was (up to 30 s are the offset that
spreads the load; look_at_the_clock has none), the outcome, and the process
that executed it. The next full minute is {wait:.0f} s away.
"""


def main() -> int:
    server = sys.argv[1] if len(sys.argv) > 1 else 'gunicorn'
    if server not in SERVERS:
        print(f'write one of: {", ".join(SERVERS)}', file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory(prefix='cronsched-demo-') as scratch:
        url = f'http://127.0.0.1:{free_port()}'
        with serving(server, url, scratch):
            introduce(server, url)
            for town in VISITED:
                visit(f'{url}/{town}')
            try:
                return show(Path(scratch))
            except KeyboardInterrupt:
                print('\nStopped.')
                return 0


def introduce(server: str, url: str) -> None:
    Town.commit()
    print(INTRODUCTION.format(
        count=len(TOWNS), jobs=len(jobs_of(Town.config.cronjob_registry)), server=server, url=url,
        visited=' and '.join(VISITED), unvisited=' and '.join(sorted({*TOWNS} - {*VISITED})),
        wait=60 - time.time() % 60,
    ), flush=True)


@contextmanager
def serving(server: str, url: str, scratch: str) -> Iterator[None]:
    """The server, from its first answer until the block ends."""
    module, *arguments = SERVERS[server]
    process = subprocess.Popen(
        [sys.executable, '-m', module, *(
            each.format(bind=url.removeprefix('http://')) for each in arguments
        )],
        cwd=HERE,
        env=os.environ | {
            'TOWNS_URL': url, 'XDG_STATE_HOME': scratch, 'XDG_RUNTIME_DIR': scratch,
            'STATE_DIRECTORY': '', 'RUNTIME_DIRECTORY': '',
        },
        start_new_session=True,   # Ctrl-C is for us; we end it
    )
    try:
        visit(f'{url}/nowhere', process)
        yield
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()


def visit(url: str, process: subprocess.Popen[bytes] | None = None) -> None:
    """Open a page; with a process, wait until it answers anything."""
    end = time.monotonic() + 20
    while True:
        try:
            urllib.request.urlopen(url, timeout=10).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            if process is None or process.poll() is not None or time.monotonic() > end:
                raise
            time.sleep(0.1)
        else:
            return


def show(scratch: Path) -> int:
    """Print the runs of the ledger as they end; 1 if there were none."""
    ledger = open_ledger(f'sqlite://{scratch}/cronsched/ledger.sqlite3')
    shown: set[object] = set()
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        for row in ended(ledger):
            if row.run not in shown:
                shown.add(row.run)
                print(line_of(row), flush=True)
        time.sleep(0.25)
    ledger.close()
    print(f'\n{len(shown)} runs in {SECONDS:.0f} s, each of them once.')
    return 0 if shown else 1


def ended(ledger: Ledger) -> list[Row]:
    rows = ledger.history(since=time.time() - 300, limit=1000)
    return sorted((row for row in rows if row.state != 'running'), key=lambda row: row.ended or 0)


def line_of(row: Row) -> str:
    started = row.started or row.ended or 0.0
    clock = datetime.fromtimestamp(started).strftime('%H:%M:%S.%f')[:-3]
    town = row.run.application_id.removeprefix('towns/')
    return (
        f'{clock}  {town:<7} {row.run.job:<44} +{started - row.run.scheduled:6.3f} s  '
        f'{row.state:<8} process {row.pid}'
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return int(probe.getsockname()[1])


if __name__ == '__main__':
    sys.exit(main())
