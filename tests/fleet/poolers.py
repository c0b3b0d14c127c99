"""pgbouncer between the hosts of the laboratory and the way to the database.

Example::

    pooler = FleetPooler(primary, '10.90.1.1', 'fleet')
    pooler.stop()
    pooler.start()
"""

from __future__ import annotations

import socket
import subprocess
import time
from contextlib import suppress

import postgres


class FleetPooler:
    """See the module. In transaction mode, with few connections."""

    port = 6433

    def __init__(self, server: postgres.Server, address: str, database: str) -> None:
        self._address, self._server = address, server
        self._settings = server.directory / 'pgbouncer.ini'
        self._settings.write_text(
            f'[databases]\n{database} = host={address} port=6432 dbname={database} user=owner\n'
            f'[pgbouncer]\nlisten_addr = {address}\nlisten_port = {self.port}\nauth_type = any\n'
            'pool_mode = transaction\ndefault_pool_size = 12\nmax_client_conn = 200\n'
            'unix_socket_dir =\nignore_startup_parameters = extra_float_digits\n'
            'server_login_retry = 1\nquery_wait_timeout = 5\n')
        self._settings.chmod(0o644)
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._server.as_user('pgbouncer', '-q', str(self._settings)),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd='/')
        end = time.monotonic() + 10
        while time.monotonic() < end:
            with suppress(OSError), socket.create_connection((self._address, self.port), 1):
                return
            time.sleep(0.02)
        raise AssertionError('pgbouncer does not listen')

    def stop(self) -> None:
        """As a crash: all connections end."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    close = stop
