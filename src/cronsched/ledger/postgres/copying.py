"""From a SQLite ledger to a PostgreSQL one: moving from one machine to several.

Example::

    counts = copy(Path('/var/lib/app/cronsched/ledger.sqlite3'), Source(url))
    counts['runs']      # 12_345 rows that were not there

All or nothing, in one transaction; a second time adds what is new, and changes
nothing that is there. So the ledgers of several machines can be put together.
The role must be the owner of the schema. A run that still says it is running is
recorded as lost, and all processes are gone: the application has been stopped.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from cronsched.base.pieces import pieces
from cronsched.ledger.postgres import schema
from cronsched.ledger.postgres.connections import Source, disconnect, execute
from cronsched.ledger.postgres.records import storable
from cronsched.ledger.sqlite import SQLiteLedger
from cronsched.ledger.sqlite.looking import LookingStore
from cronsched.ledger.values import LedgerError

__all__ = ['copy']

AT_ONCE: Final = 1000   # rows
MOVED: Final = 'it was running when the ledger was copied to another database'

JOBS: Final = (
    'SELECT application_id, job, since, newest, last_started, last_ok, expression, timezone, '
    'seed, planned, declared, offset AS delay, options, place, words, '
    'fence FROM known_jobs')
RUNS: Final = (
    'SELECT application_id, job, scheduled, CASE state WHEN \'running\' THEN \'lost\' ELSE state '
    'END AS state, attempt, stamp, epoch, member, host, pid, started, CASE state '
    'WHEN \'running\' THEN started ELSE ended END AS ended, until, count, status, '
    f"CASE state WHEN 'running' THEN '{MOVED}' ELSE detail END AS detail, requested, asked_by, "
    'gave_up, next_attempt, attempts_left FROM runs JOIN jobs ON jobs.id = job_id')
TOTALS: Final = (
    'SELECT application_id, job, outcome, bucket, late_bucket, count, seconds, late_seconds '
    'FROM totals JOIN jobs ON jobs.id = job_id')
MEMBERS: Final = (
    'SELECT id, machine, boot, namespace, pid, started, host, since FROM members')
# A process is one row, whichever of its ledgers tells of it, and how often.
ADD_MEMBERS: Final = (
    'WITH told AS (SELECT DISTINCT ON (machine, boot, namespace, pid, started) * '
    'FROM json_populate_recordset(NULL::cronsched.members, %s::json)), '
    'added AS (INSERT INTO cronsched.members '
    '(machine, boot, namespace, pid, started, host, since, dead) '
    'SELECT machine, boot, namespace, pid, started, host, since, true FROM told WHERE NOT EXISTS '
    '(SELECT FROM cronsched.members AS m WHERE (m.machine, m.boot, m.namespace, m.pid, m.started) '
    '= (told.machine, told.boot, told.namespace, told.pid, told.started)) '
    'RETURNING 1) SELECT count(*) FROM added')
THEIR_NUMBERS: Final = (
    'SELECT told.id, (SELECT min(m.id) FROM cronsched.members AS m '
    'WHERE (m.machine, m.boot, m.namespace, m.pid, m.started) '
    '= (told.machine, told.boot, told.namespace, told.pid, told.started)) '
    'FROM json_populate_recordset(NULL::cronsched.members, %s::json) AS told')
#: Of the tables whose rows name no job by its number.
PLAIN: Final = {
    'applications': 'SELECT application_id, base_url, seen FROM applications',
    'jobs': JOBS,
    'pauses': 'SELECT application_id, job, note, at, asked_by FROM pauses',
    'requests': 'SELECT application_id, job, scheduled, asked_by, taken FROM requests',
}
OF_JOBS: Final = {'runs': RUNS, 'totals': TOTALS}


#: Rows of another ledger may be newer than what is said of the job already.
SPECIAL: Final = (
    'UPDATE cronsched.jobs AS j SET special_until = greatest(j.special_until, j.last_started, '
    '(SELECT max(greatest(r.until, r.scheduled)) FROM cronsched.runs AS r WHERE r.job_id = j.id), '
    '(SELECT max(q.scheduled) FROM cronsched.requests AS q '
    'WHERE (q.application_id, q.job) = (j.application_id, j.job)))')


def copy(path: Path, target: Source, patience: float = 10.0) -> dict[str, int]:
    """How many rows of each table were added. Raises `LedgerError`, and what
    the driver raises."""
    _check_stopped(path)
    store = LookingStore(path)
    connection = target.connect(patience)
    try:
        schema.check(connection)
        execute(connection, 'BEGIN')
        with store.read() as read:
            read.row_factory = sqlite3.Row
            added, numbers = _copy_members(connection, read.execute(MEMBERS))
            counts = {'members': added} | {
                table: _copy(connection, table, read.execute(sql), numbers)
                for table, sql in (PLAIN | OF_JOBS).items()}
        execute(connection, SPECIAL)
        execute(connection, 'COMMIT')
        return counts
    finally:
        disconnect(connection)
        store.close()


def _check_stopped(path: Path) -> None:
    ledger = SQLiteLedger(path, looking=True)
    try:
        alive = next((owner for owner in ledger.owners().values() if owner.alive), None)
    finally:
        ledger.close()
    if alive is not None:
        raise LedgerError(
            f'the ledger {path} is in use by process {alive.pid} on {alive.host}: stop the '
            'application, and copy then')


def _copy_members(
    connection: Any, rows: Iterable[sqlite3.Row],
) -> tuple[int, dict[int, int]]:
    """How many were added, and the number that each has there."""
    added, numbers = 0, dict[int, int]()
    for piece in pieces(rows, AT_ONCE):
        told = json.dumps([_storable(dict(row)) for row in piece])
        added += execute(connection, ADD_MEMBERS, (told,))[0][0]
        numbers |= dict(execute(connection, THEIR_NUMBERS, (told,)))
    return added, numbers


def _copy(
    connection: Any, table: str, rows: Iterable[sqlite3.Row], numbers: dict[int, int],
) -> int:
    added = 0
    for piece in pieces(rows, AT_ONCE):
        told = [_converted(table, dict(row), numbers) for row in piece]
        columns = [name for name in told[0] if name not in NAMES] if table in OF_JOBS else (
            list(told[0]))
        added += execute(connection, _statement(table, columns), (json.dumps(told),))[0][0]
    return added


NAMES: Final = ('application_id', 'job')


def _statement(table: str, columns: list[str]) -> str:
    """Insert the rows of a JSON array, and count those that were new."""
    listed = ', '.join(columns)
    if table not in OF_JOBS:
        return (
            f'WITH added AS (INSERT INTO cronsched.{table} ({listed}) SELECT {listed} FROM '
            f'json_populate_recordset(NULL::cronsched.{table}, %s::json) '
            'ON CONFLICT DO NOTHING RETURNING 1) SELECT count(*) FROM added')
    typed = ', '.join(f'r.{name}' for name in columns)
    return (
        'WITH told AS (SELECT t.value FROM json_array_elements(%s::json) AS t), added AS ('
        f'INSERT INTO cronsched.{table} (job_id, {listed}) SELECT j.id, {typed} FROM told '
        f'CROSS JOIN LATERAL json_populate_record(NULL::cronsched.{table}, told.value) AS r '
        "JOIN cronsched.jobs AS j ON j.application_id = told.value ->> 'application_id' "
        "AND j.job = told.value ->> 'job' ON CONFLICT DO NOTHING RETURNING 1) "
        'SELECT count(*) FROM added')


def _converted(table: str, row: dict[str, Any], numbers: dict[int, int]) -> dict[str, Any]:
    if table == 'requests':
        row['token'] = int.from_bytes(secrets.token_bytes(8), 'big', signed=True)
        row['taken'] = row['token'] if row['taken'] else None
    elif table == 'runs':
        row['member'] = numbers.get(row['member'])   # None: forgotten
    return _storable(row)


def _storable(row: dict[str, Any]) -> dict[str, Any]:
    return {name: storable(value) if isinstance(value, str) else value
            for name, value in row.items()}
