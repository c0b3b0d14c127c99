"""What the code says of jobs, once for all of which it is the same, as SQL
inside one transaction.

Example::

    number = Numbers(connection)[said_of(declared)]   # made if it is new
    Said(connection)[number]     # (Plan('*/5 * * * *', 'UTC'), options, place, words)

Ten thousand application ids mostly declare the same jobs. Only their offsets
differ, which stand in `jobs`. Both classes are for one transaction.
"""

from __future__ import annotations

import sqlite3

from cronsched.ledger.known import Declared, Plan

__all__ = ['Numbers', 'Said', 'Texts', 'forget_unused', 'is_any_unused', 'said_of']

#: Plan, options, place and words.
Texts = tuple[Plan | None, str | None, str | None, str | None]

FIND = (
    'SELECT id FROM declarations WHERE (expression, place, timezone, seed, options, words) '
    'IS (?, ?, ?, ?, ?, ?)')
MAKE = (
    'INSERT INTO declarations (expression, place, timezone, seed, options, words) '
    'VALUES (?, ?, ?, ?, ?, ?)')
UNUSED = 'WHERE id NOT IN (SELECT declaration FROM jobs WHERE declaration IS NOT NULL)'
SAID = 'SELECT expression, timezone, seed, options, place, words FROM declarations WHERE id = ?'


def said_of(declared: Declared) -> Texts:
    return declared.plan, declared.options, declared.place, declared.words


class Numbers(dict[Texts, int]):
    """Of what is said, the number; that of a job without a plan is NULL."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__()
        self._connection = connection

    def __missing__(self, said: Texts) -> int:
        plan, options, place, words = said
        assert plan is not None
        values = plan.expression, place, plan.timezone, plan.seed, options, words
        row = self._connection.execute(FIND, values).fetchone()
        if row is None:
            self._connection.execute(MAKE, values)
            row = self._connection.execute(FIND, values).fetchone()
        number: int = row[0]
        self[said] = number
        return number


class Said(dict[int | None, Texts]):
    """What is said, by its number: one value for all jobs that share it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__({None: (None, None, None, None)})
        self._connection = connection

    def __missing__(self, number: int | None) -> Texts:
        row = self._connection.execute(SAID, (number,)).fetchone()
        said = self[number] = Plan(*row[:3]), *row[3:]
        return said


def is_any_unused(connection: sqlite3.Connection) -> bool:
    """Whether there is one that no job says any more: the place changes with
    each version. Asked before, as all jobs are looked at."""
    return connection.execute(
        f'SELECT 1 FROM declarations {UNUSED} LIMIT 1').fetchone() is not None


def forget_unused(connection: sqlite3.Connection) -> None:
    connection.execute(f'DELETE FROM declarations {UNUSED}')
