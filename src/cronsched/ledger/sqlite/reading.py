"""What a SQLite ledger tells: each method is one transaction that reads."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from cronsched.base import clock
from cronsched.base.pieces import pieces
from cronsched.ledger.known import Application, KnownJob, Owner, PastJob, Pause
from cronsched.ledger.pages import Found, Planned, Standing, Tally
from cronsched.ledger.pages import Wanted as WantedJobs
from cronsched.ledger.seats import Member
from cronsched.ledger.sqlite import (
    executions,
    history,
    members,
    owners,
    records,
    standing,
    totals,
)
from cronsched.ledger.sqlite.ends import TRUSTED_AHEAD
from cronsched.ledger.sqlite.history import Wanted
from cronsched.ledger.sqlite.past import past
from cronsched.ledger.sqlite.store import Store
from cronsched.ledger.values import Executing, Row, Run, Total

__all__ = ['Reading']

# Rows, and application ids, that are read at once: no writer waits for a
# reader, but the -wal cannot be written back past one.
PIECE = 2000
IDS = 400


class Reading:
    """See the module, and `cronsched.ledger.protocol`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def executing(self, application_id: str | None = None) -> list[Executing]:
        with self._store.read() as connection:
            return executions.all_executing(connection, application_id)

    def applications(self) -> Collection[Application]:
        with self._store.read() as connection:
            return records.applications(connection)

    def jobs(self, application_id: str | None = None) -> Collection[KnownJob]:
        with self._store.read() as connection:
            return records.jobs(connection, application_id)

    def last_runs(self, application_id: str) -> Mapping[str, int]:
        return {
            job.job: int(job.since) if job.newest is None else job.newest
            for job in self.jobs(application_id)
        }

    def past(
        self, at: Mapping[str, float], reach: float,
    ) -> dict[str, list[PastJob]]:
        found: dict[str, list[PastJob]] = {}
        latest = clock.now() + TRUSTED_AHEAD
        for ids in pieces(at, IDS):
            with self._store.read() as connection:
                found |= past(connection, {each: at[each] for each in ids}, reach, latest)
        return found

    def owners(self, application_ids: Collection[str] | None = None) -> Mapping[str, Owner]:
        with self._store.read() as connection:
            return owners.owners(connection, self._store.presence, application_ids)

    def seats(self, place: str, source: Any = None) -> None:
        """A file is one machine's."""

    def members(self) -> list[Member]:
        with self._store.read() as connection:
            return members.listed(connection, self._store.presence)

    def history(
        self,
        *,
        application_id: str | None = None,
        job: str | None = None,
        since: float | None = None,
        until: float | None = None,
        limit: int = 100,
        oldest_first: bool = False,
        states: Collection[str] = (),
        requested: bool | None = None,
        skip: int = 0,
    ) -> list[Row]:
        with self._store.read() as connection:
            return history.history(connection, Wanted(
                application_id, job, since, until, oldest_first, limit, skip, tuple(states),
                requested))

    def histories(
        self,
        jobs: Collection[tuple[str, str]],
        *,
        since: float | None = None,
        until: float | None = None,
        limit: int = 100,
    ) -> Mapping[tuple[str, str], list[Row]]:
        with self._store.read() as connection:
            return history.histories(connection, jobs, Wanted(
                since=since, until=until, limit=limit))

    def tally(
        self, application_id: str, job: str, *, since: int, until: int, step: int,
    ) -> list[Tally]:
        with self._store.read() as connection:
            return standing.tally(connection, application_id, job, since, until, step)

    def find_jobs(self, wanted: WantedJobs) -> tuple[list[Found], int]:
        with self._store.read() as connection:
            return standing.find_jobs(connection, wanted)

    def standings(self) -> list[Standing]:
        with self._store.read() as connection:
            return standing.standings(connection)

    def states(self) -> Mapping[str, int]:
        with self._store.read() as connection:
            return standing.states(connection)

    def planned(self) -> list[Planned]:
        with self._store.read() as connection:
            return standing.planned(connection)

    def timezones(self) -> list[str]:
        with self._store.read() as connection:
            return standing.timezones(connection)

    def walk(
        self,
        *,
        application_id: str | None = None,
        job: str | None = None,
        since: float | None = None,
        until: float | None = None,
    ) -> Iterator[Row]:
        skipped = 0
        while True:
            with self._store.read() as connection:
                rows = history.history(connection, Wanted(
                    application_id, job, since, until, limit=PIECE, skipped=skipped))
            yield from rows
            if len(rows) < PIECE:
                return
            # The next piece goes on in the second in which this one ended.
            last = rows[-1].run.scheduled
            of_last = sum(row.run.scheduled == last for row in rows)
            skipped = of_last + (skipped if until == last and of_last == len(rows) else 0)
            until = last

    def latest(self, application_id: str | None = None) -> Mapping[tuple[str, str], Row]:
        with self._store.read() as connection:
            return history.latest(connection, application_id)

    def find(self, run: Run) -> Row | None:
        with self._store.read() as connection:
            return history.find(connection, run)

    def totals(self) -> list[Total]:
        with self._store.read() as connection:
            return totals.totals(connection)

    def paused(self) -> Mapping[tuple[str | None, str], str]:
        return {(each.application_id, each.job): each.note for each in self.pauses()}

    def pauses(self) -> list[Pause]:
        with self._store.read() as connection:
            return records.pauses(connection)
