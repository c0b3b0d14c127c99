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
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

from cronsched.base import clock
from cronsched.base.pieces import pieces
from cronsched.ledger.sqlite import claims, ends, executions, records
from cronsched.ledger.sqlite.looking import LookingStore
from cronsched.ledger.sqlite.missed import MISSED_AT_ONCE, miss
from cronsched.ledger.sqlite.store import Store
from cronsched.ledger.sqlite.wish import Wish
from cronsched.ledger.sqlite.writing import Writing
from cronsched.ledger.values import Claim, Due, Executing, LedgerError, Missed, Run, check_outcome

__all__ = ['SQLiteLedger']

log = logging.getLogger('cronsched.ledger')

SYNCHRONOUS = ('NORMAL', 'FULL')
# A finish is tried again after these seconds, then kept in memory.
FINISH_PAUSES = (0.05, 0.2, 0.5)

# A claim, its outcome, how long it took in seconds, and the detail.
Ended = tuple[Claim, str, float, str | None]


class SQLiteLedger(Writing):
    """A `Ledger`; `patience` is how long to wait for other processes, in
    seconds. `looking` changes nothing. Making one opens no file."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        synchronous: str = 'NORMAL',
        patience: float = 5.0,
        looking: bool = False,
    ) -> None:
        if synchronous.upper() not in SYNCHRONOUS:
            choices = ' or '.join(SYNCHRONOUS)
            raise LedgerError(f'synchronous={synchronous!r}: write {choices}')
        self.path = Path(os.path.abspath(path))
        kind = LookingStore if looking else Store
        super().__init__(kind(self.path, synchronous=synchronous.upper(), patience=patience))
        self._kept: list[Ended] = []   # ends that could not be written yet
        self._executing: set[tuple[Run, int]] = set()   # granted, with the attempt, not ended
        self._kept_pid = os.getpid()

    @classmethod
    def from_url(cls, url: str, *, looking: bool = False) -> SQLiteLedger:
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
        return cls(path, synchronous=synchronous, looking=looking)

    def claim(
        self,
        run: Run,
        *,
        attempt: int = 1,
        timestamp: int | None = None,
        epoch: int = 0,
        retries: int = 0,
        backoff: float = 1.0,
        overlap: Literal['skip', 'queue', 'allow'] = 'skip',
        timeout: float = 3600.0,
    ) -> Claim:
        self._write_kept()
        handle = self._store.handles.own()
        member = handle.member or self._store.member()
        stamp = None if timestamp is None else (epoch, timestamp)
        with self._store.write() as connection:
            claim = claims.claim(connection, handle.presence, Wish(
                run, attempt, stamp, retries, backoff, overlap, timeout, clock.now(), member))
        if claim.granted:
            self._executing.add((run, claim.attempt))
        return claim

    def is_current(self, claim: Claim) -> bool:
        with self._store.read() as connection:
            return executions.is_current(connection, claim)

    def finish(
        self, claim: Claim, outcome: str, *, took: float, detail: str | None = None,
    ) -> None:
        check_outcome(outcome)
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
        retry_at: float | None = None,
        attempts_left: int = 0,
    ) -> Executing | None:
        check_outcome(outcome)
        self._write_kept()
        with self._store.write() as connection:
            return ends.record(connection, self._store.presence, ends.End(
                run, outcome, at, attempt, until, count, status, detail, retry_at, attempts_left,
            ), clock.now())

    def miss(self, missed: Iterable[Missed], at: float) -> None:
        for piece in pieces(missed, MISSED_AT_ONCE):
            with self._store.write() as connection:
                for each in miss(connection, piece, at):
                    ends.record(connection, self._store.presence, ends.End(
                        each.run, 'missed', at, 1, each.until, each.count, None, each.detail,
                    ), clock.now())

    def recover(self, now: float | None = None) -> Collection[Run]:
        self._write_kept()
        with self._store.read() as connection:
            if not executions.executes_any(connection):
                return []
        with self._store.write() as connection:
            return ends.settle(connection, self._store.presence, _at(now))

    def attempts_due(
        self, application_ids: Collection[str], now: float | None = None,
    ) -> list[Due]:
        with self._store.read() as connection:
            if not executions.is_any_due(connection):
                return []
            return executions.attempts_due(connection, application_ids, _at(now))

    def fleet(self) -> None:
        return None

    def take_requests(
        self, application_ids: Collection[str], now: float | None = None,
    ) -> list[Run]:
        self._write_kept()
        with self._store.read() as connection:
            if not records.wants_any(connection):
                return []
        with self._store.write() as connection:
            return records.take_requests(connection, application_ids, _at(now))

    def close(self) -> None:
        try:
            self._write_kept()
        except LedgerError as error:
            log.error('%d end(s) of runs are forgotten: %s', len(self._own_kept()), error)
        self._store.close(executing=bool(self._executing))

    def _own_kept(self) -> list[Ended]:
        # What a parent keeps, the parent writes.
        if self._kept_pid != os.getpid():
            self._kept, self._executing, self._kept_pid = [], set(), os.getpid()
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
            self._executing.discard((end[0].run, end[0].attempt))
            with suppress(ValueError):
                kept.remove(end)


def _at(now: float | None) -> float:
    return clock.now() if now is None else now
