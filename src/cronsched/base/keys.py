"""The secret of an application, and the keys that are derived from it.

Example::

    secret = state_secret('/var/lib/app/cronsched')
    key = derive_key(secret, 'org/zug')     # 32 bytes
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from pathlib import Path
from typing import Final

from cronsched.base.directories import DirectoryError, belongs_to_us, create_private
from cronsched.errors import ConfigurationError

__all__ = ['KEY_SIZE', 'derive_key', 'state_secret']

KEY_SIZE: Final = 32
SECRET_FILE: Final = 'secret'       # noqa: S105 (its name)
SHORTEST_SECRET: Final = 32         # characters, of those we make
OTHERS_MAY_READ: Final = 0o077


def derive_key(secret: str | bytes, application_id: str) -> bytes:
    """The 32 bytes that sign the requests of one application id: HKDF with
    SHA-256 (RFC 5869) of `secret`, salt ``cronsched/1``, info ``request``,
    NUL, application id. Raises `ConfigurationError` without a secret."""
    if not secret:
        raise ConfigurationError(
            'the secret is empty: set it, or leave it out to have one made', field='secret',
        )
    material = secret.encode() if isinstance(secret, str) else secret
    info = b'request\0' + application_id.encode()
    extracted = hmac.digest(b'cronsched/1', material, 'sha256')
    return hmac.digest(extracted, info + b'\x01', 'sha256')


def state_secret(directory: str | os.PathLike[str]) -> str:
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


def _read_secret(path: Path) -> str:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    with open(descriptor, encoding='ascii', errors='replace') as file:
        status = os.fstat(descriptor)
        secret = file.read(4096).strip() if stat.S_ISREG(status.st_mode) else ''
    if not belongs_to_us(status):
        raise DirectoryError(
            f'{path} belongs to the user {status.st_uid}: remove it, a new one is made', path=path,
        )
    if status.st_mode & OTHERS_MAY_READ:
        raise DirectoryError(
            f'{path} may be read by others, so it is not a secret any more: remove it, a new one '
            'is made', path=path,
        )
    if len(secret) < SHORTEST_SECRET:
        raise DirectoryError(
            f'{path} is empty or damaged: remove it, a new one is made', path=path,
        )
    return secret
