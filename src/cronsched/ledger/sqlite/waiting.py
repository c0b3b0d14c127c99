"""To wait while other processes hold the lock of the file.

Example::

    patiently(lambda: begin_reading(connection), 5.0)

SQLite's own waiting is not fair to those that wait.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable
from typing import TypeVar

from cronsched.ledger.sqlite.codes import BUSY, code_of

__all__ = ['begin_reading', 'patiently']

T = TypeVar('T')

FIRST_PAUSE = 0.0001         # seconds
LONGEST_PAUSE = 0.005


def patiently(action: Callable[[], T], patience: float) -> T:
    """`action()`, again while others hold the lock, for so many seconds. The
    pauses are random, so that nobody is late each time, and are counted
    instead of timed, as a test may have stopped Python's clock."""
    waited, pause = 0.0, FIRST_PAUSE
    while True:
        try:
            return action()
        except sqlite3.OperationalError as error:
            if code_of(error) not in BUSY or waited >= patience:
                raise
        turn = random.uniform(0, pause)  # noqa: S311 (no secret)
        time.sleep(turn)
        waited += turn
        pause = min(pause * 1.5, LONGEST_PAUSE)


def begin_reading(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.execute('ROLLBACK')
    connection.execute('BEGIN')
    # The first look fixes the view, and can be refused.
    connection.execute('SELECT 1 FROM sqlite_master LIMIT 1').fetchone()
