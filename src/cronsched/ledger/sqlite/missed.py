"""Runs that nobody executed, many at once, as SQL inside one transaction that
writes.

Example::

    rest = miss(connection, [Missed(run, until, 3), ...], at)
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from typing import Final

from cronsched.ledger.sqlite.jobs import ids_of
from cronsched.ledger.sqlite.rows import MOST_VALUES, insert
from cronsched.ledger.sqlite.totals import count_missed
from cronsched.ledger.values import Missed

__all__ = ['MISSED_AT_ONCE', 'miss']

# A detail is given as '' where there is none: for None, Python looks for an
# adapter, each time.
MISSED: Final = (
    'INSERT INTO runs (job_id, scheduled, state, attempt, ended, until, count, detail)',
    "(?, ?, 'missed', 1, ?, ?, ?, nullif(?, ''))")

#: In one transaction, so that no claim waits for long, and as there are no
#: more application ids among them than one question can name.
MISSED_AT_ONCE: Final = MOST_VALUES - 1

# With the id of its job.
_Known = tuple[int, Missed]


def miss(connection: sqlite3.Connection, every: list[Missed], at: float) -> list[Missed]:
    """Many that have no record, of jobs that are known; returns those that
    have one, or are not known."""
    ids = ids_of(connection, {each.run.application_id for each in every})
    made = _insert(connection, [
        (job_id, each) for each in every
        if (job_id := ids.get((each.run.application_id, each.run.job)))], at)
    _note_newest(connection, made)
    count_missed(connection, ((job_id, each.count) for job_id, each in made))
    if len(made) == len(every):
        return []
    recorded = {each.run for _, each in made}
    return [each for each in every if each.run not in recorded]


def _insert(connection: sqlite3.Connection, every: list[_Known], at: float) -> list[_Known]:
    """Those that had no record: all of them mostly. If not, each says for
    itself whether it had one."""
    connection.execute('SAVEPOINT missed')
    made = every
    if _insert_rows(connection, every, at) < len(every):
        connection.execute('ROLLBACK TO missed')
        made = [each for each in every if _insert_rows(connection, [each], at)]
    connection.execute('RELEASE missed')
    return made


def _insert_rows(connection: sqlite3.Connection, every: list[_Known], at: float) -> int:
    return insert(connection, *MISSED, (
        (job_id, each.run.scheduled, at, each.until, each.count, each.detail or '')
        for job_id, each in every), 'ON CONFLICT DO NOTHING')


def _note_newest(connection: sqlite3.Connection, made: list[_Known]) -> None:
    """One statement for all that end alike."""
    jobs: dict[int, list[int]] = defaultdict(list)
    for job_id, each in made:
        jobs[each.until].append(job_id)
    for until, ids in jobs.items():
        connection.execute(
            'UPDATE jobs SET newest = max(ifnull(newest, 0), ?) '
            f'WHERE id IN ({", ".join("?" * len(ids))})', (until, *ids))
