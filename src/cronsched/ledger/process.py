"""Which process executes a run, and whether it still does.

Example::

    here = Process.current()      # goes into the row of a claim
    row_process.is_gone()         # it died; nobody executes the run any more

A pid alone is not enough, as it is given anew: the start time is compared
too (proc_pid_stat(5), field 22). A pid means something in one boot and one
pid namespace only; `place` names both. Without /proc (macOS) place and start
time are empty and only the pid is looked at: a run whose pid was given to
another process is then lost by its timeout alone.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import lru_cache

BOOT_ID = '/proc/sys/kernel/random/boot_id'
FIRST_AFTER_NAME = 3     # the fields of stat count from 1; the name is the 2nd
STATE, START_TIME = 3, 22
DEAD = frozenset('ZXx')


@dataclass(frozen=True, slots=True)
class Process:
    """One process, wherever and whenever it ran."""

    host: str
    place: str      # boot id, slash, pid namespace; '' where unknown
    pid: int
    started: int    # clock ticks after boot; 0 where unknown

    @classmethod
    def current(cls) -> Process:
        return _current(os.getpid())

    def is_here(self) -> bool:
        """Whether its pid can be looked up from this process."""
        here = Process.current()
        return (self.host, self.place) == (here.host, here.place)

    def is_gone(self) -> bool:
        """Whether it surely does not run any more. False for what cannot be
        known: another machine, another container."""
        if not self.is_here():
            return self._booted_before()
        if not _exists(self.pid):
            return True
        stat = _stat(self.pid)
        if stat is None or not self.started:
            return False   # hidden from us (mount option hidepid), or no /proc
        if int(stat[START_TIME - FIRST_AFTER_NAME]) != self.started:
            return True
        return stat[STATE - FIRST_AFTER_NAME] in DEAD and not _has_threads(self.pid)

    def _booted_before(self) -> bool:
        here = Process.current()
        if self.host != here.host or not (self.place and here.place):
            return False
        return self.place.partition('/')[0] != here.place.partition('/')[0]


@lru_cache(maxsize=1)
def _current(pid: int) -> Process:
    # Kept for this pid: a forked child asks with another.
    stat = _stat(pid)
    started = int(stat[START_TIME - FIRST_AFTER_NAME]) if stat else 0
    return Process(socket.gethostname(), _place(), pid, started)


def _place() -> str:
    try:
        with open(BOOT_ID, encoding='ascii') as file:
            boot = file.read().strip()
        return f'{boot}/{os.readlink("/proc/self/ns/pid")}'
    except OSError:
        return ''


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/<pid>/stat from the third, or None."""
    try:
        with open(f'/proc/{pid}/stat', encoding='utf-8', errors='replace') as file:
            # The name may hold blanks and parentheses.
            return file.read().rpartition(')')[2].split()
    except OSError:
        return None


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _has_threads(pid: int) -> bool:
    """Whether a process whose first thread ended has others that run."""
    try:
        return len(os.listdir(f'/proc/{pid}/task')) > 1
    except OSError:
        return False
