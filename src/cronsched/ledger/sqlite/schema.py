"""The tables of the SQLite ledger, and their version.

`jobs` is what is known of a job for ever: pruning the runs must not make a
yearly job look new. `runs` is the history; its primary key is what makes a
run happen once. `executions` holds the runs that a process executes at this
moment, apart from how they ended: a run whose sender gave up has ended as
'timed_out' and may still execute. `pauses` without an application id count
for all of them. `requests` are runs that somebody wants now.

Times are UTC seconds.
"""

from __future__ import annotations

import sqlite3

from cronsched.ledger.protocol import LedgerError

# Ours among all SQLite files: "CRON" (PRAGMA application_id).
APPLICATION_ID = 0x43524F4E

# One script for each version; a change adds one and edits none.
VERSIONS = (
    """
    CREATE TABLE applications (
        application_id TEXT PRIMARY KEY, base_url TEXT NOT NULL, seen REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE jobs (
        id INTEGER PRIMARY KEY, application_id TEXT NOT NULL, job TEXT NOT NULL,
        since REAL NOT NULL, newest INTEGER, last_started INTEGER, last_ok INTEGER,
        expression TEXT, timezone TEXT, seed TEXT,
        UNIQUE (application_id, job)
    );
    CREATE TABLE runs (
        job_id INTEGER NOT NULL, scheduled INTEGER NOT NULL, state TEXT NOT NULL,
        attempt INTEGER NOT NULL, stamp INTEGER, started REAL, ended REAL,
        until INTEGER, count INTEGER NOT NULL DEFAULT 1, status INTEGER, detail TEXT,
        host TEXT, pid INTEGER, requested INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (job_id, scheduled)
    ) WITHOUT ROWID;
    CREATE INDEX runs_missed ON runs (job_id, until) WHERE until IS NOT NULL;
    CREATE TABLE executions (
        job_id INTEGER NOT NULL, scheduled INTEGER NOT NULL, attempt INTEGER NOT NULL,
        host TEXT NOT NULL, place TEXT NOT NULL, pid INTEGER NOT NULL,
        process_started INTEGER NOT NULL, deadline REAL NOT NULL,
        PRIMARY KEY (job_id, scheduled)
    ) WITHOUT ROWID;
    CREATE TABLE pauses (
        application_id TEXT, job TEXT NOT NULL, note TEXT NOT NULL, at REAL NOT NULL
    );
    CREATE UNIQUE INDEX pauses_key ON pauses (job, ifnull(application_id, char(0)));
    CREATE TABLE requests (
        application_id TEXT NOT NULL, job TEXT NOT NULL, scheduled INTEGER NOT NULL,
        taken INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (application_id, job, scheduled)
    ) WITHOUT ROWID;
    """,
)


def is_current(connection: sqlite3.Connection) -> bool:
    """Whether the tables are those of this version. Raises `LedgerError` for
    a file that is newer, or that is not a ledger."""
    version: int = connection.execute('PRAGMA user_version').fetchone()[0]
    if version > len(VERSIONS):
        raise LedgerError(
            f'was written by a newer cronsched (schema {version}, this one knows '
            f'{len(VERSIONS)}): upgrade cronsched here'
        )
    if version == 0:
        _check_empty(connection)
    elif connection.execute('PRAGMA application_id').fetchone()[0] != APPLICATION_ID:
        raise LedgerError('is the database of another program: name another file')
    return version == len(VERSIONS)


def upgrade(connection: sqlite3.Connection) -> None:
    """Bring the tables to this version, inside a transaction that writes."""
    if is_current(connection):
        return   # another process was faster
    version: int = connection.execute('PRAGMA user_version').fetchone()[0]
    for script in VERSIONS[version:]:
        for statement in script.split(';'):
            connection.execute(statement)
    connection.execute(f'PRAGMA application_id = {APPLICATION_ID}')
    connection.execute(f'PRAGMA user_version = {len(VERSIONS)}')


def _check_empty(connection: sqlite3.Connection) -> None:
    if connection.execute('SELECT 1 FROM sqlite_master LIMIT 1').fetchone():
        raise LedgerError('is the database of another program: name another file')
