"""Which process executes a run, and whether it still does.

Example::

    here = Process.current()      # what identifies this process
    judge(process, held=None)     # True: it lives; False: it is dead; None: who knows

A pid alone is not enough, as it is given anew: the start time is compared
too (proc_pid_stat(5), field 22). A pid means something in one boot and one
pid namespace only. A host name says nothing: two machines may have the same
one, and a container gets another each time it is made. So a machine is its
/etc/machine-id, which two containers of one machine need not share, and a
running kernel is its boot id, which they do.

Across pid namespaces a pid cannot be looked up. There the kernel itself says
who lives: by a lock that it takes back when its holder dies (`held`, see
`cronsched.ledger.sqlite.presence`).

Without /proc (macOS) only the pid is looked at: a run whose pid was given to
another process is then lost by its timeout alone.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import lru_cache

MACHINE_ID = '/etc/machine-id'
BOOT_ID = '/proc/sys/kernel/random/boot_id'
FIRST_AFTER_NAME = 3     # the fields of stat count from 1; the name is the 2nd
STATE, START_TIME = 3, 22
DEAD = frozenset('ZXx')


@dataclass(frozen=True, slots=True)
class Process:
    """One process, wherever and whenever it ran. Texts are '' where unknown.
    `host` is for people only."""

    machine: str
    boot: str
    namespace: str  # of pids
    pid: int
    started: int    # clock ticks after boot; 0 where unknown
    host: str

    @classmethod
    def current(cls) -> Process:
        return _current(os.getpid())

    def is_here(self) -> bool:
        """Whether its pid can be looked up from this process."""
        here = Process.current()
        return (self.boot, self.namespace) == (here.boot, here.namespace) and bool(
            self.boot or self._is_same_machine())

    def is_of_an_earlier_boot(self) -> bool:
        """Whether its machine was started anew since."""
        here = Process.current()
        return bool(self._is_same_machine() and self.boot and here.boot
                    and self.boot != here.boot)

    def _is_same_machine(self) -> bool:
        here = Process.current()
        # Nothing but the name is known where there is no machine id (macOS).
        if not (self.machine or here.machine):
            return self.host == here.host and not (self.boot or here.boot)
        return self.machine == here.machine


def judge(process: Process, held: bool | None) -> bool | None:
    """Whether `process` lives; None where that cannot be known: on another
    machine, or in a container that had no lock to hold. `held`: whether the
    kernel says that its lock is held; None if it has none."""
    if process.is_of_an_earlier_boot():
        return False
    if process.is_here():
        # A child that a server made below Python may hold its parent's lock,
        # so the pid says more.
        return _lives(process)
    here = Process.current()
    if process.boot and process.boot == here.boot:
        return held
    # A container without a machine id: whoever can lock the file is on the
    # machine that has it. Of another machine nothing is known.
    return None if process.machine and here.machine else held


def _lives(process: Process) -> bool:
    if not _exists(process.pid):
        return False
    stat = _stat(process.pid)
    if stat is None or not process.started:
        return True   # hidden from us (mount option hidepid), or no /proc
    if int(stat[START_TIME - FIRST_AFTER_NAME]) != process.started:
        return False
    return stat[STATE - FIRST_AFTER_NAME] not in DEAD or _has_threads(process.pid)


@lru_cache(maxsize=1)
def _current(pid: int) -> Process:
    # Kept for this pid: a forked child asks with another.
    stat = _stat(pid)
    started = int(stat[START_TIME - FIRST_AFTER_NAME]) if stat else 0
    return Process(
        _first_line(MACHINE_ID), _first_line(BOOT_ID), _namespace(), pid, started,
        socket.gethostname())


def _first_line(path: str) -> str:
    try:
        with open(path, encoding='ascii', errors='replace') as file:
            return file.readline().strip()
    except OSError:
        return ''


def _namespace() -> str:
    try:
        return os.readlink('/proc/self/ns/pid')
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
