"""Executions that nobody waits for any more, told when they end.

Example::

    followed.add(app, job, run)       # its sender gave up, or died
    followed.look()                   # once a second: which have ended?
"""

from __future__ import annotations

from typing import Final

from cronsched.base import clock
from cronsched.jobs.job import Job
from cronsched.ledger import Executing, Ledger, Row, Run
from cronsched.scheduler.bound import BoundApplication
from cronsched.scheduler.telling import Telling

__all__ = ['Followed']

MOST: Final = 10_000


class Followed:
    """See the module. Used by one thread."""

    def __init__(self, telling: Telling) -> None:
        self._telling = telling
        self._runs: dict[Run, tuple[BoundApplication, Job]] = {}

    def add(self, app: BoundApplication, job: Job, run: Run) -> None:
        if len(self._runs) < MOST and not self._telling.is_told(app, job, run.scheduled):
            self._runs[run] = app, job

    def add_all(self, app: BoundApplication, executing: list[Executing]) -> None:
        """What executes of an application id that was taken over."""
        for each in executing:
            index = app.index_of(each.run.job) if (
                each.run.application_id == app.application_id) else None
            if index is not None:
                self.add(app, app.registered[index], each.run)

    def look(self) -> None:
        """Raises `LedgerError`."""
        ledgers = {id(app.site.ledger): app.site.ledger for app, _ in self._runs.values()}
        for ledger in ledgers.values():
            if ledger is not None:
                self._look(ledger)

    def _look(self, ledger: Ledger) -> None:
        executing = {each.run for each in ledger.executing()}
        for run, (app, job) in list(self._runs.items()):
            if app.site.ledger is ledger and run not in executing:
                self._end(app, job, run, ledger.find(run))

    def _end(self, app: BoundApplication, job: Job, run: Run, row: Row | None) -> None:
        if row is not None and row.state in ('running', 'queued'):
            return   # its next attempt
        del self._runs[run]
        if row is None or row.next_attempt is not None:
            return   # forgotten, or it is sent once more
        self._telling.tell(
            'ended', app, job, run.scheduled, due=app.due_of(job, run.scheduled),
            at=clock.now() if row.ended is None else row.ended, attempt=row.attempt,
            outcome=row.state, took=took_of(row), status=row.status, error=row.detail)


def took_of(row: Row) -> float | None:
    """Seconds that the last attempt executed."""
    return None if row.started is None or row.ended is None else max(row.ended - row.started, 0.0)
