"""The ledger of one machine: a SQLite file that all workers share.

Example::

    ledger = SQLiteLedger('/var/lib/app/cronsched/ledger.sqlite3')
    ledger = SQLiteLedger.from_url('sqlite:///var/lib/app/ledger.sqlite3?synchronous=FULL')

The file must be on a local disk: its locks mean nothing on a network share.
What `synchronous` trades is said in `cronsched.ledger.sqlite.store`.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

from cronsched.base import clock
from cronsched.ledger.protocol import OUTCOMES, Application, Claim, KnownJob, LedgerError, Row, Run
from cronsched.ledger.sqlite import claims, ends, records
from cronsched.ledger.sqlite.store import Store

__all__ = ['SQLiteLedger']

log = logging.getLogger('cronsched.ledger')

SYNCHRONOUS = ('NORMAL', 'FULL')
PRUNED_AT_ONCE = 200
# A finish is tried again after these seconds, then kept in memory.
FINISH_PAUSES = (0.05, 0.2, 0.5)

# A claim, its outcome, how long it took in seconds, and the detail.
Ended = tuple[Claim, str, float, str | None]


class SQLiteLedger:
    """A `Ledger`; `patience` is how long to wait for other processes, in
    seconds. Making one opens no file."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        synchronous: str = 'NORMAL',
        patience: float = 5.0,
    ) -> None:
        if synchronous.upper() not in SYNCHRONOUS:
            choices = ' or '.join(SYNCHRONOUS)
            raise LedgerError(f'synchronous={synchronous!r}: write {choices}')
        self.path = Path(os.path.abspath(path))
        self._store = Store(self.path, synchronous=synchronous.upper(), patience=patience)
        self._kept: list[Ended] = []   # ends that could not be written yet
        self._kept_pid = os.getpid()

    @classmethod
    def from_url(cls, url: str) -> SQLiteLedger:
        """`sqlite:///absolute/path`, optionally `?synchronous=FULL`. Raises
        `LedgerError`."""
        parts = urlsplit(url)
        path = '/' + unquote(parts.path).lstrip('/')
        if parts.scheme != 'sqlite' or parts.netloc or path == '/':
            raise LedgerError(f'{url!r} names no ledger: write sqlite:///absolute/path')
        options = parse_qs(parts.query, keep_blank_values=True)
        synchronous = options.pop('synchronous', ['NORMAL'])[-1]
        if options:
            raise LedgerError(f'{url!r}: unknown {", ".join(options)}; there is synchronous=FULL')
        return cls(path, synchronous=synchronous)

    def claim(
        self,
        run: Run,
        *,
        attempt: int = 1,
        timestamp: int | None = None,
        retries: int = 0,
        overlap: Literal['skip', 'queue', 'allow'] = 'skip',
        timeout: float = 3600.0,
    ) -> Claim:
        self._write_kept()
        with self._store.write() as connection:
            return claims.claim(connection, claims.Wish(
                run, attempt, timestamp, retries, overlap, timeout, clock.now()))

    def finish(
        self, claim: Claim, outcome: str, *, took: float, detail: str | None = None,
    ) -> None:
        _check(outcome)
        if not claim.granted:
            raise LedgerError(f'{claim.run} was not granted, so it cannot be finished')
        self._own_kept().append((claim, outcome, took, detail))
        for pause in FINISH_PAUSES:
            try:
                return self._write_kept()
            except LedgerError as error:
                problem = error
            time.sleep(pause)
        log.error('The end of %s is kept in memory: %s', claim.run, problem)

    def record(
        self,
        run: Run,
        outcome: str,
        *,
        at: float,
        attempt: int = 1,
        until: int | None = None,
        count: int = 1,
        status: int | None = None,
        detail: str | None = None,
    ) -> None:
        _check(outcome)
        self._write_kept()
        with self._store.write() as connection:
            ends.record(connection, ends.End(
                run, outcome, at, attempt, until, count, status, detail))

    def recover(self, now: float) -> Collection[Run]:
        self._write_kept()
        with self._store.read() as connection:
            if not records.executes_any(connection):
                return []
        with self._store.write() as connection:
            return ends.settle(connection, now)

    def last_runs(self, application_id: str) -> Mapping[str, int]:
        return {
            job.job: int(job.since) if job.newest is None else job.newest
            for job in self.jobs(application_id)
        }

    def seen(
        self, application_id: str, base_url: str, jobs: Iterable[str], at: float,
    ) -> None:
        plans = records.plans_of(jobs)
        with self._store.write() as connection:
            records.see(connection, application_id, base_url, plans, at)

    def applications(self) -> Collection[Application]:
        with self._store.read() as connection:
            return records.applications(connection)

    def jobs(self, application_id: str | None = None) -> Collection[KnownJob]:
        with self._store.read() as connection:
            return records.jobs(connection, application_id)

    def history(
        self,
        *,
        application_id: str | None = None,
        job: str | None = None,
        since: float | None = None,
        until: float | None = None,
        limit: int = 100,
        oldest_first: bool = False,
    ) -> list[Row]:
        order = 'ASC' if oldest_first else 'DESC'
        with self._store.read() as connection:
            return records.history(connection, (application_id, job, since, until), order, limit)

    def find(self, run: Run) -> Row | None:
        with self._store.read() as connection:
            return records.find(connection, run)

    def pause(
        self, application_id: str | None, job: str, *, note: str = '', at: float = 0.0,
    ) -> None:
        with self._store.write() as connection:
            records.pause(connection, application_id, job, note, at)

    def resume(self, application_id: str | None, job: str) -> None:
        with self._store.write() as connection:
            records.resume(connection, application_id, job)

    def paused(self) -> Mapping[tuple[str | None, str], str]:
        with self._store.read() as connection:
            return records.paused(connection)

    def request_run(self, application_id: str, job: str, at: float) -> Run:
        with self._store.write() as connection:
            return records.request_run(connection, application_id, job, int(at))

    def take_requests(self, application_ids: Collection[str], now: float) -> list[Run]:
        self._write_kept()
        with self._store.read() as connection:
            if not records.wants_any(connection):
                return []
        with self._store.write() as connection:
            return records.take_requests(connection, application_ids, now)

    def prune(self, before: float) -> int:
        # In small bites, so that no claim waits for long.
        pruned = 0
        for job_id in self._job_ids():
            while True:
                with self._store.write() as connection:
                    bite = records.prune(connection, job_id, before, PRUNED_AT_ONCE)
                pruned += bite
                if bite < PRUNED_AT_ONCE:
                    break
                time.sleep(0.001)
        return pruned

    def close(self) -> None:
        try:
            self._write_kept()
        except LedgerError as error:
            log.error('%d end(s) of runs are forgotten: %s', len(self._own_kept()), error)
        self._store.close()

    def _job_ids(self) -> list[int]:
        with self._store.read() as connection:
            return records.job_ids(connection)

    def _own_kept(self) -> list[Ended]:
        # What a parent keeps, the parent writes.
        if self._kept_pid != os.getpid():
            self._kept, self._kept_pid = [], os.getpid()
        return self._kept

    def _write_kept(self) -> None:
        """Write the ends that are kept, if any. Raises `LedgerError`."""
        kept = self._own_kept()
        if not kept:
            return
        with self._store.write() as connection:
            written = list(kept)
            for claim, outcome, took, detail in written:
                ends.finish(connection, claim, outcome, took, detail)
        # Another thread may have written them too: the first end wins.
        for end in written:
            with suppress(ValueError):
                kept.remove(end)


def _check(outcome: str) -> None:
    if outcome not in OUTCOMES:
        raise LedgerError(f'{outcome!r} is not an outcome: there are {", ".join(OUTCOMES)}')
