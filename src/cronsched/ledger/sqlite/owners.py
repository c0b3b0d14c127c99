"""Who owns an application id, as SQL inside one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from cronsched.ledger.known import Owner
from cronsched.ledger.sqlite import members
from cronsched.ledger.sqlite.presence import Presence

OWNER = ('SELECT application_id, address, code_root, o.since, implicit, member, machine, host, '
         'pid FROM owners AS o LEFT JOIN members AS m ON m.id = o.member ')


def own(connection: sqlite3.Connection, owners: Iterable[Owner], member: int) -> None:
    connection.executemany(
        'INSERT INTO owners (application_id, member, address, code_root, implicit, since) '
        'VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (application_id) DO UPDATE SET '
        'member = excluded.member, address = excluded.address, code_root = excluded.code_root, '
        'implicit = excluded.implicit, since = excluded.since',
        [(owner.application_id, member, owner.address, owner.code_root, owner.implicit,
          owner.since) for owner in owners])


def disown(
    connection: sqlite3.Connection, application_ids: Iterable[str], member: int,
) -> None:
    connection.executemany(
        'DELETE FROM owners WHERE application_id = ? AND member = ?',
        [(each, member) for each in application_ids])


def _rows(
    connection: sqlite3.Connection, application_ids: Collection[str] | None,
) -> Iterator[tuple[Any, ...]]:
    if application_ids is None:
        yield from connection.execute(f'{OWNER}ORDER BY application_id')
        return
    for each in application_ids:
        yield from connection.execute(f'{OWNER}WHERE application_id = ?', (each,))


def owners(
    connection: sqlite3.Connection, presence: Presence, application_ids: Collection[str] | None,
) -> dict[str, Owner]:
    lives: dict[int, bool] = {}
    found = {}
    for row in _rows(connection, application_ids):
        member = row[5]
        if member not in lives:
            # Of whom nothing is known, it is not said that it is dead.
            lives[member] = members.lives(connection, presence, member) is not False
        found[row[0]] = Owner(
            row[0], row[1], row[2], row[3], bool(row[4]), member, row[6] or '', row[7] or '',
            row[8] or 0, lives[member])
    return found
