"""What goes wrong while an application serves, at random and all mixed.

Example::

    trouble = Trouble(fleet, random.Random(4))
    trouble.make(seconds=600)
    print(trouble.made)          # {'kill_owner': 61, 'stop': 14, ...}
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from soak_fleet import Fleet, until

T = TypeVar('T')

# How long a process that was stopped (SIGSTOP) stands still, and a ledger is
# locked; seconds.
STOPPED = 20.0
LOCKED = 3.0

# Servers that make new workers on SIGHUP.
RELOADS = ('gunicorn', 'uwsgi', 'uvicorn')


class Trouble:
    """See the module. `stopped` as it is, or shorter for a short proof."""

    def __init__(self, fleet: Fleet, chance: random.Random, stopped: float = STOPPED) -> None:
        self.fleet, self.chance, self.stopped = fleet, chance, stopped
        self.made: Counter[str] = Counter()
        self.still: dict[int, float] = {}   # stopped processes, until when
        self.kinds = [
            self.kill_owner, self.kill_anybody, self.stop, self.lock_ledger,
            self.remove_runtime_directory,
            *([self.reload] if fleet.kind in RELOADS else []),
        ]

    def make(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        # Each kind once, then by chance.
        kinds = self.chance.sample(self.kinds, len(self.kinds))
        while time.monotonic() < end:
            kind = kinds.pop() if kinds else self.chance.choice(self.kinds)
            if kind() is not False:
                self.made[kind.__name__] += 1
            self.rest(self.chance.uniform(0.5, 3.0))
        self.rest(0.0, all_of_them=True)

    def rest(self, seconds: float, all_of_them: bool = False) -> None:
        """A while in which nothing new happens; whose time has come goes on."""
        time.sleep(seconds)
        for pid, end in list(self.still.items()):
            if all_of_them or time.monotonic() >= end:
                del self.still[pid]
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def wait_for(self, condition: Callable[[], T]) -> T:
        """As `until`; a server that reloads may wait for one that stands still."""
        def after_rest() -> T:
            self.rest(0.0)
            return condition()

        return until(after_rest)

    def kill_owner(self) -> None:
        self.wait_for(self.fleet.owner)
        self.fleet.kill_owner()

    def kill_anybody(self) -> None:
        self.wait_for(self.fleet.contenders)
        self.fleet.kill_anybody(self.chance)

    def stop(self) -> bool:
        """One process stands still, be it the owner or one that executes;
        False where somebody has to go on serving."""
        moving = self.wait_for(self.fleet.contenders) - self.still.keys()
        if len(self.still) >= 2 or not moving:
            return False
        pid = self.chance.choice(sorted(moving))
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            self.still[pid] = time.monotonic() + self.stopped
        return True

    def reload(self) -> None:
        self.fleet.tell(signal.SIGHUP)

    def lock_ledger(self) -> None:
        path = self.fleet.directory / 'state' / 'cronsched' / 'ledger.sqlite3'
        connection = sqlite3.connect(path, isolation_level=None, timeout=1.0)
        self.wait_for(lambda: self._lock(connection))
        time.sleep(LOCKED)
        connection.execute('ROLLBACK')
        connection.close()

    def _lock(self, connection: sqlite3.Connection) -> bool:
        with suppress(sqlite3.OperationalError):
            connection.execute('BEGIN IMMEDIATE')
        return connection.in_transaction

    def remove_runtime_directory(self) -> None:
        """As a cleaner would. It may be made anew at this moment."""
        shutil.rmtree(self.fleet.directory / 'state' / 'cronsched' / 'run', ignore_errors=True)
