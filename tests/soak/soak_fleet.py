"""Several processes that serve one application, and whoever kills them."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from servers import PATIENCE, command_of, free_port, get, wait_for

HERE = Path(__file__).parent
TESTS = HERE.parent

# A machine that is busy with something else starts a server slowly.
SLOW_START = 60.0

EACH_SECOND = {
    'expression': '* * * * * *', 'coalesce': False, 'overlap': 'allow', 'timeout': 20,
}

# How a server takes the application; the others take Morepath's.
MOUNTS = {'uwsgi': 'wsgi', 'uvicorn': 'asgi'}

OWNED = re.compile(
    r'([0-9.]+) ([0-9]+) INFO (?:Started cronjob thread for |\d+ jobs? of soak at )'
)


class Fleet:
    """See the module. `kind` is gunicorn, waitress, prefork, uwsgi or uvicorn.
    `without`: the safety net that is taken away."""

    def __init__(
        self, kind: str, directory: Path, *, jobs: dict[str, Any] | None = None,
        mount: str = 'morepath', count: int = 4, arguments: tuple[str, ...] = (),
        preexec: Callable[[], None] | None = None, without: str = '',
    ) -> None:
        self.without = without
        self.kind, self.directory, self.count = kind, directory, count
        self.port = free_port()
        self.url = f'http://127.0.0.1:{self.port}'
        self.mount = mount
        self.jobs = jobs or {'tick': EACH_SECOND}
        self.arguments = arguments
        self.preexec = preexec
        self.killed: list[int] = []
        self.process: subprocess.Popen[bytes] | None = None

    # -- life ----------------------------------------------------------------

    def start(self) -> None:
        environment = os.environ | {
            'SOAK_DIRECTORY': str(self.directory), 'SOAK_MOUNT': self.mount,
            'SOAK_URL': self.url, 'SOAK_JOBS': json.dumps(self.jobs),
            'SOAK_WITHOUT': self.without,
            'PYTHONPATH': f'{HERE}:{TESTS}', 'PYTHONDONTWRITEBYTECODE': '1',
        }
        with open(self.directory / 'output', 'ab') as output:
            self.process = subprocess.Popen(
                self._command(), cwd=self.directory, env=environment,
                stdout=output, stderr=output, start_new_session=True,
                preexec_fn=self.preexec,
            )
        wait_for(self.visit, SLOW_START)

    def _command(self) -> list[str]:
        address, count = f'127.0.0.1:{self.port}', str(self.count)
        if self.kind == 'uwsgi':
            return [
                command_of('uwsgi'), '--http-socket', address, '--master', '-p', count,
                '--die-on-term', '--disable-logging', '--listen', '64', *self.arguments,
                '--module', 'soak_app:serve()',
            ]
        if self.kind == 'uvicorn':
            return [
                sys.executable, '-m', 'uvicorn', '--port', str(self.port), '--workers', count,
                '--no-access-log', *self.arguments, '--factory', 'soak_app:serve',
            ]
        if self.kind != 'gunicorn':
            return [sys.executable, str(HERE / 'soak_serve.py'), self.kind, str(self.port), count]
        return [
            sys.executable, '-m', 'gunicorn', f'--workers={count}', f'--bind={address}',
            '--log-level=warning', '--graceful-timeout=5', *self.arguments, 'soak_app:serve()',
        ]

    def visit(self) -> str | None:
        """A page, or None when nobody answers."""
        try:
            return get(self.url)[1]
        except OSError:
            return None

    def tell(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End all, by SIGKILL whoever is still there in the end."""
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    # -- who owns ------------------------------------------------------------

    def log(self) -> str:
        try:
            return (self.directory / 'log').read_text(errors='replace')
        except FileNotFoundError:
            return ''

    def owners(self) -> list[tuple[float, int]]:
        """When which process became owner, the latest last."""
        found = OWNED.findall(self.log())
        return sorted((float(at), int(pid)) for at, pid in found)

    def owner(self) -> int | None:
        """The process that owns, if it has not been killed."""
        owners = self.owners()
        return owners[-1][1] if owners and owners[-1][1] not in self.killed else None

    def kill_owner(self) -> float:
        """SIGKILL; returns when (UTC seconds)."""
        pid = wait_for(self.owner, SLOW_START)
        self.killed.append(pid)
        at = time.time()
        with suppress(ProcessLookupError):   # a reload has just ended it
            os.kill(pid, signal.SIGKILL)
        return at

    def kill_anybody(self, chance: random.Random) -> None:
        """SIGKILL one process: the owner, one on standby, one that executes."""
        pid = chance.choice(sorted(until(self.contenders)))
        self.killed.append(pid)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def kill_owners(self, seconds: float, pauses: tuple[float, float], seed: int) -> int:
        """Again and again, at random moments. Returns how often."""
        chance, end, kills = random.Random(seed), time.monotonic() + seconds, 0
        while time.monotonic() < end:
            time.sleep(chance.uniform(*pauses))
            self.kill_owner()
            kills += 1
        wait_for(self.owner, SLOW_START)
        return kills


    # -- who could own -------------------------------------------------------

    def contenders(self) -> set[int]:
        """The processes of this fleet that own, or stand by."""
        assert self.process is not None
        return {
            int(name) for name in os.listdir('/proc')
            if name.isdecimal() and int(name) not in self.killed
            and _competes(int(name), self.process.pid)
        }


def _competes(pid: int, session: int) -> bool:
    """Whether a process of the session holds the lease files open."""
    try:
        if os.getsid(pid) != session:
            return False
        places = [os.readlink(f'/proc/{pid}/fd/{fd}') for fd in os.listdir(f'/proc/{pid}/fd')]
    except OSError:   # it has just ended
        return False
    return any(place.endswith('/lease.0') for place in places)


@contextmanager
def visited(fleet: Fleet) -> Iterator[None]:
    """Somebody opens pages all the time: under the mount, a process starts
    its jobs with its first visitor."""
    ending = threading.Event()

    def visit() -> None:
        while not ending.wait(0.05):
            fleet.visit()

    thread = threading.Thread(target=visit, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join(PATIENCE)


@contextmanager
def fleet(kind: str, directory: Path, **options: Any) -> Iterator[Fleet]:
    made = Fleet(kind, directory, **options)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def until(condition: Callable[[], Any]) -> Any:
    return wait_for(condition, SLOW_START)
