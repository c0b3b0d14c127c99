"""How large the log of writes beside a file, its -wal, may become.

Example::

    limit(connection)           # as SQLite itself does it
    wal = Wal()
    wal.size = os.lstat(f'{path}-wal').st_size
    wal.bound(connection)       # after a commit
"""

from __future__ import annotations

import random
import sqlite3
import time

__all__ = ['PAGE', 'Wal', 'limit']

# A claim changes one small row in each of some tables, and SQLite writes their
# pages into the -wal, with a checksum of every byte.
PAGE = 2048

# Bytes: it is cut to KEPT when it was written back, which is waited for above
# MOST, for so many seconds, and so often.
KEPT = 4 << 20
MOST = 16 << 20
CHECKPOINT_PATIENCE = 0.5
CHECKPOINT_PAUSE = 1.0
CHECKPOINT_TURN = 0.0003


def limit(connection: sqlite3.Connection) -> None:
    """SQLite's own bounds, which hold while writers pause."""
    connection.execute(f'PRAGMA journal_size_limit = {KEPT}')
    connection.execute(f'PRAGMA wal_autocheckpoint = {KEPT // PAGE}')


class Wal:
    """The -wal, as one process looks after it."""

    def __init__(self) -> None:
        #: Bytes, when last looked at.
        self.size = 0
        self._next_checkpoint = 0.0

    def bound(self, connection: sqlite3.Connection) -> None:
        """SQLite's own checkpoints never get to the end while processes write
        without a pause, and the -wal grows. One that waits for them does."""
        if self.size < MOST or time.monotonic() < self._next_checkpoint:
            return
        self._next_checkpoint = time.monotonic() + CHECKPOINT_PAUSE
        end = time.monotonic() + CHECKPOINT_PATIENCE
        while connection.execute('PRAGMA wal_checkpoint(TRUNCATE)').fetchone()[0]:
            if time.monotonic() > end:
                return   # the next one will
            # Between two transactions of others there is little time.
            time.sleep(random.uniform(0, CHECKPOINT_TURN))  # noqa: S311 (no secret)
