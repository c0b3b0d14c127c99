"""Three hosts on one bridge, a database with a standby, and whoever torments them.

Example::

    with Laboratory(directory) as laboratory:
        laboratory.hosts['b'].kill()
        laboratory.check(seconds=10)

Each host is a network namespace with a web server (gunicorn on a and b, uvicorn
on c), its own directories and, if wanted, its own clock. They reach the
database by a `Way`, or by pgbouncer and a way behind it. Needs root and `ip`.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import postgres
from checker import Execution, Scheduled, Stated, check, read
from way import Way

from cronsched.ledger.postgres import PostgresLedger, schema
from cronsched.ledger.postgres.connections import Source

HERE = Path(__file__).parent
HOSTS = {'a': ('wsgi', 11), 'b': ('wsgi', 12), 'c': ('asgi', 13)}
DATABASE = 'fleet'


def missing() -> str:
    """Why there can be no laboratory; '' if there can."""
    if os.getuid():
        return 'network namespaces need root'
    if shutil.which('ip') is None:
        return 'ip is not installed (iproute2)'
    if postgres.programs() is None:
        return 'PostgreSQL is not installed'
    name = f'cs{os.getpid()}'
    if _run('ip', 'netns', 'add', name, check=False).returncode:
        return 'network namespaces are not allowed here'
    _run('ip', 'netns', 'delete', name)
    return ''


def _run(*command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=check, capture_output=True, text=True)


class Primary(postgres.Server):
    """A server that hosts reach, and that standbys follow."""

    def __init__(self, address: str, **settings: str) -> None:
        self.address = address
        super().__init__(listen_addresses=address, wal_keep_size='64MB', **settings)
        with open(f'{self.data}/pg_hba.conf', 'a', encoding='ascii') as rules:
            rules.write('host all all 10.0.0.0/8 trust\nhost replication all 10.0.0.0/8 trust\n')
        self.reload()

    def tell(self, number: int, *, children: bool = False) -> None:
        for pid in [self.pid, *(self.children() if children else [])]:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def children(self) -> list[int]:
        path = Path(f'/proc/{self.pid}/task/{self.pid}/children')
        return [int(each) for each in path.read_text().split()]

    def close(self) -> None:
        self.stop(signal.SIGQUIT)
        super().close()

    def kill(self) -> None:
        """As a machine that has gone: nothing is written any more."""
        children = self.children()
        self.tell(signal.SIGKILL)
        for pid in children:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert self._process is not None
        self._process.wait()
        self._process = None


class Standby(Primary):
    """Made of a primary that runs; ready to take its place."""

    def __init__(self, of: Primary, address: str) -> None:
        self.address = address
        self.directory = Path(f'{of.directory}-{address}')
        self._user, self._settings = of._user, of._settings | {'listen_addresses': address}
        self._process = None
        self.directory.mkdir(mode=0o700)
        if self._user:
            os.chown(self.directory, self._user.pw_uid, self._user.pw_gid)
        self.socket = self.directory / f'.s.PGSQL.{postgres.PORT}'
        self._run('pg_basebackup', '-D', self.data, '-R', '-X', 'stream', '-c', 'fast',
                  '-U', 'owner', '-h', of.address, '-p', str(postgres.PORT))
        self.start()

    def promote(self) -> None:
        self.sql('SELECT pg_promote(true, 30)')


class Host:
    """One machine with its web server."""

    def __init__(self, laboratory: Laboratory, name: str, skew: int) -> None:
        self.laboratory, self.name, self.skew = laboratory, name, skew
        self.kind, number = HOSTS[name]
        self.space = f'{laboratory.name}{name}'
        self.address = f'{laboratory.net}.{number}'
        self.process: subprocess.Popen[bytes] | None = None
        link, end = f'{self.space}l', f'{self.space}e'
        _run('ip', 'netns', 'add', self.space)
        _run('ip', 'link', 'add', link, 'type', 'veth', 'peer', 'name', end)
        _run('ip', 'link', 'set', link, 'master', laboratory.name, 'up')
        _run('ip', 'link', 'set', end, 'netns', self.space)
        for command in ('link set lo up', f'addr add {self.address}/24 dev {end}',
                        f'link set {end} up'):
            _run('ip', '-n', self.space, *command.split())
        self.link = link

    def start(self) -> None:
        home = self.laboratory.directory / f'host-{self.name}'
        for each in ('state', 'run'):
            (home / each).mkdir(parents=True, exist_ok=True, mode=0o700)
        environment = os.environ | {
            'FLEET_DIRECTORY': str(self.laboratory.directory), 'FLEET_HOST': self.name,
            'FLEET_KIND': self.kind, 'FLEET_LEDGER': self.laboratory.url,
            'FLEET_URL': 'http://127.0.0.1:8000', 'FLEET_IDS': str(self.laboratory.ids),
            'FLEET_JOBS': str(self.laboratory.jobs), 'FLEET_SKEW': str(self.skew),
            'XDG_STATE_HOME': str(home / 'state'), 'XDG_RUNTIME_DIR': str(home / 'run'),
            'PYTHONPATH': str(HERE), 'PYTHONDONTWRITEBYTECODE': '1',
        }
        if self.skew:
            environment['LD_PRELOAD'] = str(self.laboratory.preload())
        with open(self.laboratory.directory / f'output-{self.name}', 'ab') as output:
            self.process = subprocess.Popen(
                ['ip', 'netns', 'exec', self.space, sys.executable, *self._server()],
                env=environment, stdout=output, stderr=output, cwd=home, start_new_session=True)

    def _server(self) -> list[str]:
        if self.kind == 'asgi':
            return ['-m', 'uvicorn', '--host=127.0.0.1', '--port=8000', '--log-level=warning',
                    'fleet_app:asgi']
        return ['-m', 'gunicorn', '--workers=2', '--threads=4', '--bind=127.0.0.1:8000',
                '--log-level=warning', 'fleet_app:wsgi']

    def tell(self, number: int) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

    def kill(self) -> None:
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
            self.kill()

    def cut(self) -> None:
        _run('ip', 'link', 'set', self.link, 'down')

    def mend(self) -> None:
        _run('ip', 'link', 'set', self.link, 'up')

    def remove(self) -> None:
        self.kill()
        _run('ip', 'netns', 'delete', self.space, check=False)
        _run('ip', 'link', 'delete', self.link, check=False)


class Laboratory:
    """See the module. `ids` application ids with `jobs` jobs each second."""

    def __init__(
        self, directory: Path, *, ids: int = 4, jobs: int = 2, skew: dict[str, int] | None = None,
        standby: bool = False, pooler: bool = False,
    ) -> None:
        self.directory, self.ids, self.jobs = directory, ids, jobs
        self.skew = skew or {}
        self._wants = standby, pooler
        self.hosts: dict[str, Host] = {}
        self.standby: Standby | None = None
        self._pooler: subprocess.Popen[bytes] | None = None
        self.began = 0

    def __enter__(self) -> Laboratory:
        try:
            self._make()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _make(self) -> None:
        chance = random.SystemRandom()
        number = chance.randrange(1, 250)
        self.name = f'cs{chance.randrange(16 ** 4):04x}'
        self.net = f'10.{chance.randrange(100, 250)}.{number}'
        _run('ip', 'link', 'add', self.name, 'type', 'bridge')
        _run('ip', 'addr', 'add', f'{self.net}.1/24', 'dev', self.name)
        _run('ip', 'addr', 'add', f'{self.net}.2/24', 'dev', self.name)
        _run('ip', 'link', 'set', self.name, 'up')
        self.database = self.primary = Primary(f'{self.net}.1')
        self.primary.sql(f'CREATE DATABASE {DATABASE}')
        schema.migrate(Source(self.primary.url(DATABASE)))
        standby, pooler = self._wants
        if standby:
            self.standby = Standby(self.primary, f'{self.net}.2')
        self.way = Way(f'{self.net}.1', 6432, (self.primary.address, postgres.PORT))
        self.url = f'postgresql://owner@{self.net}.1:6432/{DATABASE}'
        if pooler:
            self._pool()
        for name in HOSTS:
            self.hosts[name] = Host(self, name, self.skew.get(name, 0))

    def _pool(self) -> None:
        """Hosts speak to pgbouncer, and that to the way."""
        settings = self.primary.directory / 'pgbouncer.ini'
        settings.write_text(
            f'[databases]\n{DATABASE} = host={self.net}.1 port=6432 dbname={DATABASE} user=owner\n'
            f'[pgbouncer]\nlisten_addr = {self.net}.1\nlisten_port = 6433\nauth_type = any\n'
            'pool_mode = transaction\ndefault_pool_size = 12\nmax_client_conn = 200\n'
            'unix_socket_dir =\nignore_startup_parameters = extra_float_digits\n'
            'server_login_retry = 1\nquery_wait_timeout = 5\n')
        settings.chmod(0o644)
        self._pooler = subprocess.Popen(
            ['setpriv', '--reuid=postgres', '--clear-groups', 'pgbouncer', '-q', str(settings)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd='/')
        self.url = f'postgresql://owner@{self.net}.1:6433/{DATABASE}'

    def preload(self) -> Path:
        made = self.directory / 'skew.so'
        if not made.exists():
            _run('cc', '-shared', '-fPIC', '-O1', '-o', str(made), str(HERE / 'skew.c'), '-ldl')
        return made

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for host in self.hosts.values():
            host.remove()
        if self._pooler is not None:
            self._pooler.terminate()
            self._pooler.wait()
        if hasattr(self, 'way'):
            self.way.close()
        for server in (getattr(self, 'primary', None), self.standby):
            if server is not None:
                server.close()
        _run('ip', 'link', 'delete', self.name, check=False)

    # -- what goes on ----------------------------------------------------------

    def start(self, *names: str) -> None:
        for name in names or HOSTS:
            self.hosts[name].start()

    def sql(self, text: str) -> list[tuple[Any, ...]]:
        return self.database.sql(text, DATABASE)

    def until(self, happens: Any, patience: float = 60.0) -> float:
        """Wait for it; how long that took, in seconds."""
        began = time.monotonic()
        while not happens():
            assert time.monotonic() - began < patience, self.report()
            time.sleep(0.05)
        return time.monotonic() - began

    def owners(self) -> dict[str, str]:
        """Which host has which application id, by the newest execution."""
        newest: dict[str, Execution] = {}
        for each in self.executions():
            newest[each.run.application_id] = each
        return {name: each.host for name, each in newest.items()}

    def seats(self) -> dict[str, int]:
        """How many seats each member has that lives."""
        return dict(self.sql(
            'SELECT m.place, count(s.member) FROM cronsched.members AS m LEFT JOIN '
            'cronsched.seats AS s ON s.member = m.id WHERE m.seen IS NOT NULL AND NOT m.dead '
            'GROUP BY m.place'))

    def all_seated(self, hosts: int) -> bool:
        seats = self.seats()
        return len(seats) == hosts and sum(seats.values()) == self.ids

    def members(self) -> dict[str, int | None]:
        """Who has which seat."""
        return dict(self.sql('SELECT application_id, member FROM cronsched.seats'))

    def seated(self) -> dict[str, str]:
        """Which host has which seat, of those whose process lives."""
        rows = self.sql('SELECT s.application_id, m.pid FROM cronsched.seats AS s '
                        'JOIN cronsched.members AS m ON m.id = s.member')
        groups = {host.process.pid: name for name, host in self.hosts.items() if host.process}
        found = {}
        for application_id, pid in rows:
            with suppress(ProcessLookupError):
                if name := groups.get(os.getpgid(pid)):
                    found[application_id] = name
        return found

    def executions(self) -> list[Execution]:
        path = self.directory / 'executions'
        return read(path.read_text().splitlines()) if path.exists() else []

    def failover(self, lag: float) -> None:
        """The primary is gone, and the standby has not heard its last commits."""
        assert self.standby is not None
        sender = self.primary.sql('SELECT pid FROM pg_stat_replication')[0][0]
        os.kill(int(str(sender)), signal.SIGSTOP)
        time.sleep(lag)
        self.primary.kill()
        self.standby.promote()
        self.database = self.standby
        self.way.turn((self.standby.address, postgres.PORT))

    # -- what became of it -----------------------------------------------------

    def rows(self) -> list[Stated]:
        ledger = PostgresLedger(self.database.url(DATABASE), looking=True)
        try:
            return [
                Stated(Scheduled(*_parts(row)), row.state, row.until) for row in ledger.walk()]
        finally:
            ledger.close()

    def wanted(self, first: int, last: int) -> Iterator[Scheduled]:
        for number in range(self.ids):
            for job in range(self.jobs):
                for each in range(first, last + 1):
                    yield Scheduled(f'fleet-{number}', f'job-{job}', each)

    def rest(self) -> None:
        """All end as they do at a deployment, with what is under way."""
        for host in self.hosts.values():
            host.tell(signal.SIGTERM)
        for host in self.hosts.values():
            host.stop()

    def problems(self, first: int, last: int) -> list[str]:
        """When nothing goes on any more."""
        return check(self.executions(), self.rows(), self.wanted(first, last))

    def requests_per_run(self) -> float:
        began = [each for each in self.executions() if each.phase == 'began']
        sent = sum(
            log.read_text(errors='replace').count(' Executing ')
            for log in self.directory.glob('log-*'))
        return sent / max(len({each.run for each in began}), 1)

    def report(self) -> str:
        """The last words of all, for who has to find out."""
        texts = []
        for path in sorted(self.directory.glob('*-*')):
            if path.is_file():
                lines = path.read_text(errors='replace').splitlines()
                texts.append('\n'.join([f'== {path.name}', *lines[-15:]]))
        return '\n'.join(texts)


def _parts(row: Any) -> tuple[str, str, int]:
    run = row.run
    return run.application_id, run.job, run.scheduled
