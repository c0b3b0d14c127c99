"""A real server with the application `shop`, and what becomes of its jobs.

Example::

    with fleet(tmp_path, ['gunicorn', '-w', '2', ..., 'shop_wsgi:application']) as running:
        running.first_tick()
        running.kill(running.settled_workers())
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from servers import command_of, wait_for

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
# A loaded machine is slow; nothing takes this long unless it fails.
PATIENCE = 30.0


class Fleet:
    """A server, its process and the files of its application."""

    def __init__(self, directory: Path, process: subprocess.Popen[bytes]) -> None:
        self.directory = directory
        self.process = process

    @property
    def pid(self) -> int:
        return self.process.pid

    def lines(self, name: str) -> list[list[str]]:
        path = self.directory / name
        return [line.split(' ', 2) for line in path.read_text().splitlines()] if (
            path.exists()) else []

    def log(self) -> str:
        return '\n'.join(' '.join(line) for line in self.lines('log'))

    def ticks(self) -> list[tuple[float, int]]:
        return [(float(line[0]), int(line[1])) for line in self.lines('ticks')]

    def owners(self) -> list[tuple[float, int]]:
        """When and which processes became owner."""
        return [
            (float(at), int(pid)) for at, pid, said in self.lines('log')
            if ' job of shop at ' in said
        ]

    def first_tick(self, after: float = 0.0, seconds: float = PATIENCE) -> tuple[float, int]:
        """When and where the first run after that instant was."""
        def found() -> list[tuple[float, int]]:
            assert self.process.poll() is None, f'it has ended:\n{self.output()}'
            return [tick for tick in self.ticks() if tick[0] > after]

        try:
            return wait_for(found, seconds)[0]
        except AssertionError:
            raise AssertionError(f'no run:\n{self.output()}\n{self.log()}') from None

    def output(self) -> str:
        return (self.directory / 'output').read_text(errors='replace')

    def workers(self) -> list[int]:
        """The processes below the server that have imported the application."""
        imported = {int(line[1]) for line in self.lines('imports')}
        return [pid for pid in descendants(self.pid) if pid in imported or is_forked(pid)]

    def settled_workers(self) -> list[int]:
        """The same for a second: no more are being forked."""
        before: list[int] = []
        while before != (before := self.workers()):
            time.sleep(1.0)
        return before

    @staticmethod
    def kill(pids: Iterable[int]) -> float:
        """All at once; when that was."""
        at = time.time()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        return at


def descendants(pid: int) -> list[int]:
    """All processes below this one."""
    found = []
    for task in Path(f'/proc/{pid}/task').glob('*/children'):
        try:
            children = task.read_text().split()
        except OSError:
            continue   # it has just ended
        for child in map(int, children):
            found += [child, *descendants(child)]
    return found


def is_forked(pid: int) -> bool:
    """Whether it is a copy of its parent: of one that preloads."""
    try:
        mine = Path(f'/proc/{pid}/cmdline').read_bytes()
        parent = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[1]
        return mine == Path(f'/proc/{parent}/cmdline').read_bytes()
    except OSError:
        return False


@contextmanager
def fleet(
    directory: Path, command: list[str], *, seconds: float = 15.0, **environment: str
) -> Iterator[Fleet]:
    """Runs `command`, whose first word is a command of the environment; ends
    it by SIGTERM, and fails when that takes too long."""
    env = {
        **os.environ, 'SHOP': str(directory), 'PYTHONPATH': str(HERE),
        'PYTHONUNBUFFERED': '1', **environment,
    }
    # What a user's server has: nothing is forced.
    env.pop('CRONSCHED_ENABLED', None)
    env.update(environment)
    with open(directory / 'output', 'wb') as output:
        process = subprocess.Popen(
            [command_of(command[0]), *command[1:]],
            cwd=directory, env=env, stdout=output, stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Fleet(directory, process)
        process.terminate()
        process.wait(seconds)
    finally:
        for pid in [*descendants(process.pid), process.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        process.wait()


def is_installed(server: str) -> bool:
    return (BIN / server).exists() or shutil.which(server) is not None
