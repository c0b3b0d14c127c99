"""A host of the laboratory: a network namespace with a web server.

Example::

    host = Host(world, 'a', 11, 'wsgi', clock)
    host.start()
    host.kill()
    host.cut(), host.mend()
    with host.half_cut('deaf'):
        ...

Addresses are routed by rules (ip-rule(8)), which is what half cuts are made of:
no firewall has to be there. It has a machine id of its own, and a boot id that
is another one after it was killed: its processes are on another machine for all
that the others can know.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from clocks import Clock

HERE = Path(__file__).parent
PORT = 8000

#: What does not pass, as a rule of routing. The database is where `{database}` is.
HALF_CUTS: Mapping[str, str] = {
    'deaf': 'from {database}',              # hears nothing of the database, which hears it
    'mute': 'to {database}',
    'webless': f'ipproto tcp dport {PORT}',    # the database answers, its own web server not
}

#: Mounted in the namespace of mounts that `ip netns exec` makes.
IDENTITY = ('/etc/machine-id', '/proc/sys/kernel/random/boot_id')
BOOT = ('mount --bind "$1" {} && mount --bind "$2" {} && shift 2 && exec "$@"').format(*IDENTITY)


def run(*command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=check, capture_output=True, text=True)


@dataclass
class World:
    """What hosts have in common. `environment` is that of the next start."""

    name: str
    net: str
    directory: Path
    environment: dict[str, str]

    @property
    def database(self) -> str:
        return f'{self.net}.1'


class Host:
    """See the module. `release`: of the application that is deployed there."""

    def __init__(self, world: World, name: str, number: int, kind: str, clock: Clock) -> None:
        self.world, self.name, self.kind, self.clock = world, name, kind, clock
        self.release = 1
        self.space = f'{world.name}{name}'
        self.link, end = f'{self.space}l', f'{self.space}e'
        self.process: subprocess.Popen[bytes] | None = None
        self._machine, self._boot = uuid.uuid4().hex, str(uuid.uuid4())
        run('ip', 'netns', 'add', self.space)
        run('ip', 'link', 'add', self.link, 'type', 'veth', 'peer', 'name', end)
        run('ip', 'link', 'set', self.link, 'master', world.name, 'up')
        run('ip', 'link', 'set', end, 'netns', self.space)
        for command in (
            'link set lo up', f'addr add {world.net}.{number}/24 dev {end}', f'link set {end} up',
            # Behind the rules that cut.
            'rule add pref 100 lookup local', 'rule del pref 0',
        ):
            run('ip', '-n', self.space, *command.split())

    # -- its server ------------------------------------------------------------

    def start(self) -> None:
        home = self.world.directory / f'host-{self.name}'
        for each in ('state', 'run'):
            (home / each).mkdir(parents=True, exist_ok=True, mode=0o700)
        environment = os.environ | self.clock.environment | self.world.environment | {
            'FLEET_DIRECTORY': str(self.world.directory), 'FLEET_HOST': self.name,
            'FLEET_KIND': self.kind, 'FLEET_URL': f'http://127.0.0.1:{PORT}',
            'FLEET_RELEASE': str(self.release),
            'XDG_STATE_HOME': str(home / 'state'), 'XDG_RUNTIME_DIR': str(home / 'run'),
            'PYTHONPATH': str(HERE), 'PYTHONDONTWRITEBYTECODE': '1',
        }
        files = [home / 'machine-id', home / 'boot-id']
        for file, text in zip(files, (self._machine, self._boot), strict=True):
            file.write_text(text + '\n')
        with open(self.world.directory / f'output-{self.name}', 'ab') as output:
            self.process = subprocess.Popen(
                ['ip', 'netns', 'exec', self.space, 'sh', '-c', BOOT, 'sh', *map(str, files),
                 sys.executable, *self._server()],
                env=environment, stdout=output, stderr=output, cwd=home, start_new_session=True)

    def _server(self) -> list[str]:
        if self.kind == 'asgi':
            return ['-m', 'uvicorn', '--host=127.0.0.1', f'--port={PORT}',
                    '--log-level=warning', '--no-access-log', 'fleet_app:asgi']
        return ['-m', 'gunicorn', '--workers=2', '--threads=4', f'--bind=127.0.0.1:{PORT}',
                '--log-level=warning', 'fleet_app:wsgi']

    def tell(self, number: int) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

    def workers(self) -> list[int]:
        if self.process is None or self.kind == 'asgi':
            return []
        pid = self.process.pid
        with suppress(OSError):
            return [int(each) for each in
                    Path(f'/proc/{pid}/task/{pid}/children').read_text().split()]
        return []

    def kill(self) -> None:
        """As a machine that loses its power: the next start is another boot."""
        self._boot = str(uuid.uuid4())
        self._end()

    def _end(self) -> None:
        self.tell(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()
        self.process = None

    def stop(self) -> None:
        """As a deployment does."""
        if self.process is not None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(15)
            self._end()

    # -- its network -----------------------------------------------------------

    def cut(self) -> None:
        run('ip', 'link', 'set', self.link, 'down')

    def mend(self) -> None:
        run('ip', 'link', 'set', self.link, 'up')

    @contextmanager
    def half_cut(self, what: str) -> Iterator[None]:
        """One direction, or one port: see HALF_CUTS."""
        rule = HALF_CUTS[what].format(database=self.world.database).split()
        command = ['ip', '-n', self.space, 'rule']
        run(*command, 'add', 'pref', '10', *rule, 'blackhole')
        try:
            yield
        finally:
            run(*command, 'del', 'pref', '10', *rule, 'blackhole')

    def remove(self) -> None:
        self._end()
        run('ip', 'netns', 'delete', self.space, check=False)
        run('ip', 'link', 'delete', self.link, check=False)
