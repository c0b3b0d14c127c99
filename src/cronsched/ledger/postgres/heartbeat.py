"""Beats of the native thread, which needs no GIL, over a connection of a driver.

Example::

    beats = NativeBeats(session, heartbeat)
    beats.next(BEAT, (member, offset, lineage))     # waits for the next answer
    beats.close()

The driver connects: it knows how to find the server, to log in and to do TLS.
From then on the native thread has the connection, through the same libpq:
psycopg 3 gives its `PGconn` for that (`pgconn_ptr`), and so does psycopg2
(`get_native_connection`, 2.8). Who cannot, raises `NoNativeBeats`: then the
beats are a Python thread's. So does a connection that its maker has kept, as
that of a pool: the driver's lock does not hold who has the `PGconn`, and one
that is closed or used meanwhile ends the process.
"""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Sequence
from typing import Any, Final

from cronsched._cronsched import SchedulerError
from cronsched.base.locks import threads_are_greenlets
from cronsched.ledger.postgres.connections import Connection, abandon, disconnect, is_psycopg2
from cronsched.ledger.postgres.session import Session
from cronsched.ledger.seats import Heart, Timing
from cronsched.ledger.values import LedgerError

__all__ = ['NativeBeats', 'NoNativeBeats']

#: Seconds. An answer, or that there is none, comes sooner.
PATIENCE: Final = 30.0


class NoNativeBeats(Exception):
    """The driver does not lend its connection."""


class NativeBeats:
    """See the module. Of one thread."""

    def __init__(self, session: Session, heart: Heart) -> None:
        self._session = session
        self._heart = heart
        self._process_id = 0
        self._connection: Connection | None = None     # owned
        _all.add(self)

    def next(self, statement: str, values: Sequence[str]) -> tuple[Timing, str] | None:
        """The next answer, the text in its second column; None when there is
        none yet, because it is paused or nobody may wait. `statement` has its
        values as $1. Raises `LedgerError`, and `NoNativeBeats` before the first."""
        if self._connection is None:
            self._begin(statement, values)
        else:
            self._session.close_idle()      # over which the rest of the last turn was asked
        try:
            self._heart.say(values)
            taken = self._heart.take(0.0 if threads_are_greenlets() else PATIENCE)
        except SchedulerError as error:
            self.close()
            raise LedgerError(f'the ledger {self._session.source.name}: {error}') from None
        if taken is None:
            return None
        began, ended, sent, text = taken
        return Timing(began, ended, sent), text or ''

    def _begin(self, statement: str, values: Sequence[str]) -> None:
        connection, nobodys = self._session.give_away(), object()
        try:
            if (self._session.source.may_keep
                    and sys.getrefcount(connection) > sys.getrefcount(nobodys)):
                raise NoNativeBeats('somebody else has the connection too')
            pointer, library = _lent(connection)
            self._heart.start(connection, pointer, library, statement, values)
        except BaseException as error:
            disconnect(connection)
            if isinstance(error, (SchedulerError, AttributeError, KeyError)):
                raise NoNativeBeats(str(error)) from error
            raise
        self._process_id, self._connection = os.getpid(), connection

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and self._process_id == os.getpid():
            self._heart.stop()
            disconnect(connection)

    def leave_parent(self) -> None:
        """In a child: the connection is the parent's, as is the thread."""
        connection, self._connection = self._connection, None
        if connection is not None:
            abandon(connection)


def _lent(connection: Connection) -> tuple[Any, str]:
    """The `PGconn`, and the file of what is loaded and uses the same libpq.
    Raises `AttributeError` and `KeyError` if the driver has none."""
    if is_psycopg2(connection):
        return connection.get_native_connection(), str(sys.modules['psycopg2._psycopg'].__file__)
    module = sys.modules[type(connection.pgconn).__module__]
    if module.__name__ == 'psycopg.pq.pq_ctypes':       # that of Python has it by ctypes
        return connection.pgconn.pgconn_ptr, str(sys.modules['psycopg.pq._pq_ctypes'].libname)
    return connection.pgconn.pgconn_ptr, str(module.__file__)


_all: weakref.WeakSet[NativeBeats] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for beats in list(_all):
        beats.leave_parent()


os.register_at_fork(after_in_child=_after_fork_in_child)
