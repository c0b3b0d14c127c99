"""The files of a ledger, opened without following what somebody else put there.

Example::

    identity, made = secured(path)       # 0600, ours; a LedgerError if it cannot be
    connection = connect(path, identity, 'mode=rw')

A name can be turned to another file between two looks at it. So the file is
looked at through a descriptor, its mode is set through the same descriptor,
and SQLite, which opens it by name, is asked afterwards which file it has.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from cronsched.base.directories import create_private
from cronsched.base.ownership import (
    DirectoryError,
    belongs_to_us,
    check_directory,
    check_way,
    has_name_elsewhere,
    name_of_user,
    others_may_write,
)
from cronsched.ledger.sqlite.handles import Identity
from cronsched.ledger.values import LedgerError

__all__ = ['connect', 'identity_of', 'looked_at', 'secured']

# Names the file and reads nothing: closing another descriptor would give back
# the locks that SQLite has on it. Where there is none, no link is followed.
OPEN_TO_LOOK = getattr(os, 'O_PATH', os.O_RDONLY | os.O_NONBLOCK) | os.O_NOFOLLOW | os.O_CLOEXEC

# Who else may read the history is for its user to say; nobody else writes it.
MOST_ALLOWED = stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP

DESCRIPTORS = '/proc/self/fd'


def secured(path: Path, *, make: bool = True) -> tuple[Identity, bool]:
    """The ledger at `path`, made if `make` and missing, and whether it was. Raises `LedgerError`
    when it is not a file of this user, or others could change or replace it."""
    try:
        check_way(path.parent)
        check_directory(path.parent)
        made = make and not os.path.lexists(path) and create_private(path, b'')
        with _open(path) as descriptor:
            status = os.fstat(descriptor)
            _check(path, descriptor, status)
            if status.st_mode & 0o777 & ~MOST_ALLOWED:
                _chmod(descriptor, status.st_mode & MOST_ALLOWED)
            return identity_of(status), made
    except DirectoryError as error:
        raise LedgerError(f'cannot be kept safely there: {error}') from error
    except OSError as error:
        raise LedgerError(
            f'cannot be made or opened ({error.strerror}): give this user the right to '
            'write the file and its directory'
        ) from error


def looked_at(path: Path) -> Identity:
    """The ledger at `path`, whosever it is; nothing is changed. Raises
    `LedgerError` when somebody else than its owner could have put it there."""
    try:
        if others_may_write(path.parent.stat()):
            raise LedgerError(
                f'is in a directory that others may write to, so it can be anything: '
                f'chmod go-w {path.parent}'
            )
        with _open(path) as descriptor:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise LedgerError('is not a regular file: name another')
            return identity_of(status)
    except OSError as error:
        raise LedgerError(
            f'cannot be looked at ({error.strerror}): run this as the user of the application, '
            'or as one of its group who may read the file'
        ) from error


def connect(path: Path, identity: Identity, options: str) -> sqlite3.Connection:
    """SQLite's connection to the file of that identity, and to no other."""
    connection = sqlite3.connect(
        f'file:{quote(str(path))}?{options}', uri=True, timeout=0, isolation_level=None,
        check_same_thread=False,
    )
    if not _is_open(identity):
        connection.close()
        raise LedgerError('was replaced while it was opened: see who else writes there')
    return connection


def identity_of(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino


@contextmanager
def _open(path: Path) -> Iterator[int]:
    descriptor = os.open(path, OPEN_TO_LOOK)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _check(path: Path, descriptor: int, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise LedgerError('is not a regular file of this user: name another')
    if not belongs_to_us(status):
        raise LedgerError(
            f'belongs to {name_of_user(status.st_uid)}, not to {name_of_user(os.geteuid())}: '
            'run this as that user'
        )
    if has_name_elsewhere(path, descriptor):
        raise LedgerError('has a second name elsewhere (a hard link): remove that one')


def _chmod(descriptor: int, mode: int) -> None:
    if hasattr(os, 'O_PATH'):
        # The kernel's own link to the file, whatever its name leads to now.
        os.chmod(f'{DESCRIPTORS}/{descriptor}', mode)
    else:
        os.fchmod(descriptor, mode)


def _is_open(identity: Identity) -> bool:
    """Whether this process has that file open; True where one cannot see."""
    try:
        names = os.listdir(DESCRIPTORS)
    except OSError:
        return True
    for name in names:
        try:
            if identity_of(os.stat(f'{DESCRIPTORS}/{name}')) == identity:
                return True
        except OSError:
            continue    # closed meanwhile
    return False
