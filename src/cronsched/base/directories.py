"""Where state is kept, in directories that belong to this user alone.

Example::

    state_directory()             # ~/.local/state/cronsched, made with 0700
    runtime_directory()           # $XDG_RUNTIME_DIR/cronsched
    create_private(path, secret)  # a whole file, 0600, or none

A directory that others could write to, or that is a symbolic link somebody
may turn elsewhere, is refused: who can replace the ledger can make a job run
twice, and who can replace the secret can start one.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import platformdirs

from cronsched.errors import CronError

__all__ = [
    'DirectoryError', 'create_private', 'private_directory',
    'runtime_directory', 'state_directory',
]

NAME = 'cronsched'
OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


class DirectoryError(CronError):
    """A directory or file that cannot be used safely; `path` names it."""

    def __init__(self, message: str, *, path: Path) -> None:
        super().__init__(message)
        self.path = path


def state_directory(override: str | os.PathLike[str] | None = None) -> Path:
    """What outlives a reboot: `override`, else a directory of ours in the
    first of $STATE_DIRECTORY (systemd), else the user's state directory.
    Made when missing. Raises `DirectoryError`."""
    if override is not None:
        return private_directory(override)
    given = _first_of('STATE_DIRECTORY')
    if given is not None:
        return private_directory(given / NAME)
    return private_directory(platformdirs.user_state_dir(NAME, appauthor=False))


def runtime_directory(
    override: str | os.PathLike[str] | None = None,
    *,
    state: str | os.PathLike[str] | None = None,
) -> Path:
    """What a reboot may clear: `override`, else a directory of ours in
    $RUNTIME_DIRECTORY (systemd) or $XDG_RUNTIME_DIR, else in the state
    directory (`state` overrides that). Made when missing. Raises
    `DirectoryError`."""
    if override is not None:
        return private_directory(override)
    for variable in ('RUNTIME_DIRECTORY', 'XDG_RUNTIME_DIR'):
        given = _first_of(variable)
        # A login session's directory outlives neither logout nor `su`.
        if given is not None and os.access(given, os.W_OK | os.X_OK):
            return private_directory(given / NAME)
    return private_directory(state_directory(state) / 'run')


def private_directory(path: str | os.PathLike[str]) -> Path:
    """`path`, absolute; made with 0700 when missing and checked in any case.
    Raises `DirectoryError`."""
    # Not resolve(): a link is to be seen, and refused.
    directory = Path(os.path.abspath(path))
    try:
        directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
        _check_directory(directory, directory.lstat())
    except OSError as error:
        raise DirectoryError(
            f'{directory} cannot be made or used ({error.strerror}): give this user a '
            'directory of its own, with $STATE_DIRECTORY (systemd: StateDirectory=) or '
            'the setting cronjobs.state_directory', path=directory,
        ) from error
    return directory


def _first_of(variable: str) -> Path | None:
    # systemd separates several directories by colons. With DynamicUser= each
    # is a link that systemd made, in a directory of root's: follow it.
    first = os.environ.get(variable, '').split(':')[0]
    return Path(os.path.realpath(first)) if os.path.isabs(first) else None


def _check_directory(directory: Path, status: os.stat_result) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise DirectoryError(
            f'{directory} is a symbolic link: name the directory itself, '
            f'{os.path.realpath(directory)}', path=directory,
        )
    if not stat.S_ISDIR(status.st_mode):
        raise DirectoryError(f'{directory} is not a directory: name another', path=directory)
    if not belongs_to_us(status):
        raise DirectoryError(
            f'{directory} belongs to the user {status.st_uid}, not to {os.geteuid()}: run as '
            'that user, or name a directory of your own', path=directory,
        )
    if status.st_mode & OTHERS_MAY_WRITE:
        raise DirectoryError(
            f'{directory} may be written to by others: chmod 700 {directory}', path=directory,
        )


def belongs_to_us(status: os.stat_result) -> bool:
    """Whether what was looked at is ours. Everything is root's: it looks at
    the ledger of an application with `sudo cronsched status`."""
    return status.st_uid == os.geteuid() or os.geteuid() == 0


def create_private(path: Path, content: bytes) -> bool:
    """Make the file `path`, 0600, with all of `content` at once: whoever finds
    it finds it whole. False if it was there already. Raises `OSError`."""
    descriptor, scratch = tempfile.mkstemp(prefix=f'.{path.name}.', dir=path.parent)
    try:
        with open(descriptor, 'wb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # A link, as a rename would replace what another process just made.
        os.link(scratch, path)
    except FileExistsError:
        return False
    finally:
        os.unlink(scratch)
    return True
