"""Reports the events of the native thread to the ledger, the log and Sentry.

One daemon thread drains the events (`outcomes`); while it waits, nobody needs
the GIL. It also does what is due now and then (`housekeeping`): catching up
when this process becomes the owner of an application id, forgetting old runs,
looking for new time zone rules. Its own errors are logged, or written to
stderr, and never end it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from cronsched._cronsched import Event
from cronsched.base.forks import await_gone
from cronsched.base.locks import threads_are_greenlets
from cronsched.base.text import printable
from cronsched.base.workers import Worker
from cronsched.scheduler.housekeeping import Housekeeping
from cronsched.scheduler.outcomes import CRONJOB_MAX_DURATION, Outcomes
from cronsched.scheduler.safe_log import FAULTS, alarm, say, trouble
from cronsched.scheduler.state import State

__all__ = ['CRONJOB_MAX_DURATION', 'Reporter', 'Worker']

# How long one wait for events lasts at most, seconds.
WAIT: Final = 1.0

# Between two polls under gevent and eventlet, seconds.
PAUSE: Final = 0.1


class Reporter:
    """See the module. `start` and `pause` may alternate (around a fork)."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._housekeeping = Housekeeping(state)
        self._outcomes = Outcomes(state, self._housekeeping)
        self._worker: Worker | None = None
        self._tellers: dict[str, Callable[[Event], None]] = {
            'started': self._outcomes.started,
            'retry': self._outcomes.retry,
            'ended': self._outcomes.ended,
            'skipped': self._outcomes.skipped,
            'missed': self._outcomes.missed,
            'held': self._outcomes.held,
            'clock': self._tell_clock,
            'fault': self._tell_fault,
        }

    def start(self) -> None:
        """A thread that was asked to end and has not noticed yet goes on, so
        that there is never a second one."""
        if self._worker is None or not self._worker.go_on():
            self._worker = Worker('cronsched', self._turn)
            self._worker.thread.start()

    def pause(self, timeout: float = 2.0) -> None:
        """End the thread, and wait until the system has forgotten it too."""
        worker = self._worker
        if worker is None or worker.thread is threading.current_thread():
            return
        worker.stopping = True
        self._state.native.interrupt()
        worker.thread.join(timeout)
        if not worker.thread.is_alive():
            await_gone(worker.thread.native_id, timeout)
            self._worker = None

    def _turn(self) -> None:
        if not self._guard(self._listen):
            time.sleep(PAUSE)
        self._guard(self._housekeeping.run_due)

    def _listen(self) -> None:
        if self._housekeeping.is_busy:
            self._tell_all(0.0)
        elif threads_are_greenlets():
            self._tell_all(0.0)
            time.sleep(PAUSE)
        else:
            self._tell_all(WAIT)

    def drain(self) -> None:
        """Report the pending events, and act on them."""
        self._tell_all(0.0)
        self.settle()

    def settle(self) -> None:
        """Catch up what was taken over, all of it."""
        self._guard(self._housekeeping.settle)

    def _tell_all(self, timeout: float) -> None:
        """Wait `timeout` seconds for the first."""
        for event in self._state.native.events(timeout):
            self._guard(partial(self.tell, event))

    def _guard(self, action: Callable[[], None]) -> bool:
        """Whether it went well."""
        try:
            action()
        except FAULTS:
            trouble()
            return False
        return True

    def tell(self, event: Event) -> None:
        """Who owns what is read as state: 'owned' only wakes the reader."""
        teller = self._tellers.get(event.kind)
        if teller is not None:
            teller(event)

    def _tell_clock(self, event: Event) -> None:
        say(logging.INFO, 'The clock was set by %+.3f s', event.step)

    def _tell_fault(self, event: Event) -> None:
        alarm('The scheduler has a problem: %s', printable(event.detail or ''))
