"""A PostgreSQL server of the tests' own.

Example::

    url = server().fresh_database()     # with the schema; gone with the server
    server().pid, server().socket       # to stop it, and to go to it by a proxy

It runs as a user without rights (it refuses root), in a temporary directory,
behind a Unix socket, and ends with the tests. Where it is not installed, tests
are skipped, but with CI=true they fail, unless nobody may install it there.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode, urlsplit, urlunsplit

import pytest

from cronsched.ledger.postgres import schema
from cronsched.ledger.postgres.connections import Source, disconnect, execute

SETTINGS = {
    'listen_addresses': '', 'fsync': 'off', 'synchronous_commit': 'off', 'full_page_writes': 'off',
    'shared_buffers': '32MB', 'max_connections': '60', 'autovacuum': 'off',
    'log_min_messages': 'warning',
}
#: As in production; for what is measured.
DURABLE = {
    'fsync': 'on', 'synchronous_commit': 'on', 'full_page_writes': 'on',
    'shared_buffers': '128MB', 'autovacuum': 'on',
}
PORT = 5432     # names the socket; nothing listens to it over TCP
PATIENCE = 30.0

# The role that the tests' ledgers have: it has no right but those granted.
APPLICATION = 'app'


def programs() -> Path | None:
    """The directory of the newest initdb and postgres."""
    found = sorted(
        Path('/usr/lib/postgresql').glob('*/bin'), key=lambda path: int(path.parent.name))
    on_path = shutil.which('initdb')
    if on_path:
        found.append(Path(on_path).resolve().parent)
    return next((path for path in reversed(found) if (path / 'postgres').exists()), None)


def may_install() -> bool:
    """Whether the script may; where not, it has said what to run."""
    if shutil.which('apt-get') is None:
        return False
    return os.getuid() == 0 or (
        shutil.which('sudo') is not None
        and subprocess.run(['sudo', '-n', 'true'], capture_output=True).returncode == 0)


def unprivileged() -> pwd.struct_passwd | None:
    """Who runs the server; None: whoever runs the tests."""
    if os.getuid():
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return names.get('postgres') or names['nobody']


class Server:
    """See the module."""

    def __init__(self, **settings: str) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix='pg-', dir='/tmp'))
        self._user = unprivileged()
        if self._user:
            os.chown(self.directory, self._user.pw_uid, self._user.pw_gid)
        self.socket = self.directory / f'.s.PGSQL.{PORT}'
        self._settings = SETTINGS | settings
        self._numbers = itertools.count()
        self._process: subprocess.Popen[bytes] | None = None
        self._run('initdb', '-D', self.data, '--no-sync', '--auth=trust', '--username=owner',
                  '--encoding=UTF8', '--locale=C')
        self.start()
        self.sql(f'CREATE ROLE {APPLICATION} LOGIN')

    @property
    def data(self) -> str:
        return str(self.directory / 'data')

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def url(
        self, database: str, user: str = 'owner', host: str | None = None, port: int = PORT,
    ) -> str:
        where = urlencode({'host': host or str(self.directory), 'port': port})
        return f'postgresql://{user}@/{database}?{where}'

    def start(self) -> None:
        options = [f'-c{name}={value}' for name, value in self._settings.items()]
        with (self.directory / 'log').open('ab') as log:
            self._process = subprocess.Popen(
                self._command('postgres', '-D', self.data, '-k', str(self.directory),
                              f'-p{PORT}', *options),
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, cwd='/')
        self._wait()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: clients are sent away. SIGQUIT: at once, as in a crash."""
        process, self._process = self._process, None
        if process:
            process.send_signal(how)
            process.wait(PATIENCE)

    def freeze(self) -> None:
        """As a machine that is cut off: it takes what is sent, and answers
        nothing."""
        self._tell(signal.SIGSTOP)

    def thaw(self) -> None:
        self._tell(signal.SIGCONT)

    def _tell(self, number: signal.Signals) -> None:
        for pid in self._processes():
            with contextlib.suppress(ProcessLookupError):   # of a client that has just left
                os.kill(pid, number)

    def _processes(self) -> list[int]:
        children = Path(f'/proc/{self.pid}/task/{self.pid}/children').read_text()
        return [self.pid, *map(int, children.split())]

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def sql(self, text: str, database: str = 'postgres') -> list[tuple[object, ...]]:
        connection = Source(self.url(database)).connect(PATIENCE)
        try:
            return execute(connection, text)
        finally:
            disconnect(connection)

    def reload(self) -> None:
        """Reads its settings again; returns once each connection has been told."""
        loaded = self.sql('SELECT pg_conf_load_time()')
        self.sql('SELECT pg_reload_conf()')     # only asks for it
        end = time.monotonic() + PATIENCE
        while self.sql('SELECT pg_conf_load_time()') == loaded:
            assert time.monotonic() < end, 'the settings were not read again'
            time.sleep(0.01)

    def empty_database(self) -> str:
        """The URL of a new database, without the schema."""
        name = f'test_{next(self._numbers)}'
        self.sql(f'CREATE DATABASE {name}')
        return self.url(name)

    def fresh_database(self) -> str:
        """With the schema; the URL is that of the application's role."""
        url = self.empty_database()
        schema.migrate(Source(url))
        self.sql(schema.grants(APPLICATION), database_of(url))
        return self.url(database_of(url), APPLICATION)

    @functools.cached_property
    def clean_url(self) -> str:
        """Of the database that `clean_database` empties."""
        return self.fresh_database()

    def clean_database(self) -> str:
        """The URL of a database with the schema and not a row: one for all,
        emptied each time, which is much faster than a new one."""
        connection = Source(self.url(database_of(self.clean_url))).connect(PATIENCE)
        tables = execute(connection, "SELECT relname FROM pg_class WHERE relkind = 'r' AND "
                                     "relnamespace = 'cronsched'::regnamespace "
                                     "AND relname <> 'state'")
        execute(connection, ''.join(f'DELETE FROM cronsched.{name};' for name, in tables))
        disconnect(connection)
        return self.clean_url

    def _wait(self) -> None:
        assert self._process
        end = time.monotonic() + PATIENCE
        while self._process.poll() is None and time.monotonic() < end:
            try:
                self.sql('SELECT 1')
            except Exception:
                time.sleep(0.02)
            else:
                return
        raise AssertionError((self.directory / 'log').read_text())

    def _command(self, name: str, *arguments: str) -> list[str]:
        binaries = programs()
        assert binaries
        return self.as_user(str(binaries / name), *arguments)

    def as_user(self, *arguments: str) -> list[str]:
        # It ends with the thread that started it, however that ends.
        command = ['setpriv', '--pdeathsig', 'INT'] if shutil.which('setpriv') else []
        if self._user:
            command += [f'--reuid={self._user.pw_uid}', f'--regid={self._user.pw_gid}',
                        '--clear-groups']
        return [*command, *arguments]

    def _run(self, name: str, *arguments: str) -> None:
        done = subprocess.run(
            self._command(name, *arguments), capture_output=True, text=True, cwd='/')
        assert done.returncode == 0, done.stdout + done.stderr


