"""Tells what the native thread did: to the log, to Sentry, to the ledger.

One daemon thread drains the events; while it waits, nobody needs the GIL. It
also does what is due now and then: catching up when this process becomes the
owner of an application id, forgetting old runs, looking for new time zone
rules. What goes wrong in it is logged, and never ends it.
"""

from __future__ import annotations

import _thread
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from types import BuiltinFunctionType
from typing import Final

from cronsched._cronsched import Event
from cronsched.jobs.job import Job
from cronsched.ledger.protocol import Run
from cronsched.scheduler.bound import BoundApplication
from cronsched.scheduler.housekeeping import Housekeeping
from cronsched.scheduler.state import State

__all__ = ['CRONJOB_MAX_DURATION', 'Reporter']

log = logging.getLogger('cronsched')

#: A job that takes longer than this (seconds) is reported.
CRONJOB_MAX_DURATION: Final = 30

# Missed runs; the native side counts no further and says -1.
MOST_COUNTED: Final = 100_000

# How long one wait for events lasts at most, seconds.
WAIT: Final = 1.0

# Between two looks where nobody may wait, seconds.
PAUSE: Final = 0.1


class Reporter:
    """See the module. `start` and `pause` may alternate (around a fork)."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._housekeeping = Housekeeping(state)
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._tellers: dict[str, Callable[[Event], None]] = {
            'owned': self._tell_owned,
            'disowned': self._tell_disowned,
            'started': self._tell_started,
            'retry': self._tell_retry,
            'ended': self._tell_ended,
            'skipped': self._tell_skipped,
            'missed': self._tell_missed,
            'held': self._tell_held,
            'clock': self._tell_clock,
            'fault': self._tell_fault,
        }

    def start(self) -> None:
        if self._thread is None:
            self._stopping = False
            self._thread = threading.Thread(target=self._run, name='cronsched', daemon=True)
            self._thread.start()

    def pause(self, timeout: float = 2.0) -> None:
        """End the thread, and wait until the system has forgotten it too."""
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return
        self._stopping = True
        self._state.native.interrupt()
        thread.join(timeout)
        _await_gone(thread.native_id, timeout)
        self._thread = None

    def _run(self) -> None:
        while not self._stopping:
            if not self._guard(self._listen):
                time.sleep(PAUSE)
            self._guard(self._housekeeping.run_due)

    def _listen(self) -> None:
        if _threads_are_greenlets():
            self.drain()
            time.sleep(PAUSE)
        else:
            self.drain(WAIT)

    def drain(self, timeout: float = 0.0) -> None:
        """Tell what there is to tell; wait `timeout` seconds for the first."""
        for event in self._state.native.events(timeout):
            self._guard(partial(self.tell, event))

    def _guard(self, action: Callable[[], None]) -> bool:
        """Whether it went well."""
        try:
            action()
        except Exception:
            log.exception('the reporter had trouble and goes on')
            return False
        return True

    def tell(self, event: Event) -> None:
        self._tellers[event.kind](event)

    # -- who and what an event is about --------------------------------------

    def _app(self, event: Event) -> BoundApplication:
        return self._state.apps[event.app]

    def _job(self, event: Event) -> Job:
        return self._state.jobs[event.job]

    def _title(self, event: Event) -> str:
        return self._app(event).title_of(self._job(event))

    # -- the tellers ---------------------------------------------------------

    def _tell_owned(self, event: Event) -> None:
        with self._state.opening:
            app = self._app(event)
        log.info('Started cronjob thread for %s', app.application_id)
        if log.isEnabledFor(logging.INFO):
            for title in app.titles():
                log.info('Enabled %s', title)
        self._housekeeping.take_over(app, max(event.at, app.planned_from))

    def _tell_disowned(self, event: Event) -> None:
        app = self._app(event)
        log.info('This process no longer calls the cronjobs of %s', app.application_id)
        self._housekeeping.hand_over(app)

    def _tell_started(self, event: Event) -> None:
        log.info('Executing %s', self._title(event))

    def _tell_retry(self, event: Event) -> None:
        log.warning(
            '%s: attempt %d %s, another follows', self._title(event), event.attempt, _reason(event)
        )

    def _tell_ended(self, event: Event) -> None:
        if event.outcome == 'ok':
            self._tell_success(event)
        elif event.outcome == 'duplicate':
            log.info('%s ran elsewhere', self._title(event))
        elif event.outcome in ('skipped_paused', 'skipped_overlap'):
            log.info('%s was %s', self._title(event), event.outcome.replace('_', ', '))
        elif event.retry_at:
            self._retry(event)
        else:
            self._record(event)
            _alarm(f'{self._title(event)} {_reason(event)}')

    def _retry(self, event: Event) -> None:
        self._tell_retry(event)
        self._state.native.fire(
            event.call, event.scheduled, attempt=event.attempt + 1, at=event.retry_at
        )

    def _tell_success(self, event: Event) -> None:
        title = self._title(event)
        if event.took > CRONJOB_MAX_DURATION:
            log.warning('%s took too long (%.3f)s', title, event.took)
        else:
            log.info('%s finished in %.3fs', title, event.took)

    def _tell_skipped(self, event: Event) -> None:
        log.warning('%s was skipped: %s', self._title(event), event.detail)
        self._record(event)

    def _tell_missed(self, event: Event) -> None:
        log.warning('%s missed %s run(s)', self._title(event), _count(event))
        self._record(event)

    def _tell_held(self, event: Event) -> None:
        """The run before was sent; does it execute?"""
        app, job = self._app(event), self._job(event)
        if app.site.ledger is None:
            return
        rows = app.site.ledger.history(
            application_id=app.application_id, job=job.name, limit=10
        )
        if any(row.state == 'running' for row in rows):
            self._state.native.skip(event.call, event.scheduled)

    def _tell_clock(self, event: Event) -> None:
        log.info('The clock was set by %+.3f s', event.step)

    def _tell_fault(self, event: Event) -> None:
        _alarm(f'The scheduler has trouble: {event.detail}')

    def _record(self, event: Event) -> None:
        """To the ledger; it keeps what the view has written."""
        app = self._app(event)
        if app.site.ledger is not None:
            self._housekeeping.write(partial(
                app.site.ledger.record,
                Run(app.application_id, self._job(event).name, event.scheduled),
                event.outcome or 'missed',
                at=event.at,
                attempt=max(event.attempt, 1),
                until=event.until if event.kind == 'missed' else None,
                count=MOST_COUNTED + 1 if event.count < 0 else max(event.count, 1),
                status=event.status or None,
                detail=event.detail,
            ))


def _count(event: Event) -> str:
    return str(event.count) if event.count >= 0 else f'more than {MOST_COUNTED}'


def _reason(event: Event) -> str:
    parts = [(event.outcome or 'failed').replace('_', ' ')]
    if event.status:
        parts.append(f'with status {event.status}')
    parts.append(f'after {event.took:.3f}s')
    detail = (event.detail or '').strip().splitlines()[:1]
    return ' '.join(parts) + ''.join(f': {line.rstrip()}' for line in detail)


def _alarm(message: str) -> None:
    # Who uses Sentry has imported it; where it was not, nothing would listen.
    sentry = sys.modules.get('sentry_sdk')
    if sentry is None:
        log.error('%s', message)
        return
    # It listens to the log as well, unless that was switched off.
    with sentry.new_scope() as scope:
        scope.add_event_processor(_drop)
        log.error('%s', message)
    sentry.capture_message(message, level='error')


def _drop(event: object, hint: object) -> None:
    """Tells Sentry not to send."""


def _threads_are_greenlets() -> bool:
    """gevent and eventlet run all "threads" in one: to wait in native code
    would keep the whole process waiting."""
    return not isinstance(_thread.start_new_thread, BuiltinFunctionType)


def _await_gone(thread_id: int | None, timeout: float) -> None:
    """A joined thread may still be on its way out, and Python counts those
    that the system knows before it warns about a fork."""
    if thread_id == threading.get_native_id():
        return   # it was a greenlet
    path = f'/proc/self/task/{thread_id}'
    end = time.monotonic() + timeout
    while os.path.exists(path) and time.monotonic() < end:
        time.sleep(0.0002)
