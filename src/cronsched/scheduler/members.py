"""The memberships of a process, and the threads that beat.

Example::

    members = Members(native, state)
    members.add(bound)         # a thread begins if several machines share it
    members.pause()            # no thread of ours runs when this returns
    members.leave()            # at the end: others may take over at once

One membership, with a connection of its own, for each ledger that several
machines share. Nothing of this is there in a process whose ledgers are its
machine's.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection
from pathlib import Path
from typing import Final

from cronsched._cronsched import Heartbeat, Scheduler
from cronsched.base.forks import await_gone
from cronsched.base.text import printable
from cronsched.base.workers import Worker
from cronsched.ledger.process import Process
from cronsched.ledger.protocol import LedgerError
from cronsched.ledger.seats import Seats
from cronsched.scheduler.bound import BoundApplication
from cronsched.scheduler.membership import Membership
from cronsched.scheduler.pace import Pace
from cronsched.scheduler.safe_log import FAULTS, say, trouble

__all__ = ['Members', 'place_of']

# Seconds. A beat without an answer for so long is given up; and a process in
# which no Python has run for so long hangs, and is to be followed.
PATIENCE: Final = 5.0
SILENCE: Final = 30.0


def place_of(directory: str) -> str:
    """Which processes share a lease with this one: those of one machine that
    is running, with the same directory (containers have each their own)."""
    found = Path(directory).stat()
    return f'{Process.current().boot}/{found.st_dev:x}:{found.st_ino:x}'


class SharedCalls:
    """The native scheduler, as `membership.Shared`."""

    def __init__(self, native: Scheduler) -> None:
        self._native = native
        self.granter = native.granter()
        self._handles: dict[str, int] = {}
        self._number = -1
        self._leased: set[str] = set()
        self.monotonic = native.monotonic
        self.retire()

    def add(self, application_id: str, handle: int) -> None:
        self._handles[application_id] = handle
        self._number = -1

    def leased(self) -> Collection[str]:
        number = self._number
        found = self._native.leased() if number < 0 else self._native.leased(number)
        if found is not None:
            self._number, handles = found[0], set(found[1])
            self._leased = {each for each, handle in list(self._handles.items())
                            if handle in handles}
        return self._leased

    def grant(self, application_id: str, epoch: int) -> None:
        if handle := self._handles.get(application_id):
            self._native.grant(handle, epoch)

    def revoke(self, application_id: str) -> None:
        if handle := self._handles.get(application_id):
            self._native.revoke(handle)

    def valid(self, until: float) -> None:
        self._native.valid(self.granter, until)

    def retire(self) -> None:
        self._native.valid(self.granter, None)


class Beating:
    """One membership with its threads."""

    def __init__(self, native: Scheduler, seats: Seats, place: str, pace: Pace) -> None:
        self.calls = SharedCalls(native)
        self._seats = seats
        self._pace = pace
        self._heart = Heartbeat(
            native, self.calls.granter, period=pace.beat, hold=pace.hold, patience=PATIENCE,
            silence=SILENCE)
        self._membership = Membership(self.calls, seats, place, pace, self._heart)
        self._in_trouble = False
        self._wake = threading.Event()
        self._worker: Worker | None = None

    def start(self) -> None:
        self._wake.clear()
        self._heart.resume()
        if self._worker is None or not self._worker.go_on():
            self._worker = Worker('cronsched-members', self._beat)
            self._worker.thread.start()

    def pause(self, timeout: float) -> None:
        worker = self._worker
        if worker is None or worker.thread is threading.current_thread():
            return
        worker.stopping = True
        self._wake.set()
        self._heart.pause()
        worker.thread.join(timeout)
        if not worker.thread.is_alive():
            await_gone(worker.thread.native_id, timeout)
            self._worker = None

    def leave(self) -> None:
        try:
            self._membership.leave()
        except FAULTS:
            return    # then the others find out by themselves
        finally:
            self._seats.close()

    def _beat(self) -> None:
        wait = self._pace.beat
        try:
            wait = self._membership.turn()
        except LedgerError as error:
            if not self._in_trouble:   # said once, not each second
                say(logging.ERROR, 'Nothing is called while the ledger cannot be reached: %s',
                    printable(str(error)))
            self._in_trouble = True
        except FAULTS:
            trouble()
        else:
            self._in_trouble = False
        self._wake.wait(wait)


class Members:
    """See the module."""

    def __init__(self, native: Scheduler, lease_directory: str | None) -> None:
        self._native = native
        self._directory = lease_directory
        self._beating: dict[int, Beating] = {}
        self._running = False

    def shares(self, bound: BoundApplication) -> bool:
        """Whether several machines share this application id."""
        return self._of(bound) is not None

    def add(self, bound: BoundApplication) -> None:
        """Its calls are there."""
        beating = self._of(bound)
        if beating is not None:
            beating.calls.add(bound.application_id, bound.handle)
            if self._running:
                beating.start()

    def _of(self, bound: BoundApplication) -> Beating | None:
        ledger = bound.site.ledger
        if ledger is None or self._directory is None:
            return None
        if id(ledger) not in self._beating:
            place = place_of(self._directory)
            settings = bound.site.settings
            seats = ledger.seats(place, settings.beat_url)
            if seats is None:
                return None
            self._beating[id(ledger)] = Beating(
                self._native, seats, place,
                Pace(settings.takeover, settings.machine_lost_after))
        return self._beating[id(ledger)]

    def start(self) -> None:
        self._running = True
        for beating in self._beating.values():
            beating.start()

    def pause(self, timeout: float = 2.0) -> None:
        """End the threads; what they said is good for as long as it was."""
        self._running = False
        for beating in self._beating.values():
            beating.pause(timeout)

    def end(self) -> None:
        """Beat no more, and give up what is ours."""
        if self._beating:
            self.pause()
            self.leave()

    def leave(self) -> None:
        for beating in self._beating.values():
            beating.leave()
