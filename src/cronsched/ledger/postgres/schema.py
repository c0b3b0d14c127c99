"""The schema `cronsched` of a database: its version, how it is made, who may
use it.

Example::

    migrate(source)                       # by the role that shall own it
    print(grants('app'))                  # what another role needs
    check(connection)                     # LedgerError: run `cronsched ledger migrate URL`

`schema/tables_N.sql` is run once; a change adds one. `schema/functions_*.sql`
are run by each migration. A function or type carries a version (`claim_v1`): a
release adds `claim_v2`, and the next one removes `claim_v1`, so processes of
two releases share the tables during a deployment. The oldest release that can
still use them is in `state`, as is the version.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from typing import Any, Final

from cronsched.ledger.postgres.connections import (
    Source,
    disconnect,
    driver_errors,
    execute,
    sqlstate,
)
from cronsched.ledger.values import LedgerError

__all__ = ['USABLE_FROM', 'VERSION', 'VERSIONS', 'check', 'grants', 'migrate', 'scripts',
           'whole_script']

#: Of the schema that this cronsched makes, and the oldest cronsched, by the
#: version that it makes itself, which can use that.
VERSION: Final = 1
USABLE_FROM: Final = 1

OLDEST_SERVER: Final = 140_000      # server_version_num

# "CRON": no two migrations at once. The lock ends with its transaction.
LOCK: Final = 0x43524F4E

#: What `check` and `migrate` have to know; one row. (`to_regclass` would not
#: see what another migration made while this one waited for the lock.)
VERSIONS: Final = (
    "SELECT current_setting('server_version_num')::int, EXISTS (SELECT FROM pg_catalog.pg_class "
    "AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace "
    "WHERE n.nspname = 'cronsched' AND c.relname = 'state')")
#: As few round trips as may be, as each connection begins with it.
USED: Final = (
    "SELECT current_setting('server_version_num')::int, "
    "(SELECT value::int FROM cronsched.state WHERE key = 'version'), "
    "(SELECT value::int FROM cronsched.state WHERE key = 'usable_from')")
NO_TABLES: Final = ('42P01', '3F000')
MIGRATE: Final = 'run `cronsched ledger migrate URL` once'
STATE: Final = "SELECT key, value FROM cronsched.state WHERE key IN ('version', 'usable_from')"

CREATE: Final = 'CREATE SCHEMA IF NOT EXISTS cronsched'
NOTED: Final = (
    'INSERT INTO cronsched.state (key, value) VALUES (%s, %s) '
    'ON CONFLICT (key) DO UPDATE SET value = excluded.value')


def check(connection: Any) -> None:
    """Raises `LedgerError` if this cronsched cannot use what is there."""
    try:
        server, version, usable_from = execute(connection, USED)[0]
    except driver_errors() as error:
        if sqlstate(error) not in NO_TABLES:
            raise
        _check_server(execute(connection, VERSIONS)[0][0])
        raise LedgerError(f'has no tables of cronsched: {MIGRATE}') from None
    _check_server(server)
    if version < VERSION:
        raise LedgerError(
            f'has schema {version} of cronsched, this one needs {VERSION}: {MIGRATE}')
    if usable_from > VERSION:
        raise LedgerError(
            f'was migrated by a newer cronsched (schema {version}, this one knows {VERSION}): '
            'upgrade cronsched here')


def migrate(source: Source, patience: float = 10.0) -> int:
    """Bring the schema to this version, all or nothing; returns the version
    that it had, 0 for none. Raises `LedgerError`, and what the driver raises."""
    connection = source.connect(patience)
    try:
        _check_server(execute(connection, VERSIONS)[0][0])
        execute(connection, 'BEGIN')
        execute(connection, 'SELECT pg_advisory_xact_lock(%s)', (LOCK,))
        before = _apply(connection)
        execute(connection, 'COMMIT')
        return before
    finally:
        disconnect(connection)


def scripts(before: int = 0) -> Iterator[tuple[str, str]]:
    """Name and text of what brings the schema from `before` to this version."""
    files = {file.name: file for file in resources.files(__package__).joinpath('schema').iterdir()}
    names = [f'tables_{number}.sql' for number in range(before + 1, VERSION + 1)]
    names += sorted(name for name in files if name.startswith('functions_'))
    for name in names:
        yield name, files[name].read_text(encoding='utf-8')


def grants(role: str) -> str:
    """What the role of the application needs: it reads, and writes by the
    functions alone."""
    name = '"' + role.replace('"', '""') + '"'
    return '\n'.join((
        f'GRANT USAGE ON SCHEMA cronsched TO {name};',
        f'GRANT SELECT ON ALL TABLES IN SCHEMA cronsched TO {name};',
        f'GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA cronsched TO {name};',
        # And on those that later migrations by this owner make.
        f'ALTER DEFAULT PRIVILEGES IN SCHEMA cronsched GRANT SELECT ON TABLES TO {name};',
        f'ALTER DEFAULT PRIVILEGES IN SCHEMA cronsched GRANT EXECUTE ON FUNCTIONS TO {name};'))


def whole_script() -> str:
    """What `migrate` would run in an empty database, for whoever wants to see
    it first, or may run it as another role."""
    noted = '\n'.join(
        NOTED.replace('(%s, %s)', f"('{key}', '{value}')") + ';' for key, value in _versions())
    parts = (f'-- {name}\n{text}' for name, text in scripts())
    return '\n'.join(('BEGIN;', CREATE + ';', *parts, noted, 'COMMIT;', ''))


def _versions() -> tuple[tuple[str, str], ...]:
    return ('version', str(VERSION)), ('usable_from', str(USABLE_FROM))


def _apply(connection: Any) -> int:
    exists = execute(connection, VERSIONS)[0][1]
    found = _state(connection) if exists else {}
    before = int(found.get('version', 0))
    if before > VERSION:
        raise LedgerError(
            f'was migrated by a newer cronsched (schema {before}, this one knows {VERSION}): '
            'upgrade cronsched here')
    execute(connection, CREATE)
    for _, text in scripts(before):
        execute(connection, text)
    for version in _versions():
        execute(connection, NOTED, version)
    return before


def _state(connection: Any) -> dict[Any, Any]:
    return dict(execute(connection, STATE))


def _check_server(version: int) -> None:
    if version < OLDEST_SERVER:
        raise LedgerError(
            f'is PostgreSQL {version // 10_000}: cronsched needs {OLDEST_SERVER // 10_000} or '
            'newer')
