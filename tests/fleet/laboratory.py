"""Three hosts on one bridge, a database with a standby, and a way between them.

Example::

    with Laboratory(directory, skew={'a': 5}) as laboratory:
        laboratory.start()
        laboratory.hosts['b'].kill()
        laboratory.rest()
        laboratory.problems(first, last)

Each host is a network namespace with a web server (gunicorn on a and b, uvicorn
on c), its own directories and its own clock. They reach the database by a
`Way`, or by pgbouncer and a way behind it. Needs root and `ip`. What may happen
to them is in `nemeses`.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import postgres
from checker import Record, Scheduled, Stated, check
from clocks import Clocks
from databases import Primary, Standby
from hosts import Host, World, run
from poolers import FleetPooler
from way import Way

from cronsched.ledger.postgres import PostgresLedger, schema
from cronsched.ledger.postgres.connections import Source

HOSTS = {'a': ('wsgi', 11), 'b': ('wsgi', 12), 'c': ('asgi', 13)}
DATABASE = 'fleet'
TIMEOUT = 20    # seconds, of a job


def missing() -> str:
    """Why there can be no laboratory; '' if there can."""
    if os.getuid():
        return 'network namespaces need root'
    if shutil.which('ip') is None:
        return 'ip is not installed (iproute2)'
    if postgres.programs() is None:
        return 'PostgreSQL is not installed'
    name = f'cs{os.getpid()}'
    if run('ip', 'netns', 'add', name, check=False).returncode:
        return 'network namespaces are not allowed here'
    run('ip', 'netns', 'delete', name)
    return ''


class Laboratory:
    """See the module. `ids` application ids with `jobs` jobs each second, or by
    `schedule`. `room` is that of the database's disk; `settings` are its own."""

    def __init__(
        self, directory: Path, *, ids: int = 4, jobs: int = 2, skew: dict[str, int] | None = None,
        standby: bool = False, pooler: bool = False, room: str = '', schedule: str = '* * * * * *',
        long: bool = False, settings: dict[str, str] | None = None,
    ) -> None:
        self.directory, self.ids, self.jobs = directory, ids, jobs
        self._skew = skew or {}
        self._wants = standby, pooler
        self._room, self._settings = room, settings or {}
        self.record = Record(directory / 'executions')
        self.hosts: dict[str, Host] = {}
        self.standby: Standby | None = None
        self.pooler: FleetPooler | None = None
        self._environment = {
            'FLEET_IDS': str(ids), 'FLEET_JOBS': str(jobs), 'FLEET_SCHEDULE': schedule,
            'FLEET_LONG': '1' if long else '', 'FLEET_TIMEOUT': str(TIMEOUT)}

    def __enter__(self) -> Laboratory:
        try:
            self._make()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _make(self) -> None:
        chance = random.SystemRandom()
        self.clocks = Clocks()
        net = f'10.{chance.randrange(100, 250)}.{chance.randrange(1, 250)}'
        self.world = World(f'cs{chance.randrange(16 ** 4):04x}', net, self.directory,
                           self._environment)
        run('ip', 'link', 'add', self.world.name, 'type', 'bridge')
        for address in (self.world.database, f'{net}.2'):
            run('ip', 'addr', 'add', f'{address}/24', 'dev', self.world.name)
        run('ip', 'link', 'set', self.world.name, 'up')
        self.clock = self.clocks.make('database')
        self.database = self.primary = Primary(
            self.world.database, clock=self.clock, room=self._room, **self._settings)
        self.primary.sql(f'CREATE DATABASE {DATABASE}')
        schema.migrate(Source(self.primary.url(DATABASE)))
        self.way = Way(self.world.database, 6432, (self.primary.address, postgres.PORT))
        self._add_what_is_wanted(net)
        for name, (kind, number) in HOSTS.items():
            clock = self.clocks.make(name, self._skew.get(name, 0))
            self.hosts[name] = Host(self.world, name, number, kind, clock)

    def _add_what_is_wanted(self, net: str) -> None:
        standby, pooler = self._wants
        port = 6432
        if standby:
            self.standby = Standby(self.primary, f'{net}.2')
        if pooler:
            self.pooler = FleetPooler(self.primary, self.world.database, DATABASE)
            port = self.pooler.port
        self.url = f'postgresql://owner@{self.world.database}:{port}/{DATABASE}'
        self.world.environment['FLEET_LEDGER'] = self.url

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for host in self.hosts.values():
            host.remove()
        for made in (self.pooler, getattr(self, 'way', None), getattr(self, 'primary', None),
                     self.standby, getattr(self, 'clocks', None)):
            if made is not None:
                made.close()
        if hasattr(self, 'world'):
            run('ip', 'link', 'delete', self.world.name, check=False)

    # -- what goes on ----------------------------------------------------------

    def start(self, *names: str) -> None:
        for name in names or HOSTS:
            self.hosts[name].start()

    def settle(self, *names: str) -> None:
        """Start them; they fire when this returns."""
        self.start(*names)
        self.until(lambda: self.all_seated(len(names or HOSTS)))
        self.until(lambda: len(self.record.owners()) == self.ids)

    def sql(self, text: str) -> list[tuple[Any, ...]]:
        return self.database.sql(text, DATABASE)

    def until(self, happens: Any, patience: float = 60.0) -> float:
        """Wait for it; how long that took, in seconds."""
        began = time.monotonic()
        while not happens():
            assert time.monotonic() - began < patience, self.report()
            time.sleep(0.05)
        return time.monotonic() - began

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

    def seat_pids(self) -> dict[str, int]:
        return dict(self.sql('SELECT s.application_id, m.pid FROM cronsched.seats AS s '
                             'JOIN cronsched.members AS m ON m.id = s.member'))

    def seated(self) -> dict[str, str]:
        """Which host has which seat, of those whose process lives."""
        groups = {host.process.pid: name for name, host in self.hosts.items() if host.process}
        found = {}
        for application_id, pid in self.seat_pids().items():
            with suppress(ProcessLookupError):
                if name := groups.get(os.getpgid(pid)):
                    found[application_id] = name
        return found

    def convictions(self) -> int:
        """How often a member was taken for dead."""
        return sum(log.read_text(errors='replace').count(' has not been heard for ')
                   for log in self.directory.glob('log-*'))

    def failover(self, lag: float) -> None:
        """The primary is gone, and the standby has not heard its last commits."""
        assert self.standby is not None
        self.until(self._senders)   # a full disk may have broken it off
        os.kill(self._senders()[0], signal.SIGSTOP)
        time.sleep(lag)
        self.primary.kill()
        self.standby.promote()
        self.database = self.standby
        self.way.turn((self.standby.address, postgres.PORT))

    def _senders(self) -> list[int]:
        """The primary's processes that send what it commits."""
        return [int(str(pid)) for pid, in self.primary.sql(
            "SELECT pid FROM pg_stat_replication WHERE state = 'streaming'")]

    # -- what became of it -----------------------------------------------------

    def rows(self) -> list[Stated]:
        ledger = PostgresLedger(self.database.url(DATABASE), looking=True)
        try:
            return [
                Stated(Scheduled(row.run.application_id, row.run.job, row.run.scheduled),
                       row.state, row.until) for row in ledger.walk()]
        finally:
            ledger.close()

    def caught_up(self, last: int) -> bool:
        """Whether each job has come to this scheduled time."""
        (behind,), = self.sql(
            "SELECT count(*) FROM cronsched.jobs AS j WHERE j.job LIKE 'job-%' "
            'AND NOT EXISTS (SELECT FROM cronsched.runs AS r WHERE r.job_id = j.id '
            f'AND r.scheduled <= {last} AND coalesce(r.until, r.scheduled) >= {last})')
        return not behind

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
        return check(self.record.all(), self.rows(), self.wanted(first, last), time.time())

    def requests_per_run(self) -> float:
        """As the web servers received them."""
        runs = {each.run for each in self.record.all()}
        return (self.directory / 'asked').stat().st_size / max(len(runs), 1)

    def report(self) -> str:
        """The last words of all, for who has to find out."""
        texts = []
        for path in sorted(self.directory.glob('*-*')):
            if path.is_file():
                lines = path.read_text(errors='replace').splitlines()
                texts.append('\n'.join([f'== {path.name}', *lines[-15:]]))
        return '\n'.join(texts)
