"""Who lives, as the kernel knows it: one byte of a file for each process.

Example::

    presence = Presence(Path('/var/lib/app/ledger.sqlite3-alive'))
    position = presence.hold()         # until this process ends, however it does
    presence.is_held(token, position)  # asked by another process, in any container

A process that writes to a ledger locks a byte of its own, at a random position,
with an open-file-description lock. The kernel gives it back
at the death of its holder, in every pid namespace and after a power cut. Such
a lock also survives that somebody opens and closes the file meanwhile, unlike
a POSIX record lock.

The file is beside the ledger, so whoever shares the one shares the other. It
holds a token: one that was removed and made anew says nothing about those who
held a byte of the old one.

A forked child has the descriptor of its parent, and would keep the parent's
byte locked: Python's forks close it, and a child of a plain fork() of C does
with its first use of the ledger. Until then the pid tells (`judge`).
"""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
import struct
from contextlib import suppress
from pathlib import Path
from typing import Final

from cronsched.base.directories import create_private

__all__ = ['Presence']

TOKEN_BYTES: Final = 16
POSITION_BITS: Final = 62
# struct flock, as fcntl(2) takes it: type, whence, start, length, pid.
FLOCK: Final = 'hhqqi'
SET: Final = getattr(fcntl, 'F_OFD_SETLK', None)   # None: macOS
GET: Final = getattr(fcntl, 'F_OFD_GETLK', None)


class Presence:
    """See the module. Opens nothing before the first use; not locked: one
    thread. All methods raise `OSError`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1      # owned
        self._identity = 0, 0      # of what it was opened for
        self._token = ''

    def token(self) -> str:
        """What tells this file from one made after it; '' where the system
        has no such locks."""
        if GET is None or SET is None:
            return ''
        if self._descriptor < 0:
            self._open()
        return self._token

    def hold(self) -> int:
        """The position of a byte that is ours from now on; -1 without token."""
        if not self.token():
            return -1
        assert SET is not None
        while True:
            position = secrets.randbits(POSITION_BITS)
            try:
                fcntl.fcntl(self._descriptor, SET, _lock(fcntl.F_WRLCK, position))
            except BlockingIOError:
                continue   # somebody has it
            return position

    def is_held(self, token: str, position: int) -> bool | None:
        """By any process, be it this one; None where that cannot be known:
        the byte was of another file. Makes nothing."""
        if GET is None or not token:
            return None
        try:
            # A lock of our own description would not be seen: ask through another.
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            if _read(descriptor) != token:
                return None
            found = fcntl.fcntl(descriptor, GET, _lock(fcntl.F_WRLCK, position))
        finally:
            os.close(descriptor)
        kind: int = struct.unpack(FLOCK, found)[0]
        return kind != fcntl.F_UNLCK

    def close(self) -> None:
        """Give the byte back; in a forked child, only the descriptor."""
        descriptor, self._descriptor = self._descriptor, -1
        # Who daemonizes closes all, and the number may be another file's now.
        with suppress(OSError):
            if descriptor >= 0 and _identity(descriptor) == self._identity:
                os.close(descriptor)

    def _open(self) -> None:
        create_private(self._path, secrets.token_hex(TOKEN_BYTES).encode())
        descriptor = os.open(self._path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o077:
                raise PermissionError(1, 'others may open it', str(self._path))
            self._token = _read(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor, self._identity = descriptor, _identity(descriptor)


def _read(descriptor: int) -> str:
    return os.pread(descriptor, 2 * TOKEN_BYTES, 0).decode('ascii', 'replace')


def _identity(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def _lock(kind: int, position: int) -> bytes:
    return struct.pack(FLOCK, kind, os.SEEK_SET, position, 1, 0)
