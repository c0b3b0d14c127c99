"""The tables of the SQLite ledger, and their version.

`jobs` is what is known of a job for ever: pruning the runs must not make a
yearly job look new. `runs` is the history; its primary key is what makes a
run happen once. `executions` holds the runs that a process executes at this
moment, apart from how they ended: a run whose sender gave up has ended as
'timed_out' and may still execute. `pauses` without an application id count
for all of them. `requests` are runs that somebody wants now.

Times are UTC seconds.

Schema 2: `members` are processes that claimed or own, with the byte that each
holds (`presence`); an id is never given twice. `executions` says
what its end needs to know of further attempts. A run has a `next_attempt`
when another attempt is owed, be it to one that failed or to one that waits
for another run of its job to end. `owners` says who fires what, `totals`
counts what pruning forgets: `bucket` and `late_bucket` are numbers of a
histogram's buckets, -1 for runs that never began.

Schema 3: of each job the claims that are granted are numbered (`fence`); what
is rare is found by an index of its own, which a run that ends well never enters.

Schema 4: what the code says of a job is the same for thousands of application
ids, and stands once in `declarations`: the rows of `jobs`, which each run
changes, are small. `known_jobs` is both.
"""

from __future__ import annotations

import sqlite3

from cronsched.ledger.values import LedgerError

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
    """
    CREATE TABLE members (
        id INTEGER PRIMARY KEY AUTOINCREMENT, machine TEXT NOT NULL, boot TEXT NOT NULL,
        namespace TEXT NOT NULL, pid INTEGER NOT NULL, started INTEGER NOT NULL,
        host TEXT NOT NULL, presence TEXT NOT NULL, position INTEGER NOT NULL,
        since REAL NOT NULL
    );
    INSERT INTO members (machine, boot, namespace, pid, started, host, presence, position,
        since) SELECT DISTINCT '', substr(place, 1, max(instr(place, '/') - 1, 0)),
        substr(place, instr(place, '/') + 1), pid, process_started, host, '', -1, 0
        FROM executions;
    CREATE TABLE executions_2 (
        job_id INTEGER NOT NULL, scheduled INTEGER NOT NULL, attempt INTEGER NOT NULL,
        member INTEGER NOT NULL, thread TEXT NOT NULL, deadline REAL NOT NULL,
        retries INTEGER NOT NULL, backoff REAL NOT NULL,
        PRIMARY KEY (job_id, scheduled)
    ) WITHOUT ROWID;
    INSERT INTO executions_2
        SELECT job_id, scheduled, attempt, m.id, '', deadline, 0, 1.0
        FROM executions AS e JOIN members AS m ON m.pid = e.pid AND m.host = e.host
        AND m.started = e.process_started;
    DROP TABLE executions;
    ALTER TABLE executions_2 RENAME TO executions;
    ALTER TABLE runs ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE runs ADD COLUMN gave_up REAL;
    ALTER TABLE runs ADD COLUMN next_attempt REAL;
    ALTER TABLE runs ADD COLUMN attempts_left INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE runs ADD COLUMN member INTEGER;
    ALTER TABLE runs ADD COLUMN asked_by TEXT;
    CREATE INDEX runs_due ON runs (job_id, next_attempt) WHERE next_attempt IS NOT NULL;
    CREATE INDEX runs_scheduled ON runs (scheduled);
    ALTER TABLE jobs ADD COLUMN planned REAL;
    ALTER TABLE jobs ADD COLUMN declared INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE jobs ADD COLUMN offset REAL NOT NULL DEFAULT 0;
    ALTER TABLE jobs ADD COLUMN options TEXT;
    ALTER TABLE jobs ADD COLUMN place TEXT;
    ALTER TABLE jobs ADD COLUMN words TEXT;
    ALTER TABLE pauses ADD COLUMN asked_by TEXT NOT NULL DEFAULT '';
    ALTER TABLE requests ADD COLUMN asked_by TEXT NOT NULL DEFAULT '';
    CREATE TABLE owners (
        application_id TEXT PRIMARY KEY, member INTEGER NOT NULL, address TEXT NOT NULL,
        code_root TEXT NOT NULL, implicit INTEGER NOT NULL, since REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE totals (
        job_id INTEGER NOT NULL, outcome TEXT NOT NULL, bucket INTEGER NOT NULL,
        late_bucket INTEGER NOT NULL, count INTEGER NOT NULL, seconds REAL NOT NULL,
        late_seconds REAL NOT NULL,
        PRIMARY KEY (job_id, outcome, bucket, late_bucket)
    ) WITHOUT ROWID;
    """,
    """
    ALTER TABLE jobs ADD COLUMN fence INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE runs ADD COLUMN fence INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX runs_odd ON runs (scheduled) WHERE state NOT IN ('ok', 'running');
    CREATE INDEX runs_by_hand ON runs (scheduled) WHERE requested;
    """,
    """
    CREATE TABLE declarations (
        id INTEGER PRIMARY KEY, expression TEXT NOT NULL, timezone TEXT, seed TEXT,
        options TEXT, place TEXT, words TEXT
    );
    CREATE INDEX declarations_plan ON declarations (expression, place, timezone, seed);
    INSERT INTO declarations (expression, timezone, seed, options, place, words)
        SELECT DISTINCT expression, timezone, seed, options, place, words FROM jobs
        WHERE expression IS NOT NULL;
    CREATE TABLE jobs_4 (
        id INTEGER PRIMARY KEY, application_id TEXT NOT NULL, job TEXT NOT NULL,
        since REAL NOT NULL, newest INTEGER, last_started INTEGER, last_ok INTEGER,
        fence INTEGER NOT NULL DEFAULT 0, planned REAL, declared INTEGER NOT NULL DEFAULT 1,
        declaration INTEGER, offset REAL NOT NULL DEFAULT 0,
        UNIQUE (application_id, job)
    );
    INSERT INTO jobs_4 SELECT j.id, application_id, job, since, newest, last_started, last_ok,
        fence, planned, declared, d.id, offset FROM jobs AS j LEFT JOIN declarations AS d
        ON d.expression = j.expression AND d.place IS j.place AND d.timezone IS j.timezone
        AND d.seed IS j.seed AND d.options IS j.options AND d.words IS j.words;
    DROP TABLE jobs;
    ALTER TABLE jobs_4 RENAME TO jobs;
    CREATE VIEW known_jobs AS SELECT jobs.id, application_id, job, since, newest, last_started,
        last_ok, fence, planned, declared, offset, expression, timezone, seed, options, place,
        words FROM jobs LEFT JOIN declarations ON declarations.id = declaration;
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
