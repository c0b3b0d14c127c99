"""How a connection to PostgreSQL is made, by psycopg 3 or psycopg2.

Example::

    source = Source('postgresql://app@db.example/app')
    source = Source(engine)                  # of SQLAlchemy
    source = Source(lambda: psycopg.connect(service='app'))
    connection = source.connect(patience=5.0)
    execute(connection, 'SELECT %s + 1', (41,))     # [(42,)]

A connection is the ledger's own: never that of a request, as a claim must not
be undone with what the request did. It is in autocommit, so each statement is
a transaction, and nothing is kept in the session: no prepared statements, no
SET, no LISTEN, no session lock. So it goes through a pooler that gives a
server connection for one transaction only (pgbouncer, `pool_mode=transaction`).
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import ModuleType
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from cronsched.ledger.values import LedgerError

__all__ = ['Source', 'abandon', 'cancel', 'disconnect', 'execute', 'is_broken', 'is_psycopg2',
           'is_url', 'sqlstate']

Connection = Any    # of psycopg 3 or psycopg2; either may be absent
Rows = list[tuple[Any, ...]]

#: The scheme of the URL, before a driver of SQLAlchemy's: postgresql+psycopg.
SCHEMES: Final = ('postgresql', 'postgres')
DRIVERS: Final = ('psycopg', 'psycopg2')
TUPLES_OK: Final = 2    # ExecStatusType of libpq
WRITE: Final = ('write postgresql://user@host/database, a function that returns a connection of '
                'psycopg, or an engine of SQLAlchemy')

# Those of parents, kept so that nothing closes them.
_abandoned: list[Connection] = []


def is_url(value: object) -> bool:
    """Whether it is meant to be the URL of a PostgreSQL database."""
    return isinstance(value, str) and value.partition(':')[0].partition('+')[0] in SCHEMES


class Source:
    """Where connections come from: a URL, as libpq and SQLAlchemy write it, a
    function without arguments that returns a new connection, or an engine.
    `may_keep`: who makes a connection may keep it, and close it one day."""

    def __init__(self, source: Any) -> None:
        self._make: Callable[[float], Connection]
        self.may_keep = False
        if is_url(source):
            self.name = _without_password(source)
            self._make = _by_url(source)
        elif hasattr(source, 'raw_connection'):
            _check_engine(source)
            self.name = _without_password(str(getattr(source, 'url', 'postgresql')))
            self._make = lambda patience: _out_of_pool(source)
        elif callable(source):
            self.name = f'that {getattr(source, "__qualname__", repr(source))} connects to'
            self._make = lambda patience: source()
            self.may_keep = True
        else:
            raise LedgerError(f'{source!r} names no PostgreSQL database: {WRITE}')

    def connect(self, patience: float) -> Connection:
        """A connection of our own, in autocommit. `patience` is for the URL
        alone, in seconds: who brings a function says there how long to wait.
        Raises what the driver raises, and `LedgerError`."""
        connection = _bare(self._make(patience))
        driver = _driver_of(connection)
        connection.autocommit = True
        if driver == 'psycopg':
            # A named statement is not there on the next server connection.
            connection.prepare_threshold = None
        return connection


def execute(connection: Connection, sql: str, values: Sequence[Any] | None = None) -> Rows:
    """The rows of a statement, as tuples, whatever the connection makes of
    rows for others. Without `values`, several statements may be in `sql`."""
    with _cursor(connection) as cursor:
        if values is None or _driver_of(connection) == 'psycopg2':
            cursor.execute(sql, values)
        else:
            cursor.execute(sql, values, prepare=False)
        return list(cursor.fetchall()) if _has_rows(cursor) else []


def sqlstate(error: BaseException) -> str:
    """Five characters (PostgreSQL, "Error Codes"); '' if the server said none."""
    return getattr(error, 'sqlstate', None) or getattr(error, 'pgcode', None) or ''


def is_broken(connection: Connection) -> bool:
    return bool(connection.closed)


def is_psycopg2(connection: Connection) -> bool:
    """Of psycopg 3 otherwise."""
    return _driver_of(connection) == 'psycopg2'


def disconnect(connection: Connection) -> None:
    """Close it, whatever state it is in."""
    try:
        connection.close()
    except Exception:
        return      # it was broken already


def cancel(connection: Connection, patience: float) -> None:
    """Ask the server to end what another thread waits for on the connection.
    Does nothing where the driver could be held up by that (psycopg2, or psycopg 3
    with a libpq before 17): it would wait for a way that is cut."""
    driver = sys.modules.get('psycopg')
    if driver is None or _driver_of(connection) != 'psycopg':
        return
    if getattr(driver, 'capabilities', None) and driver.capabilities.has_cancel_safe():
        with suppress(Exception):
            connection.cancel_safe(timeout=patience)


def abandon(connection: Connection) -> None:
    """Leave that of a parent alone, in a child."""
    # Never closed here, as that would tell the server goodbye; the server is to
    # find out when the parent dies.
    _abandoned.append(connection)
    with suppress(Exception):
        nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        os.dup2(nothing, connection.fileno(), inheritable=False)
        os.close(nothing)


def driver_errors() -> tuple[type[Exception], ...]:
    """What the drivers that are loaded raise."""
    loaded = (sys.modules.get(name) for name in DRIVERS)
    return tuple(driver.Error for driver in loaded if driver is not None)


def _cursor(connection: Connection) -> Any:
    if _driver_of(connection) == 'psycopg2':
        return sys.modules['psycopg2.extensions'].cursor(connection)
    psycopg = sys.modules['psycopg']
    return psycopg.Cursor(connection, row_factory=psycopg.rows.tuple_row)


def _has_rows(cursor: Any) -> bool:
    result = getattr(cursor, 'pgresult', None)
    if result is None:
        return cursor.description is not None
    # psycopg 3 makes objects of a description, 60 us; and rows may have no columns.
    return bool(result.status == TUPLES_OK)


def _driver_of(connection: Connection) -> str:
    for kind in type(connection).__mro__:
        root = kind.__module__.partition('.')[0]
        if root in DRIVERS:
            return root
    raise LedgerError(
        f'{type(connection)!r} is not a connection of psycopg 3 or psycopg2: {WRITE}')


def _check_engine(engine: Any) -> None:
    if getattr(engine, 'driver', 'psycopg') not in DRIVERS:
        raise LedgerError(f'{engine!r} does not use psycopg 3 or psycopg2: {WRITE}')
    if hasattr(engine, 'sync_engine'):
        raise LedgerError(f'{engine!r} is asynchronous: write its .sync_engine')


def _bare(connection: Connection) -> Connection:
    """Without the clothes of SQLAlchemy's pool, which gets it back never."""
    if hasattr(connection, 'detach') and hasattr(connection, 'dbapi_connection'):
        connection.detach()
        return connection.dbapi_connection
    return connection


def _out_of_pool(engine: Any) -> Connection:
    # Its pool runs what the application hangs on it: a token as password.
    return engine.raw_connection()


def _by_url(url: str) -> Callable[[float], Connection]:
    driver = _installed_driver()
    bare = f'postgresql:{url.partition(":")[2]}'
    given = parse_qs(urlsplit(url).query)

    def make(patience: float) -> Connection:
        options: dict[str, Any] = {
            'fallback_application_name': 'cronsched', 'client_encoding': 'UTF8'}
        if 'connect_timeout' not in given:
            options['connect_timeout'] = max(int(patience), 2)
        return driver.connect(bare, **options)

    return make


def _installed_driver() -> ModuleType:
    for name in DRIVERS:
        try:
            driver = importlib.import_module(name)
            importlib.import_module(f'{name}.extensions' if name == 'psycopg2' else f'{name}.rows')
        except ImportError:
            continue    # psycopg 3 is also not usable without libpq
        return driver
    raise LedgerError(
        "PostgreSQL needs psycopg 3 or psycopg2: pip install 'cronsched[postgres]'")


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition('@')
    return f'{parts.scheme}://{user.partition(":")[0]}{at}{host}{parts.path}'
