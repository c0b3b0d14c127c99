"""The secret of an application, and the keys that are derived from it.

Example::

    secret = state_secret('/var/lib/app/cronsched')
    key = derive_key(secret, 'org/zug')     # 32 bytes

What reports an error (Sentry, a debugger's page) shows the local variables of
each function that the error passed. So a secret is bare in none of them: it is
carried as a `Secret`, and a key as a `Key`, which show nothing of themselves.
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from pathlib import Path
from typing import Any, Final

from cronsched.base.directories import create_private
from cronsched.base.ownership import (
    DirectoryError,
    belongs_to_us,
    has_name_elsewhere,
    name_of_user,
)
from cronsched.errors import ConfigurationError

__all__ = [
    'KEY_SIZE', 'SECRET_FILE', 'SHORTEST_SECRET', 'Key', 'Secret', 'derive_key', 'state_secret',
]

KEY_SIZE: Final = 32
SECRET_FILE: Final = 'secret'       # noqa: S105 (its name)
#: Characters; of those that somebody else writes.
SHORTEST_SECRET: Final = 16
SHORTEST_MADE: Final = 32           # characters, of those we make
OTHERS_MAY_READ: Final = 0o077


class Secret:
    """A secret that shows nothing of itself; equal to another of the same
    text. Whatever it is made of, making one raises nothing."""

    __slots__ = ('_text',)

    def __init__(self, text: Any) -> None:
        self._text: Any = text._text if isinstance(text, Secret) else text

    def reveal(self) -> str:
        """The text. Only where nothing can raise before it is forgotten."""
        return self._text   # type: ignore[no-any-return]

    def problem(self) -> str | None:
        """Why it is of no use; None if it is."""
        if not isinstance(self._text, str):
            return 'is no text'
        if len(self._text) < SHORTEST_SECRET:
            return f'is shorter than {SHORTEST_SECRET} characters'
        if any('\ud800' <= letter <= '\udfff' for letter in self._text):
            return 'holds half a character'
        return None

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return bool(self._text == other._text)

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return 'Secret(...)'


class Key(bytes):
    """A key that shows nothing of itself."""

    def __repr__(self) -> str:
        return 'Key(...)'

    __str__ = __repr__


def derive_key(secret: Secret | str | bytes, application_id: str) -> Key:
    """The 32 bytes that sign the requests of one application id: HKDF with
    SHA-256 (RFC 5869) of `secret`, salt ``cronsched/1``, info ``request``,
    NUL, application id. Raises `ConfigurationError` without a secret, and for
    an application id that is not text."""
    secret = Secret(secret)
    if not secret:
        raise ConfigurationError(
            'the secret is empty: set it, or leave it out to have one made', field='secret',
        )
    try:
        info = b'request\0' + application_id.encode() + b'\x01'
    except UnicodeEncodeError:
        raise ConfigurationError(
            f'the application id {application_id!r} is not text: half a character cannot be '
            'signed',
        ) from None
    return Key(hmac.digest(_extracted(secret), info, 'sha256'))


def _extracted(secret: Secret) -> bytes:
    text: Any = secret.reveal()
    material = text if isinstance(text, bytes) else text.encode('utf-8', 'surrogatepass')
    return hmac.digest(b'cronsched/1', material, 'sha256')


def state_secret(directory: str | os.PathLike[str]) -> Secret:
    """The secret kept in `directory`, made at random the first time: processes
    that race for it all get the same. Raises `DirectoryError` when others may
    read it."""
    path = Path(directory) / SECRET_FILE
    try:
        if not path.exists():
            create_private(path, secrets.token_urlsafe(48).encode() + b'\n')
        return _read_secret(path)
    except OSError as error:
        raise DirectoryError(
            f'{path} cannot be read or made ({error.strerror}): give this user the right '
            'to, or set a secret for the application', path=path,
        ) from error


def _read_secret(path: Path) -> Secret:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    with open(descriptor, encoding='ascii', errors='replace') as file:
        status = os.fstat(descriptor)
        secret = Secret(file.read(4096).strip() if stat.S_ISREG(status.st_mode) else '')
        problem = _problem_of(path, status)
        if problem is None and has_name_elsewhere(path, descriptor):
            problem = 'has a second name elsewhere (a hard link)'
    if problem is None and len(secret.reveal()) < SHORTEST_MADE:
        problem = 'is empty or damaged'
    if problem is not None:
        raise DirectoryError(f'{path} {problem}: remove it, a new one is made', path=path)
    return secret


def _problem_of(path: Path, status: os.stat_result) -> str | None:
    if not belongs_to_us(status):
        return f'belongs to {name_of_user(status.st_uid)}'
    if status.st_mode & OTHERS_MAY_READ:
        return 'may be read by others, so it is not a secret any more'
    return None
