"""One connection to the database, used safely from all threads and all processes.

Example::

    session = Session(Source('postgresql://app@db/app'))
    session.ask('SELECT verdict FROM cronsched.claim_v1(...)', values)
    session.member()        # the number of this process in the ledger

A statement is a transaction. One whose answer was lost is asked again on a new
connection, until `patience` is over: each that writes can be told twice.

A process has one connection and a lock around it; one that was not used for a
minute is closed, as a server has few. A forked child leaves that
of its parent alone, and makes its own.
"""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Sequence
from typing import Any, Final

from cronsched.base.locks import Lock
from cronsched.ledger.postgres import errors, schema, watch
from cronsched.ledger.postgres.connections import (
    Connection,
    Rows,
    Source,
    abandon,
    cancel,
    disconnect,
    driver_errors,
    execute,
    is_broken,
)
from cronsched.ledger.process import Process
from cronsched.ledger.values import LedgerError

__all__ = ['NoAnswer', 'Session']

FIRST_PAUSE: Final = 0.02       # seconds
LONGEST_PAUSE: Final = 0.5
BREATHER: Final = 2.0
CANCEL_PATIENCE: Final = 1.0
REGISTER: Final = 'SELECT cronsched.register_v1(%s, %s, %s, %s, %s, %s)'


class NoAnswer(LedgerError):
    """What was asked may have been done, or be done yet."""

    passing = True


class Again(Exception):
    """The statement may be asked again; says why it failed."""


