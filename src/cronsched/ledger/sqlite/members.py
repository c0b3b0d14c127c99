"""The processes that claim runs or own application ids, as SQL inside one
transaction that writes.

Example::

    member = members.register(connection, presence, now)    # this process
    members.lives(connection, presence, member)             # True, False, or None: who knows
"""

from __future__ import annotations

import sqlite3
from typing import Final

from cronsched.ledger.process import Process, judge
from cronsched.ledger.seats import Member
from cronsched.ledger.sqlite.presence import Presence

COLUMNS: Final = 'machine, boot, namespace, pid, started, host'


def register(connection: sqlite3.Connection, presence: Presence, now: float) -> int:
    """A number for this process, whose byte it holds from now on."""
    token, process = presence.token(), Process.current()
    member = connection.execute(
        f'INSERT INTO members ({COLUMNS}, presence, position, since) '
        'VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
        (process.machine, process.boot, process.namespace, process.pid, process.started,
         process.host, token, presence.hold(), now)).lastrowid
    assert member is not None
    return member


def process_of(connection: sqlite3.Connection, member: int) -> Process | None:
    row = connection.execute(
        f'SELECT {COLUMNS} FROM members WHERE id = ?', (member,)).fetchone()
    return None if row is None else Process(*row)


def lives(connection: sqlite3.Connection, presence: Presence, member: int) -> bool | None:
    process = process_of(connection, member)
    if process is None:
        return None
    token, position = connection.execute(
        'SELECT presence, position FROM members WHERE id = ?', (member,)).fetchone()
    return judge(process, presence.is_held(token, position))


def listed(connection: sqlite3.Connection, presence: Presence) -> list[Member]:
    """All that are not forgotten yet, with how many application ids each owns."""
    rows = connection.execute(
        'SELECT m.id, machine, host, pid, m.since, '
        '(SELECT count(*) FROM owners AS o WHERE o.member = m.id) FROM members AS m '
        'ORDER BY m.since, m.id').fetchall()
    return [
        Member(number, machine, host, pid, since, lives(connection, presence, number), seats)
        for number, machine, host, pid, since, seats in rows
    ]


def prune(
    connection: sqlite3.Connection, presence: Presence, before: float,
) -> None:
    """Forget processes that ended and that nothing refers to."""
    old = connection.execute(
        'SELECT id FROM members WHERE since < ? AND id NOT IN (SELECT member FROM executions) '
        'AND id NOT IN (SELECT member FROM owners)', (before,)).fetchall()
    for (member,) in old:
        if lives(connection, presence, member) is False:
            connection.execute('DELETE FROM members WHERE id = ?', (member,))
