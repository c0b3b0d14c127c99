"""The demo: three towns under a real web server, and their runs as they come.

    python examples/run.py

Halfway, the process that runs the jobs is killed, and another one takes over. It
ends by itself after DEMO_SECONDS (75), or with Ctrl-C. Everything it writes is in
a directory that is removed then.
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
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from town import TOWNS

from cronsched.cli.terminal import Terminal
from cronsched.ledger import Owner, Row, open_ledger
from cronsched.schedule.english.phrases import listing

HERE = Path(__file__).parent
SECONDS = float(os.environ.get('DEMO_SECONDS', '75'))
IDS = [f'towns/{town}' for town in TOWNS]
TICK = 5    # seconds; look_at_the_clock

INTRODUCTION = """\
Three towns under gunicorn with two processes, at {url}.
Each has five jobs:

  look_at_the_clock  each five seconds
  send_newsletter    fails in Uri
  fetch_weather      fails in Zug, and works when it is tried again
  ask_tax_office     takes longer in Glarus than its timeout of 3 s
  make_backup        takes longer in Uri than the 15 s until the next one

At {kill} the process that runs the jobs is killed. The demo ends by itself at
{end}, or with Ctrl-C. While it runs, ask in another terminal:

  {status}
  {history}
"""

#: Of the columns of a run: title, width.
COLUMNS = (('TIME', 8), ('TOWN', 6), ('JOB', 17), ('OUTCOME', 15), ('TOOK', 6), ('PROCESS', 7))


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory(prefix='cron-') as scratch:
        url = f'http://127.0.0.1:{free_port()}'
        with serving(url, Path(scratch)):
            demo = Demo(Path(scratch), url)
            try:
                return demo.play()
            except KeyboardInterrupt:
                print('\nStopped.')
                return 0


class Demo:
    def __init__(self, scratch: Path, url: str) -> None:
        self.url = url
        self.executed = scratch / 'executed'
        self.address = f'sqlite://{scratch}/cronsched/ledger.sqlite3'
        self.ledger = open_ledger(self.address)
        self.terminal = Terminal(sys.stdout)
        self.begun = time.time()
        # Between two ticks, so that none is executed while its process dies.
        self.kill_at = ((self.begun + SECONDS / 2) // TICK + 0.5) * TICK
        self.end = self.begun + SECONDS
        self.shown: dict[tuple[object, int, str], Row] = {}

    def play(self) -> int:
        self.introduce()
        self.show_until(self.kill_at)
        self.kill_owner()
        self.show_until(self.end)
        self.show_commands()
        return self.sum_up()

    def introduce(self) -> None:
        say(INTRODUCTION.format(
            url=self.url, kill=clock_of(self.kill_at), end=clock_of(self.end),
            status=text_of(self.command('status'), 2),
            history=text_of(self.command('history', 'send_newsletter'), 2),
        ))
        say(self.terminal.strong('  '.join(f'{title:{width}}' for title, width in COLUMNS)))

    def command(self, *words: str) -> list[str]:
        """A command that somebody else can type, or we can call."""
        program = Path(sys.executable).with_name('cronsched')
        shown = os.path.relpath(program)
        return [shown if len(shown) < len(str(program)) else str(program), *words,
                '--ledger', self.address]

    def show_until(self, end: float) -> None:
        """Each run, or attempt, as it ends."""
        while time.time() < end:
            for row in self.news():
                say(self.line_of(row))
                if row.detail or row.late or row.state == 'running':
                    say(self.terminal.faint(f'          {self.detail_of(row)}'))
            time.sleep(0.1)

    def news(self) -> list[Row]:
        found = []
        for row in self.ledger.history(since=self.begun - 60, limit=1000):
            over = row.state not in ('running', 'queued') or row.gave_up is not None
            key = row.run, row.attempt, row.state
            if over and key not in self.shown:
                self.shown[key] = row
                found.append(row)
        return sorted(found, key=lambda row: row.ended or row.gave_up or 0)

    def line_of(self, row: Row) -> str:
        at = row.gave_up if row.state == 'running' else row.ended
        outcome, paint = 'timed_out' if row.state == 'running' else row.state, self.terminal.bad
        if outcome == 'ok':
            paint = self.terminal.good
        elif outcome.startswith('skipped') or row.next_attempt:
            paint = self.terminal.warning
        took = f'{(at or 0) - row.started:.1f} s' if row.started else '-'
        cells = [clock_of(at or 0), row.run.application_id.removeprefix('towns/'), row.run.job,
                 outcome, took, str(row.pid or '-')]
        padded = [f'{cell:{width}}' for cell, (_, width) in zip(cells, COLUMNS, strict=True)]
        padded[3] = paint(padded[3])
        return '  '.join(padded).rstrip()

    def detail_of(self, row: Row) -> str:
        if row.state == 'running':
            return 'the scheduler waits no longer; the job still executes'
        if row.late:
            return 'it ended after its timeout'
        detail = (row.detail or '').splitlines()[0]
        return f'{detail}; attempt {row.attempt + 1} follows' if row.next_attempt else detail

    def kill_owner(self) -> None:
        owner = self.owner()
        towns = [each.removeprefix('towns/') for each, found in self.ledger.owners().items()
                 if found.pid == owner.pid]
        say(self.terminal.strong(
            f'-- process {owner.pid} is killed; it ran the jobs of {listing(sorted(towns))}'))
        killed = time.time()
        os.kill(owner.pid, signal.SIGKILL)
        while (new := self.owner()).pid == owner.pid and time.time() < killed + 10:
            time.sleep(0.01)
        if new.pid == owner.pid:
            raise SystemExit('no process took over within 10 s')
        say(self.terminal.strong(
            f'-- process {new.pid} took over after {time.time() - killed:.2f} s'))

    def owner(self) -> Owner:
        return self.ledger.owners(IDS)[IDS[-1]]

    def show_commands(self) -> None:
        failed = next((row for row in self.shown.values()
                       if row.state == 'failed' and row.next_attempt is None), None)
        asked = [['status']]
        if failed is not None:
            at = datetime.fromtimestamp(failed.run.scheduled).astimezone()
            asked.append(['history', failed.run.job, '-a', failed.run.application_id,
                          '--at', at.isoformat()])
        for words in asked:
            command = self.command(*words)
            say('')
            say(self.terminal.strong(f'$ {text_of(command, 2)}'))
            subprocess.run(command, check=False)

    def sum_up(self) -> int:
        """What was executed, as the jobs themselves have written it down."""
        runs = Counter(self.executed.read_text().splitlines())
        twice = [line for line, count in runs.items() if count > 1]
        ticks = {town: sorted(int(line.split()[2]) for line in runs
                              if line.startswith(f'towns/{town} look_')) for town in TOWNS}
        missing = sum(
            (ticks[town][-1] - ticks[town][0]) // TICK + 1 - len(ticks[town])
            for town in TOWNS if ticks[town])
        say(f'\n{len(runs)} executions in {SECONDS:.0f} s; {len(twice) or "none"} happened twice.')
        say(f'look_at_the_clock ran {sum(map(len, ticks.values()))} times; '
            f'{missing or "none"} of its runs is missing.')
        self.ledger.close()
        return 1 if twice or missing or not runs else 0


def text_of(command: list[str], indent: int) -> str:
    """As it can be typed, in lines of 80 columns."""
    lines = ['']
    for word in command:
        if lines[-1] and indent + len(lines[-1]) + 1 + len(word) > 78:
            lines.append('    ')
        lines[-1] += word if lines[-1].strip() == '' else f' {word}'
    return ' \\\n'.join([lines[0], *(' ' * indent + line for line in lines[1:])])


def say(line: str) -> None:
    print(line, flush=True)


def clock_of(at: float) -> str:
    return datetime.fromtimestamp(at).strftime('%H:%M:%S')


@contextmanager
def serving(url: str, scratch: Path) -> Iterator[None]:
    """The server, from its first answer until the block ends."""
    log = scratch / 'server.log'
    with log.open('wb') as output:
        process = subprocess.Popen(
            [sys.executable, '-m', 'gunicorn', '--workers=2', '--threads=8',
             f'--bind={url.removeprefix("http://")}', 'town:serve()'],
            cwd=HERE, stdout=output, stderr=output,
            env=os.environ | {
                'TOWNS_URL': url, 'TOWNS_EXECUTED': str(scratch / 'executed'),
                'STATE_DIRECTORY': str(scratch), 'RUNTIME_DIRECTORY': str(scratch),
                'CRONSCHED_ENABLED': 'true',
            },
            start_new_session=True,   # Ctrl-C is for us; we end it
        )
    try:
        wait_for(f'{url}/{TOWNS[0]}', process, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 20
    while True:
        try:
            urllib.request.urlopen(url, timeout=10).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f'the server does not answer:\n{log.read_text()}') from None
            time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return int(probe.getsockname()[1])


if __name__ == '__main__':
    sys.exit(main())
