"""Many rows in few statements: of one row each, they take SQLite twice the time.

Example::

    made = insert(connection, 'INSERT INTO owners', "(?, 'here')", [('a',), ('b',)],
                  'ON CONFLICT DO NOTHING')
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from itertools import chain
from typing import Any, Final

from cronsched.base.pieces import pieces

__all__ = ['MOST_VALUES', 'insert']

#: In one statement; SQLite before 3.32 takes no more.
MOST_VALUES: Final = 999


def insert(
    connection: sqlite3.Connection, into: str, row: str, rows: Iterable[tuple[Any, ...]],
    on_conflict: str,
) -> int:
    """How many rows were made or changed. `row` is one of VALUES, with a
    question mark for each value of a tuple."""
    made = 0
    for piece in pieces(rows, MOST_VALUES // row.count('?')):
        made += connection.execute(
            f'{into} VALUES {", ".join([row] * len(piece))} {on_conflict}',
            list(chain.from_iterable(piece))).rowcount
    return made