class Pooler:
    """pgbouncer before a server, in transaction mode: each transaction may
    be on another of its few connections, `size` at most."""

    def __init__(self, server: Server, size: int = 3) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix='pgb-', dir='/tmp'))
        user = unprivileged()
        if user:
            os.chown(self.directory, user.pw_uid, user.pw_gid)
        config = self.directory / 'pgbouncer.ini'
        config.write_text(f'''[databases]
* = host={server.directory} port={PORT}
[pgbouncer]
listen_port = {PORT}
unix_socket_dir = {self.directory}
auth_type = trust
auth_file = {self.directory}/users
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 1000
logfile = {self.directory}/log
''')
        (self.directory / 'users').write_text(f'"{APPLICATION}" ""\n"owner" ""\n')
        config.chmod(0o644)
        (self.directory / 'users').chmod(0o644)
        program = shutil.which('pgbouncer') or '/usr/sbin/pgbouncer'
        self._process = subprocess.Popen(
            server.as_user(program, '-q', str(config)), stdin=subprocess.DEVNULL, cwd='/')
        end = time.monotonic() + PATIENCE
        while not (self.directory / f'.s.PGSQL.{PORT}').exists():
            assert time.monotonic() < end
            assert self._process.poll() is None
            time.sleep(0.02)

    def through(self, url: str) -> str:
        """The same database and role, by the pooler."""
        parts = urlsplit(url)
        where = urlencode({'host': str(self.directory), 'port': PORT})
        return urlunsplit(parts._replace(query=where))

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE)
        shutil.rmtree(self.directory, ignore_errors=True)


def has_pooler() -> bool:
    return bool(shutil.which('pgbouncer')) or Path('/usr/sbin/pgbouncer').exists()


def database_of(url: str) -> str:
    return urlsplit(url).path[1:]


@functools.cache
def pooler() -> Pooler:
    if not has_pooler():
        pytest.skip('no pgbouncer: tools/system-packages.sh --postgresql installs it')
    made = Pooler(server())
    atexit.register(made.close)
    return made


@functools.cache
def _server(pid: int) -> Server:
    made = Server()
    atexit.register(lambda: made.close() if os.getpid() == pid else None)
    return made


def server() -> Server:
    """The one of this run of the tests; skips the test where there is none."""
    if programs() is None:
        reason = 'no PostgreSQL: tools/system-packages.sh installs it, or says how'
        if os.environ.get('CI') == 'true' and may_install():
            pytest.fail(reason)
        pytest.skip(reason)
    return _server(os.getpid())
