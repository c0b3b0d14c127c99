"""What a SQLite ledger is told besides runs; see `cronsched.ledger.protocol`.
Each method is one transaction that writes; `prune` is some short ones."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping

from cronsched.base import clock
from cronsched.ledger.known import Declared, Owner, Pause, Plan, Seen
from cronsched.ledger.sqlite import declarations, executions, history, members, records
from cronsched.ledger.sqlite import owners as ownership
from cronsched.ledger.sqlite.reading import Reading
from cronsched.ledger.values import Due, LedgerError, Run

__all__ = ['Writing']

PRUNED_AT_ONCE = 200


class Writing(Reading):
    """See the module."""

    def drop_attempt(self, due: Due) -> None:
        with self._store.write() as connection:
            executions.drop_attempt(connection, due, clock.now())

    def seen(
        self, application_id: str, base_url: str,
        jobs: Iterable[str] | Mapping[str, Plan | Declared | None], at: float,
    ) -> None:
        told = jobs if isinstance(jobs, Mapping) else dict.fromkeys(jobs)
        self.see([Seen(application_id, base_url, told, at)])

    def see(self, seen: Iterable[Seen]) -> None:
        with self._store.write() as connection:
            records.see(connection, seen)

    def own(self, owners: Iterable[Owner]) -> None:
        member = self._store.member()
        with self._store.write() as connection:
            ownership.own(connection, owners, member)

    def disown(self, application_ids: Iterable[str]) -> None:
        member = self._store.member()
        with self._store.write() as connection:
            ownership.disown(connection, application_ids, member)

    def give_up(self, members: Collection[int]) -> Collection[Run]:
        raise LedgerError(
            f'the ledger {self._store.path} is of one machine, which looks for its processes '
            'itself: nobody has to be given up')

    def pause(
        self, application_id: str | None, job: str, *, note: str = '', at: float = 0.0,
        by: str = '',
    ) -> None:
        with self._store.write() as connection:
            records.pause(connection, Pause(application_id, job, note, at, by))

    def resume(self, application_id: str | None, job: str) -> None:
        with self._store.write() as connection:
            records.resume(connection, application_id, job)

    def request_run(self, application_id: str, job: str, at: float, *, by: str = '') -> Run:
        with self._store.write() as connection:
            return records.request_run(connection, Run(application_id, job, int(at)), by)

    def prune(self, before: float) -> int:
        # In small bites, so that no claim waits for long.
        pruned = 0
        for job_id in self._job_ids():
            while True:
                with self._store.write() as connection:
                    bite = history.prune(connection, job_id, before, PRUNED_AT_ONCE)
                pruned += bite
                if bite < PRUNED_AT_ONCE:
                    break
                time.sleep(0.001)
        with self._store.write() as connection:
            members.prune(connection, self._store.presence, before)
        self._forget_declarations()
        return pruned

    def _forget_declarations(self) -> None:
        with self._store.read() as connection:
            if not declarations.is_any_unused(connection):
                return
        with self._store.write() as connection:
            declarations.forget_unused(connection)

    def _job_ids(self) -> list[int]:
        with self._store.read() as connection:
            return records.job_ids(connection)
