"""The connection that a process has to a file, through forks.

Example::

    handles = Handles(Path('ledger.sqlite3-alive'))
    handle = handles.own()     # of this process; a child gets another
    with handle.lock:
        handle.connection.execute(...)

`os.fork` closes the connection before, and both sides open their own after.
One that came through a plain fork() of C (uWSGI) is left alone for ever:
closing it would touch what the parent uses (SQLite, "How To Corrupt An SQLite
Database File", 2.6).
"""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from pathlib import Path

from cronsched.base.locks import Lock
from cronsched.ledger.sqlite.presence import Presence

__all__ = ['Handle', 'Handles', 'Identity']

Identity = tuple[int, int]   # device and inode of a file

# To wait for the thread that uses a connection, in seconds.
PATIENCE = 10.0
FORK_PATIENCE = 1.0


class Handle:
    """What one process has of a file. The lock is for all of it."""

    def __init__(self, alive: Path) -> None:
        self.lock = Lock()
        self.connection: sqlite3.Connection | None = None   # owned
        self.companions: tuple[Identity | None, ...] = ()   # -wal and -shm
        self.presence = Presence(alive)                     # owned
        self.member: int | None = None                      # this process, in the ledger

    def close(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close()

    def retire(self) -> None:
        """This process executes nothing any more."""
        self.close()
        self.presence.close()
        self.member = None


class Handles:
    """See the module."""

    def __init__(self, alive: Path) -> None:
        self._alive = alive
        self._by_pid: dict[int, Handle] = {}
        with _all_lock:
            _all.add(self)

    def own(self) -> Handle:
        pid = os.getpid()
        handle = self._by_pid.get(pid)
        if handle is None:
            for inherited in set(self._by_pid) - {pid}:
                _leak(self._by_pid.pop(inherited, None))
            handle = self._by_pid.setdefault(pid, Handle(self._alive))
        return handle

    def close(self, *, executing: bool = False) -> None:
        """Close what this process opened; while it executes runs, others
        still see that it lives."""
        handle = self.own()
        if handle.lock.acquire(timeout=PATIENCE):
            if executing:
                handle.close()
            else:
                handle.retire()
            handle.lock.release()

    def leave_parent(self) -> None:
        """In a child: hold no byte of the parent's."""
        for pid, handle in list(self._by_pid.items()):
            if pid != os.getpid():
                handle.presence.close()


# Those that a fork has to know of.
_all: weakref.WeakSet[Handles] = weakref.WeakSet()
_all_lock = threading.Lock()
_held: list[Handle] = []


def _before_fork() -> None:
    _all_lock.acquire()
    for handles in list(_all):
        handle = handles.own()
        if handle.lock.acquire(timeout=FORK_PATIENCE):
            _held.append(handle)
            handle.close()


def _after_fork_in_parent() -> None:
    _give_back()
    _all_lock.release()


def _after_fork_in_child() -> None:
    # A server that forks below Python tells of it only now, so another thread
    # of the parent may have the lock, for ever.
    global _all_lock
    _all_lock = threading.Lock()
    _held.clear()   # those of the handles have been made anew
    for handles in list(_all):
        handles.leave_parent()


def _give_back() -> None:
    while _held:
        _held.pop().lock.release()


def _leak(handle: Handle | None) -> None:
    if handle is None:
        return
    handle.presence.close()
    if handle.connection is None:
        return
    import ctypes
    # One reference that nobody gives back, so it is never closed here.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(handle.connection))


os.register_at_fork(
    before=_before_fork,
    after_in_parent=_after_fork_in_parent,
    after_in_child=_after_fork_in_child,
)
