"""The servers of the laboratory: a primary one, and a standby.

Example::

    primary = Primary('10.90.1.1', clock=clock, room='1g')
    standby = Standby(primary, '10.90.1.2')
    with primary.full_disk():
        ...
    standby.promote()
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import postgres
from clocks import Clock


class Primary(postgres.Server):
    """A server that hosts reach, and that standbys follow. `room` is that of
    its disk, as mount(8) writes it; '' for one that is never full."""

    def __init__(
        self, address: str, *, clock: Clock | None = None, room: str = '', **settings: str,
    ) -> None:
        self.address, self._clock, self._room = address, clock, room
        super().__init__(listen_addresses=address, wal_keep_size='64MB', max_connections='120',
                         max_wal_size='192MB', **settings)
        with open(f'{self.data}/pg_hba.conf', 'a', encoding='ascii') as rules:
            rules.write('host all all 10.0.0.0/8 trust\nhost replication all 10.0.0.0/8 trust\n')
        self.reload()

    def _run(self, name: str, *arguments: str) -> None:
        if name == 'initdb' and self._room:
            subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={self._room},mode=700', 'tmpfs',
                            str(self.directory)], check=True, capture_output=True)
            if self._user:
                os.chown(self.directory, self._user.pw_uid, self._user.pw_gid)
        super()._run(name, *arguments)

    def _command(self, name: str, *arguments: str) -> list[str]:
        command = super()._command(name, *arguments)
        if name != 'postgres' or self._clock is None:
            return command
        words = [f'{key}={value}' for key, value in self._clock.environment.items()]
        at = len(command) - len(arguments) - 1
        return [*command[:at], 'env', *words, *command[at:]]

    def tell(self, number: int) -> None:
        """A signal to each of its processes."""
        for pid in self._processes():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def has_room(self) -> bool:
        """And no more than that."""
        return bool(self._room)

    def revive(self) -> None:
        """Start it again if it has died of something."""
        end = time.monotonic() + postgres.PATIENCE
        while time.monotonic() < end:
            if not self.is_running:
                self.stop()
                self.start()
            with suppress(Exception):
                self.sql('SELECT 1')
                return
            time.sleep(0.2)

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """Not a byte is left on it. The server may be dead after that."""
        filler = self.directory / 'filler'
        found = os.statvfs(self.directory)
        with open(filler, 'wb', buffering=0) as file, suppress(OSError):
            os.posix_fallocate(file.fileno(), 0, (found.f_bfree - 1) * found.f_frsize)
            file.seek(0, os.SEEK_END)
            while file.write(b'x' * 4096):
                pass
        try:
            yield
        finally:
            filler.unlink()

    def close(self) -> None:
        self.tell(signal.SIGCONT) if self.is_running else None
        self.stop(signal.SIGQUIT)
        super().close()
        if self._room:
            subprocess.run(['umount', str(self.directory)], check=False, capture_output=True)
            self.directory.rmdir()

    def kill(self) -> None:
        """As a machine that has gone: nothing is written any more."""
        self.tell(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()
        self._process = None


class Standby(Primary):
    """Made of a primary that runs; ready to take its place."""

    def __init__(self, of: Primary, address: str) -> None:
        self.address, self._clock, self._room = address, of._clock, ''
        self.directory = Path(f'{of.directory}-{address}')
        self._user = of._user
        self._settings = of._settings | {
            'listen_addresses': address, 'synchronous_standby_names': ''}
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
