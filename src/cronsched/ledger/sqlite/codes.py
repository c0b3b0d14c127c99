"""What SQLite's errors mean for a ledger, and what to do.

Example::

    ADVICE.get(code_of(error), 'cannot be used')
"""

from __future__ import annotations

import sqlite3

__all__ = ['ADVICE', 'BUSY', 'HARMLESS', 'PASSING', 'code_of']

BUSY = frozenset((sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL))
# After these, the connection is as good as before.
HARMLESS = BUSY | {sqlite3.SQLITE_FULL}
# They end without a change of the application: a quota that is full is SQLITE_IOERR.
PASSING = HARMLESS | {sqlite3.SQLITE_IOERR}
ADVICE = {
    sqlite3.SQLITE_BUSY: 'stays locked by another process: find it with `fuser -v`',
    sqlite3.SQLITE_LOCKED: 'stays locked in this process',
    sqlite3.SQLITE_FULL: 'cannot grow, the disk is full: make room',
    sqlite3.SQLITE_IOERR: 'cannot be read or written: look at the disk and its quota',
    sqlite3.SQLITE_READONLY: 'is read-only: give this user the right to write the file and its '
                             'directory',
    sqlite3.SQLITE_CANTOPEN: 'cannot be opened: give this user the right to write the file and '
                             'its directory',
    sqlite3.SQLITE_CORRUPT: 'is damaged: stop the application, then save what can be read with '
                            '`sqlite3 FILE .recover`, or move the file away',
    sqlite3.SQLITE_NOTADB: 'is damaged or no ledger: stop the application and move the file away',
}


def code_of(error: sqlite3.Error) -> int:
    """Without what SQLite adds to it; 0 for an error of Python's side."""
    return getattr(error, 'sqlite_errorcode', 0) & 0xff
