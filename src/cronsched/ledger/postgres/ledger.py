"""The ledger that several machines share: a PostgreSQL database.

Example::

    ledger = PostgresLedger('postgresql://app@db.example/app')
    ledger = PostgresLedger(engine)         # of SQLAlchemy; or a function

`cronsched ledger migrate URL` makes its tables, once. All times are those of
the database's clock. Of a process on another machine nothing can be known but
what it writes: a run that it executes counts as executing until its end, its
deadline, or until its machine is there with another boot.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from typing import Any, Final, Literal

from cronsched.base.pieces import pieces
from cronsched.ledger.postgres.connections import Source
from cronsched.ledger.postgres.lineage import Lineage
from cronsched.ledger.postgres.looking import looked_at
from cronsched.ledger.postgres.records import composite, storable
from cronsched.ledger.postgres.session import NoAnswer, Session
from cronsched.ledger.postgres.writing import random_token
from cronsched.ledger.process import Process
from cronsched.ledger.values import Claim, Executing, LedgerError, Missed, Run, check_outcome

__all__ = ['PostgresLedger']

log = logging.getLogger('cronsched.ledger')

MISSED_AT_ONCE: Final = 500
# Seconds that the end of a run waits for the database, then it is kept.
FINISH_PATIENCE: Final = 1.0
# Turns of looking for processes, before a claim is taken as it is.
LOOKS: Final = 3

CLAIM: Final = (
    'SELECT verdict, attempt, previous, last_success, look, delay, fence '
    'FROM cronsched.claim_v1(%s::cronsched.wish_v1, %s::jsonb)')
VOID: Final = 'SELECT cronsched.void_v1(%s, %s, %s, %s, %s)'
FINISH: Final = 'SELECT cronsched.finish_v1(%s, %s, %s, %s, %s, %s, %s)'
RECORD: Final = (
    'SELECT look, gave_up FROM cronsched.record_v1('
    '%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s)')


class Quiet(LedgerError):
    """A standby that was promoted a moment ago."""

    passing = True


# A claim, its outcome, how long it took in seconds, and the detail.
Ended = tuple[Claim, str, float, str | None]


class PostgresLedger(Lineage):
    """A `Ledger`; `patience` is how long to wait for the database, in seconds.
    `looking` changes nothing. Making one connects to nothing."""

    def __init__(self, source: Any, *, patience: float = 5.0, looking: bool = False) -> None:
        super().__init__(Session(Source(source), patience), looking=looking)
        #: What the database's clock says; None: ask it. A test may have its own.
        self.clock: Callable[[], float | None] = lambda: None
        self._kept: list[Ended] = []            # ends that could not be written yet
        self._void: list[tuple[Run, int]] = []  # claims with their token, whose answer was lost
        self._executing: set[tuple[Run, int]] = set()
        self._kept_pid = os.getpid()

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
        member, thread, here = self._member(), threading.current_thread(), Process.current()
        token = random_token()
        values = (
            run.application_id, run.job, run.scheduled, attempt, timestamp,
            0 if timestamp is None else epoch, retries, backoff, overlap, timeout, token, member,
            f'{thread.name} ({thread.native_id})', here.host, here.pid)
        try:
            claim = self._claim(run, values)
        except BaseException as error:
            if isinstance(error, NoAnswer) or not isinstance(error, LedgerError):
                self._void.append((run, token))
            raise
        if claim.granted:
            self._executing.add((run, claim.attempt))
            self._attention.begin()
            self._lately.granted(run, claim.attempt, (
                timestamp, values[5], token, member, here.host, here.pid, values[12], retries,
                backoff, timeout, claim.fence))
        return claim

    def _claim(self, run: Run, values: tuple[Any, ...]) -> Claim:
        looked: str | None = None
        for _ in range(LOOKS):
            verdict, attempt, previous, last_ok, look, delay, fence = self._session.ask(
                CLAIM, (composite((*values, self._at(None))), looked))[0]
            if verdict != 'look':
                break
            looked = looked_at(look, looked)
        if verdict == 'quiet':
            self._look_at_lineage()
            raise Quiet(
                'the ledger is another server than before, and grants nothing until all '
                'machines have said what they execute')
        if verdict == 'ahead':
            raise LedgerError(
                f'{run} is scheduled more than 10 s ahead of the clock of the database: set the '
                'clock of the machine that sent it, or that of the database')
        if verdict == 'look':   # no row says what became of the run, so it is sent again
            raise LedgerError(
                f'{run} was not claimed: processes that execute {run.job!r} come and go while '
                'they are looked for')
        return Claim(run, verdict, attempt, previous, last_ok, delay, fence or 0)

    def finish(
        self, claim: Claim, outcome: str, *, took: float, detail: str | None = None,
    ) -> None:
        check_outcome(outcome)
        if not claim.granted:
            raise LedgerError(f'{claim.run} was not granted, so it cannot be finished')
        detail = storable(detail)
        self._own_kept().append((claim, outcome, took, detail))
        self._lately.ended(claim.run, claim.attempt, outcome, took=took, detail=detail)
        try:
            self._write_kept(FINISH_PATIENCE)
        except LedgerError as error:
            log.error('The end of %s is kept in memory: %s', claim.run, error)

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
        values = (
            run.application_id, run.job, run.scheduled, outcome, at, attempt, until, count,
            status, storable(detail), retry_at, attempts_left, self._member())
        look, gave_up = None, False
        for _ in range(LOOKS):
            look, gave_up = self._write(RECORD, (*values, look, self._at(None)))[0]
            if look is None:
                break
            look = looked_at(look)
        return self._executing_now(run) if gave_up else None

    def miss(self, missed: Iterable[Missed], at: float) -> None:
        for piece in pieces(missed, MISSED_AT_ONCE):
            told = [[each.run.application_id, each.run.job, each.run.scheduled, each.until,
                     each.count, each.detail] for each in piece]
            self._write('SELECT cronsched.miss_v1(%s::jsonb, %s, %s, %s)',
                        (json.dumps(told), at, self._member(), self._at(None)))

    def recover(self, now: float | None = None) -> Collection[Run]:
        self._write_kept()
        member = self._member()
        executes, look = self._session.ask(
            'SELECT any_executes, look FROM cronsched.executing_members_v1(%s)', (member,))[0]
        if not executes:
            return []
        return self._runs('SELECT * FROM cronsched.recover_v1(%s, %s::jsonb, %s)',
                          (member, looked_at(look), self._at(now)))

    def take_requests(
        self, application_ids: Collection[str], now: float | None = None,
    ) -> list[Run]:
        self._write_kept()
        any_asked, lineage = self._session.ask(
            'SELECT EXISTS (SELECT FROM cronsched.requests WHERE taken IS NULL), '
            'cronsched.timeline_v1()')[0]
        self._heed(lineage)
        if not any_asked:
            return []
        return self._runs('SELECT * FROM cronsched.take_requests_v1(%s::text[], %s, %s)',
                          (list(application_ids), random_token(), self._at(now)))

    def close(self) -> None:
        self._attention.end()
        try:
            self._write_kept(FINISH_PATIENCE)
        except LedgerError as error:
            if kept := self._own_kept():
                log.error('%d end(s) of runs are forgotten: %s', len(kept), error)
        self._session.close(executing=bool(self._executing))

    def _own_kept(self) -> list[Ended]:
        # What a parent keeps, the parent writes.
        if self._kept_pid != os.getpid():
            self._kept, self._void, self._executing = [], [], set()
            self._lately.clear()
            self._kept_pid = os.getpid()
        return self._kept

    def _write_kept(self, patience: float | None = None) -> None:
        """Write what is kept, if anything is. Raises `LedgerError`."""
        kept = self._own_kept()
        for end in list(kept):
            claim, outcome, took, detail = end
            run = claim.run
            self._write(FINISH, (run.application_id, run.job, run.scheduled, claim.attempt,
                                 outcome, took, detail), patience)
            # Another thread may have written it too: the first end wins.
            self._executing.discard((run, claim.attempt))
            with suppress(ValueError):
                kept.remove(end)
        for lost in list(self._void):
            run, token = lost
            self._write(VOID, (run.application_id, run.job, run.scheduled, token,
                               self._at(None)), patience)
            with suppress(ValueError):
                self._void.remove(lost)

    def _runs(self, sql: str, values: tuple[Any, ...]) -> list[Run]:
        return [Run(*row) for row in self._write(sql, values)]
