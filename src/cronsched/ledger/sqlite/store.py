"""One SQLite file, used safely from all threads and all processes.

Example::

    store = Store(Path('/var/lib/app/cronsched/ledger.sqlite3'))
    with store.write() as connection:    # BEGIN IMMEDIATE ... COMMIT
        connection.execute(...)

A process has one connection and a lock around it (`handles`): writers wait for
each other anyway, and SQLite's own waiting is not fair to them.

Power cut: with `synchronous` NORMAL a commit survives the death of any
process, but not of the machine, within the seconds that the kernel keeps it
in memory. FULL does, for one fsync per commit.
"""

from __future__ import annotations

import os
import sqlite3
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cronsched.base import clock
from cronsched.ledger.sqlite import members, schema
from cronsched.ledger.sqlite.codes import ADVICE, HARMLESS, PASSING, code_of
from cronsched.ledger.sqlite.files import connect, identity_of, secured
from cronsched.ledger.sqlite.handles import Handle, Handles, Identity
from cronsched.ledger.sqlite.local import check_local
from cronsched.ledger.sqlite.presence import Presence
from cronsched.ledger.sqlite.waiting import begin_reading, patiently
from cronsched.ledger.sqlite.wal import PAGE, Wal, limit
from cronsched.ledger.values import LedgerError

# The names are compared when their directory has changed, and in any case once
# in so many uses, as the size of the -wal is looked at then. Nanoseconds.
LOOK_EACH = 32
SETTLED = 100_000_000


