"""Reports how a run ended: to the ledger, to the log, to Sentry.

Example::

    Outcomes(state, housekeeping).ended(event)

The record comes first: a log handler of the application may fail. A failure is
logged as an error, one that is followed by another attempt as a warning,
everything else as information.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from cronsched._cronsched import Event
from cronsched.base import clock
from cronsched.base.text import printable
from cronsched.jobs.job import Job
from cronsched.ledger import Executing, Ledger, LedgerError, Row, Run
from cronsched.scheduler import words
from cronsched.scheduler.bound import BoundApplication
from cronsched.scheduler.housekeeping import Housekeeping
from cronsched.scheduler.missed import tell_missed
from cronsched.scheduler.safe_log import alarm, say
from cronsched.scheduler.state import State

__all__ = ['CRONJOB_MAX_DURATION', 'Outcomes']

T = TypeVar('T')

#: A job that takes longer than this (seconds) is reported.
CRONJOB_MAX_DURATION: Final = 30

# Missed runs; above this the native side reports -1.
MOST_COUNTED: Final = 100_000

# Executions already logged as errors, because they delay others.
MOST_TOLD: Final = 10_000


class Outcomes:
    """See the module. Used by one thread."""

    def __init__(self, state: State, housekeeping: Housekeeping) -> None:
        self._state = state
        self._housekeeping = housekeeping
        self._overdue: set[tuple[Run, int]] = set()

    # -- who and what an event is about --------------------------------------

    def _app(self, event: Event) -> BoundApplication:
        return self._state.apps[event.app]

    def _job(self, event: Event) -> Job:
        return self._state.jobs[event.job]

    def _title(self, event: Event) -> str:
        return words.title(self._app(event), self._job(event), event.due)

    def _run(self, event: Event) -> Run:
        return Run(self._app(event).application_id, self._job(event).name, event.scheduled)

    # -- sent, and answered --------------------------------------------------

    def started(self, event: Event) -> None:
        say(logging.INFO, 'Executing %s', self._title(event))

    def retry(self, event: Event) -> None:
        say(logging.WARNING, '%s, attempt %d %s; another follows',
            self._title(event), event.attempt, words.reason(event))

    def ended(self, event: Event) -> None:
        match event.outcome:
            case 'ok':
                self._succeeded(event)
            case 'duplicate':
                self._ran_elsewhere(event)
            case 'skipped_paused':
                say(logging.INFO, '%s, was skipped: the job is paused', self._title(event))
            case 'skipped_overlap':
                self._overlapped(event)
            case _:
                self._failed(event)

    def _succeeded(self, event: Event) -> None:
        if event.took > CRONJOB_MAX_DURATION:
            say(logging.WARNING, '%s, took too long (%.3f)s', self._title(event), event.took)
        else:
            say(logging.INFO, '%s, finished in %.3fs', self._title(event), event.took)

    def _ran_elsewhere(self, event: Event) -> None:
        row = self._ask(event, lambda ledger: ledger.find(self._run(event)))
        say(logging.INFO, '%s, %s', self._title(event), _elsewhere(row))

    def _failed(self, event: Event) -> None:
        if event.status == 401 and self._app(event).site.ledger is not None:
            return self._refused(event)
        executing = self._record(event)
        if event.retry_at and executing is None:
            self._state.native.fire(
                event.call, event.scheduled, attempt=event.attempt + 1, at=event.retry_at)
        told = f'{self._title(event)}, {words.attempt_of(event)}{words.reason(event)}'
        if executing is not None:
            self._overdue_error(executing, f'{told}; it {self._still(executing)}{_then(event)}')
        elif event.retry_at:
            at = words.time_of(self._job(event), event.retry_at)
            say(logging.WARNING, '%s; attempt %d follows at %s', told, event.attempt + 1, at)
        else:
            alarm('%s', told)

    def _refused(self, event: Event) -> None:
        """The receiver has another secret, so nothing was claimed: without a
        record, the run is found missing and fired again."""
        self._housekeeping.doubt()
        alarm('%s, was refused: the process that answers at %s has another secret, as after its '
              'state directory was removed, or is another application. It is tried again',
              self._title(event), printable(self._app(event).base_url))

    # -- not sent ------------------------------------------------------------

    def skipped(self, event: Event) -> None:
        self._record(event)
        self._overlapped(event, logging.WARNING)

    def held(self, event: Event) -> None:
        """The previous run was sent: skip this one if that still executes."""
        app = self._app(event)
        index = app.index_of(self._job(event).name)
        policy = None if index is None else app.policy(index)
        if policy is None or policy.overlap != 'skip' or not policy.coalesce:
            return
        if self._executing(event):
            self._state.native.skip(event.call, event.scheduled)

    def missed(self, event: Event) -> None:
        self._record(event)
        count = str(event.count) if event.count >= 0 else f'more than {MOST_COUNTED}'
        detail = f' ({printable(event.detail)})' if event.detail else ''
        tell_missed(f'{words.name(self._app(event), self._job(event))} missed {count} run(s), '
                    f'of {self._span(event)}{detail}', stood=bool(event.instead))

    def _span(self, event: Event) -> str:
        first = words.time_of(self._job(event), event.scheduled)
        if event.until == event.scheduled:
            return first
        return f'{first} to {words.time_of(self._job(event), event.until)}'

    def _overlapped(self, event: Event, level: int = logging.INFO) -> None:
        """Before the timeout of the other run, a skip is no error."""
        now = clock.now()
        for executing in self._executing(event):
            told = (f'{self._title(event)}, was skipped: its run of '
                    f'{words.time_of(self._job(event), executing.run.scheduled)} '
                    f'{self._still(executing)}')
            if not executing.is_overdue(now):
                return say(level, '%s', told)
            return self._overdue_error(executing, f'{told}, past its timeout')
        say(level, '%s, was skipped: %s', self._title(event),
            printable(event.detail or 'another run of the job executes'))

    def _overdue_error(self, executing: Executing, told: str) -> None:
        """Once as an error, after that as warnings."""
        key = executing.run, executing.attempt
        if key in self._overdue:
            return say(logging.WARNING, '%s', told)
        if len(self._overdue) >= MOST_TOLD:
            self._overdue.clear()
        self._overdue.add(key)
        alarm('%s', told)

    def _still(self, executing: Executing) -> str:
        return words.still_executes(executing, clock.now())

    # -- the ledger ----------------------------------------------------------

    def _executing(self, event: Event) -> list[Executing]:
        """The other runs of the job that are executed now."""
        run = self._run(event)
        found = self._ask(event, lambda ledger: ledger.executing(run.application_id)) or []
        return [each for each in found if each.run.job == run.job and each.run != run]

    def _ask(self, event: Event, question: Callable[[Ledger], T]) -> T | None:
        """None where the ledger cannot be used, which is logged elsewhere."""
        ledger = self._app(event).site.ledger
        if ledger is None:
            return None
        try:
            return question(ledger)
        except LedgerError:
            return None

    def _record(self, event: Event) -> Executing | None:
        """Write to the ledger, where an end that the view has written stays.
        Returns who still executes the run, if that is known now."""
        site = self._app(event).site
        answers: list[Executing | None] = []
        if site.ledger is None:
            return None
        write = partial(
            site.ledger.record,
            self._run(event),
            event.outcome or 'missed',
            at=event.at,
            attempt=max(event.attempt, 1),
            until=event.until if event.kind == 'missed' else None,
            count=MOST_COUNTED + 1 if event.count < 0 else max(event.count, 1),
            status=event.status or None,
            detail=event.detail,
            retry_at=event.retry_at or None,
            attempts_left=self._attempts_left(event),
        )
        self._housekeeping.write(lambda: answers.append(write()))
        return answers[0] if answers else None

    def _attempts_left(self, event: Event) -> int:
        app = self._app(event)
        index = app.index_of(self._job(event).name)
        if not event.retry_at or index is None:
            return 0
        return max(app.policy(index).retries + 1 - event.attempt, 0)


def _then(event: Event) -> str:
    return f'. Attempt {event.attempt + 1} follows when it has ended' if event.retry_at else ''


def _elsewhere(row: Row | None) -> str:
    match row and row.state:
        case None:
            return 'ran elsewhere'
        case 'running':
            return 'is executed elsewhere'
        case 'queued':
            return 'waits until another run has ended'
    assert row is not None
    return f'ran elsewhere: {row.state.replace("_", " ")}'
