"""Reports how a run ended: to the ledger, to the log, to Sentry, to listeners.

Example::

    Outcomes(state, housekeeping).ended(event)

The record comes first: a log handler of the application may fail. A failure is
logged as an error, one that is followed by another attempt as a warning,
everything else as information.
"""

from __future__ import annotations

import logging
from typing import Final

from cronsched._cronsched import Event
from cronsched.base import clock
from cronsched.base.text import printable
from cronsched.ledger import Executing, Row, Run
from cronsched.scheduler import words
from cronsched.scheduler.about import About
from cronsched.scheduler.followed import took_of
from cronsched.scheduler.housekeeping import Housekeeping
from cronsched.scheduler.missed import tell_missed
from cronsched.scheduler.recording import MOST_COUNTED, Recording, counted
from cronsched.scheduler.safe_log import alarm, say
from cronsched.scheduler.state import State

__all__ = ['CRONJOB_MAX_DURATION', 'Outcomes']

#: A job that takes longer than this (seconds) is reported.
CRONJOB_MAX_DURATION: Final = 30

# How a run's detail begins that ended with an answer, and not an exception.
ANSWERED: Final = 'answered with status'

# Executions already logged as errors, because they delay others.
MOST_TOLD: Final = 10_000


class Outcomes:
    """See the module. Used by one thread."""

    def __init__(self, state: State, housekeeping: Housekeeping) -> None:
        self._state = state
        self._housekeeping = housekeeping
        self._recording = Recording(housekeeping.late.write)
        self._overdue: set[tuple[Run, int]] = set()

    # -- sent, and answered --------------------------------------------------

    def started(self, event: Event) -> None:
        about = self._about(event)
        say(logging.INFO, 'Executing %s', about.title, extra=about.fields())
        about.tell('sent')

    def retry(self, event: Event) -> None:
        about = self._about(event)
        say(logging.WARNING, '%s, attempt %d %s; another follows',
            about.title, event.attempt, words.reason(event), extra=about.fields())
        about.tell('retrying')

    def ended(self, event: Event) -> None:
        about = self._about(event)
        match event.outcome:
            case 'ok':
                self._succeeded(about)
            case 'duplicate':
                self._ran_elsewhere(about)
            case 'skipped_paused':
                say(logging.INFO, '%s, was skipped: the job is paused', about.title,
                    extra=about.fields())
                about.tell('ended')
            case 'skipped_overlap':
                self._overlapped(about)
                about.tell('ended')
            case _:
                self._failed(about)

    def _about(self, event: Event) -> About:
        return About(self._state, event)

    def _succeeded(self, about: About) -> None:
        took = about.event.took
        if took > CRONJOB_MAX_DURATION:
            say(logging.WARNING, '%s, took too long (%.3f)s', about.title, took,
                extra=about.fields())
        else:
            say(logging.INFO, '%s, finished in %.3fs', about.title, took, extra=about.fields())
        about.tell('ended')

    def _ran_elsewhere(self, about: About) -> None:
        row = self._recording.ask(about, lambda ledger: ledger.find(about.run))
        state = None if row is None else row.state
        say(logging.INFO, '%s, %s', about.title, _elsewhere(row),
            extra=about.fields(state or 'duplicate'))
        if row is not None and state in ('running', 'queued'):
            self._housekeeping.followed.add(about.app, about.job, about.run)
        elif row is not None and row.next_attempt is None:
            about.tell('ended', state, took=took_of(row))

    def _failed(self, about: About) -> None:
        event = about.event
        if event.status == 401 and about.app.site.ledger is not None:
            return self._refused(about)
        executing = self._recording.record(about)
        if event.retry_at and executing is None:
            self._state.native.fire(
                event.call, event.scheduled, attempt=event.attempt + 1, at=event.retry_at)
        told = f'{about.title}, {words.attempt_of(event)}{words.reason(event)}'
        if executing is not None:
            self._overdue_error(
                about, executing, f'{told}; it {self._still(executing)}{_then(event)}')
            self._housekeeping.followed.add(about.app, about.job, about.run)
            about.tell('overdue')
        elif event.retry_at:
            at = words.time_of(about.job, event.retry_at)
            say(logging.WARNING, '%s; attempt %d follows at %s', told, event.attempt + 1, at,
                extra=about.fields())
            about.tell('retrying')
        elif about.is_told:   # as lost, by who looks for processes
            say(logging.WARNING, '%s', told, extra=about.fields())
        else:
            alarm('%s', told, extra=about.fields(), is_sent=self._is_sent(about))
            about.tell('ended')

    def _is_sent(self, about: About) -> bool:
        """Whether the process that executed the run has sent its exception to
        Sentry: see `cronsched.telemetry.sentry`."""
        if about.app.site.ledger is None:
            return about.event.status == 500   # nobody knows better
        row = self._recording.ask(about, lambda ledger: ledger.find(about.run))
        return (
            row is not None and row.state in ('failed', 'timed_out')
            and row.started is not None and row.gave_up is None
            and row.attempt == about.event.attempt
            and not (row.detail or ANSWERED).startswith(ANSWERED)
        )

    def _refused(self, about: About) -> None:
        """The receiver has another secret, so nothing was claimed: without a
        record, the run is found missing and fired again."""
        self._housekeeping.doubt()
        alarm('%s, was refused: the process that answers at %s has another secret, as after its '
              'state directory was removed, or is another application. It is tried again',
              about.title, printable(about.app.base_url), extra=about.fields())

    # -- not sent ------------------------------------------------------------

    def skipped(self, event: Event) -> None:
        about = self._about(event)
        self._recording.record(about)
        self._overlapped(about, logging.WARNING)
        about.tell('ended', 'skipped_overlap')

    def held(self, event: Event) -> None:
        """The previous run was sent: skip this one if that still executes."""
        about = self._about(event)
        index = about.app.index_of(about.job.name)
        policy = None if index is None else about.app.policy(index)
        if policy is None or policy.overlap != 'skip' or not policy.coalesce:
            return
        if self._recording.executing(about):
            self._state.native.skip(event.call, event.scheduled)

    def missed(self, event: Event) -> None:
        about = self._about(event)
        self._recording.record(about)
        count = str(event.count) if event.count >= 0 else f'more than {MOST_COUNTED}'
        detail = f' ({printable(event.detail)})' if event.detail else ''
        stood = bool(event.instead)
        tell_missed(f'{words.name(about.app, about.job)} missed {count} run(s), '
                    f'of {self._span(about)}{detail}', about.fields('missed'), stood=stood)
        about.tell('ended', 'missed', missed=counted(event), until=event.until, stood=stood)

    def _span(self, about: About) -> str:
        event, job = about.event, about.job
        first = words.time_of(job, event.scheduled)
        if event.until == event.scheduled:
            return first
        return f'{first} to {words.time_of(job, event.until)}'

    def _overlapped(self, about: About, level: int = logging.INFO) -> None:
        """Before the timeout of the other run, a skip is no error."""
        now, extra = clock.now(), about.fields('skipped_overlap')
        for executing in self._recording.executing(about):
            told = (f'{about.title}, was skipped: its run of '
                    f'{words.time_of(about.job, executing.run.scheduled)} '
                    f'{self._still(executing)}')
            if not executing.is_overdue(now):
                return say(level, '%s', told, extra=extra)
            return self._overdue_error(about, executing, f'{told}, past its timeout')
        say(level, '%s, was skipped: %s', about.title,
            printable(about.event.detail or 'another run of the job executes'), extra=extra)

    def _overdue_error(self, about: About, executing: Executing, told: str) -> None:
        """Once as an error, after that as warnings."""
        key, extra = (executing.run, executing.attempt), about.fields()
        if key in self._overdue:
            return say(logging.WARNING, '%s', told, extra=extra)
        if len(self._overdue) >= MOST_TOLD:
            self._overdue.clear()
        self._overdue.add(key)
        alarm('%s', told, extra=extra)

    def _still(self, executing: Executing) -> str:
        return words.still_executes(executing, clock.now())


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