class Handle:
    """What one process has. The lock is for all of it."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.connection: Connection | None = None   # owned
        self.member: int | None = None

    def close(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            disconnect(connection)


class Session:
    """See the module. All methods raise `LedgerError` when the database cannot
    be used. Making one connects to nothing."""

    def __init__(self, source: Source, patience: float = 5.0) -> None:
        self.source = source
        self.patience = patience
        self._by_pid: dict[int, Handle] = {}
        # Also when nobody closes it before the interpreter ends.
        weakref.finalize(self, _close_own, self._by_pid)
        self._failed_at = -BREATHER
        _all.add(self)

    def ask(
        self, sql: str, values: Sequence[Any] = (), *, patience: float | None = None,
    ) -> Rows:
        """The rows of one statement, asked until there is an answer. Raises
        `NoAnswer` if there was none."""
        patience = self.patience if patience is None else patience
        end, pause = watch.seconds() + patience, FIRST_PAUSE
        # Somebody has just waited in vain: who asks now is told so at once.
        is_down = watch.seconds() - self._failed_at < BREATHER
        failed: Again | None = None
        while True:
            try:
                rows = self._ask_once(sql, values, end)
                self._failed_at = -BREATHER
                return rows
            except Again as error:
                failed = error
            except LedgerError as error:
                if failed is None:
                    raise
                raise NoAnswer(str(error)) from error
            if is_down or watch.seconds() + pause >= end:
                self._failed_at = watch.seconds()
                raise NoAnswer(str(self._error(str(failed)))) from failed.__cause__
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def give_away(self) -> Connection:
        """The connection, or a new one, for the caller to keep and to close."""
        handle = self._own()
        with handle.lock:
            connection, handle.connection = handle.connection, None
        try:
            return connection or self._connect(watch.seconds() + self.patience)
        except driver_errors() as error:
            raise self._error(errors.told(error)) from error
        except Again as error:
            raise self._error(str(error)) from error
        except LedgerError as error:
            raise self._error(str(error)) from None

    def member(self) -> int:
        """The number of this process, which is written with the first use."""
        handle = self._own()
        if handle.member is None:
            here = Process.current()
            member: int = self.ask(REGISTER, (
                here.machine, here.boot, here.namespace, here.pid, here.started, here.host,
            ))[0][0]
            with handle.lock:   # another thread may have been faster
                handle.member = handle.member or member
        return handle.member

    def known_member(self) -> int:
        """The same, of who only looks: 0 if nothing was written yet."""
        return self._own().member or 0

    def forget_member(self) -> None:
        """The others took this process for dead: it is somebody new from now on."""
        self._own().member = None

    def close(self, *, executing: bool = False) -> None:
        """Close what this process opened; another use opens it again."""
        handle = self._own()
        if handle.lock.acquire(timeout=self.patience):
            handle.close()
            handle.lock.release()

    def close_idle(self) -> None:
        """Close the connection, if nobody uses it at this moment."""
        handle = self._own()
        if handle.lock.acquire(timeout=0.0):
            handle.close()
            handle.lock.release()

    def _ask_once(self, sql: str, values: Sequence[Any], end: float) -> Rows:
        handle = self._own()
        left = end - watch.seconds()
        if left <= 0 or not handle.lock.acquire(timeout=left):
            busy = self._error('stays busy with what other threads of this process ask')
            busy.passing = True
            raise busy
        try:
            return self._use(handle, sql, values, end)
        except driver_errors() as error:
            self._after(handle, error)
            raise self._error(errors.told(error)) from error
        except LedgerError as error:
            handle.close()
            raise self._error(str(error)) from None
        except Again:
            raise
        except ValueError as error:     # psycopg2, of a text that it cannot send
            raise self._error(errors.told(error)) from error
        except BaseException:
            handle.close()      # its answer may be on its way still
            raise
        finally:
            handle.lock.release()

    def _use(self, handle: Handle, sql: str, values: Sequence[Any], end: float) -> Rows:
        if handle.connection is None:
            handle.connection = self._connect(end)
        connection = handle.connection
        with watch.over(connection.fileno(), max(end - watch.seconds(), 0.1),
                        lambda: cancel(connection, CANCEL_PATIENCE)) as watched:
            rows = execute(connection, sql, values)
        if watched.late:    # it waited for a standby, and has not what it waited for
            handle.close()
            raise Again('does not answer in time: look at its standby, and who holds locks')
        return rows

    def _connect(self, end: float) -> Connection:
        try:
            connection = self.source.connect(max(end - watch.seconds(), 0.1))
        except Exception as error:
            if isinstance(error, (LedgerError, driver_errors())):
                raise
            # Of the application's function.
            raise Again(f'cannot be connected to ({error!r})') from error
        try:
            with watch.over(connection.fileno(), max(end - watch.seconds(), 0.1)):
                schema.check(connection)
        except BaseException:
            disconnect(connection)
            raise
        return connection

    def _after(self, handle: Handle, error: Exception) -> None:
        """Raises `Again` for what another try may mend."""
        down = errors.is_down(error)
        if down or (handle.connection is not None and is_broken(handle.connection)):
            handle.close()
        if down or errors.is_passing(error):
            raise Again(errors.told(error)) from error

    def _own(self) -> Handle:
        pid = os.getpid()
        handle = self._by_pid.get(pid)
        if handle is None:
            self.leave_parent()
            handle = self._by_pid.setdefault(pid, Handle())
        return handle

    def leave_parent(self) -> None:
        """In a child: the parent's connection is not touched, and ends with
        the parent."""
        for pid in set(self._by_pid) - {os.getpid()}:
            connection = self._by_pid.pop(pid).connection
            if connection is not None:
                abandon(connection)

    def _error(self, what: str) -> LedgerError:
        if what.startswith('the ledger '):
            return LedgerError(what)
        return LedgerError(f'the ledger {self.source.name} {what}')


def _close_own(handles: dict[int, Handle]) -> None:
    handle = handles.get(os.getpid())
    if handle is not None:
        handle.close()


_all: weakref.WeakSet[Session] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for session in list(_all):
        session.leave_parent()


def _close_idle() -> None:
    for session in list(_all):
        session.close_idle()


watch.at_rest(_close_idle)
os.register_at_fork(after_in_child=_after_fork_in_child)