class Store:
    """See the module. `patience` is how long to wait for other processes, in
    seconds. All methods raise `LedgerError` when the file cannot be used."""

    def __init__(self, path: Path, *, synchronous: str = 'NORMAL', patience: float = 5.0) -> None:
        self.path = path
        self.patience = patience
        self._synchronous = synchronous
        # As text: a path takes longer to become it than the kernel to look.
        self._directory = str(path.parent)
        self._names = tuple(f'{path}{suffix}' for suffix in ('', '-wal', '-shm'))
        self._identity: Identity | None = None   # of the file, once known
        #: The directory, when its names were compared last, and uses since.
        self._looked_at: tuple[int, int, int] | None = None
        self._uses = 0
        self._wal = Wal()
        self.handles = Handles(Path(f'{path}-alive'))
        #: This process made the file.
        self.made = False
        # Also when nobody closes it before the interpreter ends.
        weakref.finalize(self, self.handles.close)

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction that may write; committed unless an error leaves it."""
        with self._using() as connection:
            try:
                patiently(lambda: connection.execute('BEGIN IMMEDIATE'), self.patience)
                yield connection
                connection.execute('COMMIT')
                self._wal.bound(connection)
            finally:
                if connection.in_transaction:
                    connection.execute('ROLLBACK')

    def member(self) -> int:
        """The number of this process in the ledger, which others can ask the
        kernel about."""
        handle = self.handles.own()
        if handle.member is None:
            with self.write() as connection:
                member = members.register(connection, handle.presence, clock.now())
            handle.member = member
        return handle.member

    @property
    def presence(self) -> Presence:
        return self.handles.own().presence

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """One view of the file, which no writer waits for."""
        with self._using() as connection:
            try:
                patiently(lambda: begin_reading(connection), self.patience)
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute('ROLLBACK')

    def close(self, *, executing: bool = False) -> None:
        """Close what this process opened. Another use opens it again."""
        self.handles.close(executing=executing)

    def _using(self) -> _Using:
        return _Using(self)

    def _open(self, handle: Handle) -> None:
        check_local(self.path.parent)
        identity, made = secured(self.path, make=self._identity is None)
        self.made = self.made or made
        if self._identity not in (None, identity):
            raise self._was_moved()
        self._identity = identity
        handle.connection = connection = connect(self.path, identity, 'mode=rw')
        try:
            self._prepare(connection)
        except BaseException:
            handle.close()
            raise
        handle.companions = self._identities()[1:]

    def _prepare(self, connection: sqlite3.Connection) -> None:
        patiently(lambda: begin_reading(connection), self.patience)
        current = schema.is_current(connection)
        connection.execute('ROLLBACK')
        connection.execute(f'PRAGMA page_size = {PAGE}')   # of a file that is empty yet
        mode = patiently(
            lambda: connection.execute('PRAGMA journal_mode = WAL').fetchone(), self.patience)
        if mode != ('wal',):
            raise LedgerError('cannot be shared by processes there (no WAL): use a local disk')
        connection.execute(f'PRAGMA synchronous = {self._synchronous}')
        connection.execute('PRAGMA cell_size_check = ON')
        connection.execute('PRAGMA trusted_schema = OFF')
        limit(connection)
        if not current:
            patiently(lambda: connection.execute('BEGIN IMMEDIATE'), self.patience)
            schema.upgrade(connection)
            connection.execute('COMMIT')

    def _identities(self) -> tuple[Identity | None, ...]:
        """Of the file, its -wal, whose size is noted, and its -shm."""
        try:
            found = [os.lstat(name) for name in self._names]
        except OSError:
            return (None,) * len(self._names)
        self._wal.size = found[1].st_size
        return tuple(map(identity_of, found))

    def _check_files(self, handle: Handle) -> None:
        # Others would open another file, and each grants a run that both have.
        # Who removes or replaces a name changes the directory.
        directory = os.stat(self._directory)
        looked_at = directory.st_dev, directory.st_ino, directory.st_mtime_ns
        self._uses += 1
        if looked_at == self._looked_at and self._uses % LOOK_EACH:
            return
        if self._identities() != (self._identity, *handle.companions):
            raise self._was_moved()
        # A change within the same tick of the kernel's clock would not be seen.
        is_settled = time.time_ns() - directory.st_mtime_ns > SETTLED
        self._looked_at = looked_at if is_settled else None

    def _error(self, what: str) -> LedgerError:
        error = LedgerError(f'the ledger {self.path} {what}')
        error.path = self.path
        return error

    def _explained(self, error: sqlite3.Error) -> LedgerError:
        code = code_of(error)
        explained = self._error(f'{ADVICE.get(code, "cannot be used")} (SQLite: {error})')
        explained.passing = code in PASSING
        return explained

    def _was_moved(self) -> LedgerError:
        return self._error(
            'or its -wal or -shm was removed or replaced while in use: stop the processes of '
            'the application, put it back, and start them again'
        )


class _Using:
    """The connection of this process, alone with it; a class, as that costs
    less than a generator, before each transaction. What SQLite and the system
    raise in the block leaves it as `LedgerError`."""

    __slots__ = ('_handle', '_store')

    def __init__(self, store: Store) -> None:
        self._store = store
        self._handle = store.handles.own()

    def __enter__(self) -> sqlite3.Connection:
        store, handle = self._store, self._handle
        if not handle.lock.acquire(timeout=store.patience):
            locked = store._error(ADVICE[sqlite3.SQLITE_LOCKED])
            locked.passing = True
            raise locked
        try:
            if handle.connection is None:
                store._open(handle)
            else:
                store._check_files(handle)
            assert handle.connection is not None
            return handle.connection
        except BaseException as error:
            self.__exit__(None, error, None)
            raise

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        try:
            if error is not None:
                self._explain(error)
        finally:
            self._handle.lock.release()

    def _explain(self, error: BaseException) -> None:
        store = self._store
        if isinstance(error, sqlite3.Error):
            if code_of(error) not in HARMLESS:
                self._handle.close()
            raise store._explained(error) from error
        if isinstance(error, OSError):
            raise store._error(
                f'or {store.path.name}-alive beside it cannot be used ({error.strerror}): give '
                'this user alone the right to write both') from error
        if isinstance(error, LedgerError) and error.path is None:
            raise store._error(str(error)) from None
