"""A ledger that is only looked at: nothing is made, locked for others or changed.

Example::

    store = LookingStore(Path('/var/lib/app/cronsched/ledger.sqlite3'))
    with store.read() as connection: ...

SQLite makes a `-wal` and a `-shm` beside a database even to read it, and for
root they may be files that the application cannot use. Which options prevent
that depends on what is there:

=========================  ==============================================
a `-wal` and a `-shm`      the application runs, or was killed: both are
                           read, and the locks of a reader are taken
no `-wal`, or an empty one nobody has it open: the file is all there is
a `-wal` without `-shm`    a copy, or half of one: an error
=========================  ==============================================
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from cronsched.ledger.sqlite import schema
from cronsched.ledger.sqlite.files import connect, looked_at
from cronsched.ledger.sqlite.handles import Handle
from cronsched.ledger.sqlite.store import Store
from cronsched.ledger.values import LedgerError

__all__ = ['LookingStore']

WITH_APPLICATION = 'mode=ro&readonly_shm=1'
ALONE = 'mode=ro&immutable=1'
TRIES = 5


class LookingStore(Store):
    """See the module."""

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        raise self._error('is only looked at here: it cannot be written')
        yield

    def _open(self, handle: Handle) -> None:
        # The application may start or end between a look and the opening.
        for turn in range(TRIES):
            try:
                return self._open_as_it_is(handle)
            except sqlite3.OperationalError:
                handle.close()
                if turn == TRIES - 1:
                    raise

    def _open_as_it_is(self, handle: Handle) -> None:
        self._identity = looked_at(self.path)
        options = self._options()
        handle.connection = connection = connect(self.path, self._identity, options)
        try:
            connection.execute('PRAGMA cell_size_check = ON')
            connection.execute('PRAGMA trusted_schema = OFF')
            if not schema.is_current(connection):
                raise LedgerError(
                    'is empty, or was written by an older cronsched: start the application '
                    'once with this one'
                )
        except BaseException:
            handle.close()
            raise
        handle.companions = self._companions()

    def _options(self) -> str:
        if not _size(self._names[1]):
            return ALONE
        if not os.path.lexists(self._names[2]):
            raise LedgerError(
                'has a -wal but no -shm, so it was copied or half of it was removed: run this '
                'as the user of the application, with the application stopped'
            )
        return WITH_APPLICATION

    def _check_files(self, handle: Handle) -> None:
        if self._companions() != handle.companions:
            handle.close()
            self._open(handle)

    def _companions(self) -> tuple[tuple[int, int] | None, ...]:
        return tuple(map(_identity, self._names))


def _size(name: str) -> int:
    try:
        return os.lstat(name).st_size
    except OSError:
        return 0


def _identity(name: str) -> tuple[int, int] | None:
    try:
        status = os.lstat(name)
    except OSError:
        return None
    return status.st_dev, status.st_ino
