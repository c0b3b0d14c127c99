"""Where state is kept, in directories that belong to this user alone.

Example::

    state_directory()             # ~/.local/state/cronsched, made with 0700
    runtime_directory()           # ~/.local/state/cronsched/run
    find_state_directory()        # the same as the first, but nothing is made
    create_private(path, secret)  # a whole file, 0600, or none

A directory that others could write to, or that somebody could put another in
the place of, is refused: see `ownership`.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from cronsched.base.ownership import DirectoryError, check_directory, check_way

__all__ = [
    'DirectoryError', 'create_private', 'find_state_directory', 'private_directory',
    'runtime_directory', 'state_directory',
]

NAME = 'cronsched'


def find_state_directory(override: str | os.PathLike[str] | None = None) -> Path:
    """What outlives a reboot: `override`, else a directory of ours in the
    first of $STATE_DIRECTORY (systemd), else the user's state directory. It
    may not be there, or belong to somebody else: for who only looks."""
    if override is not None:
        # Not resolve(): a link is to be seen, and refused.
        return Path(os.path.abspath(override))
    given = _first_of('STATE_DIRECTORY')
    if given is not None:
        return given / NAME
    import platformdirs

    return Path(os.path.abspath(platformdirs.user_state_dir(NAME, appauthor=False)))


def state_directory(override: str | os.PathLike[str] | None = None) -> Path:
    """The same, made when missing. Raises `DirectoryError`."""
    return private_directory(find_state_directory(override))


def runtime_directory(
    override: str | os.PathLike[str] | None = None,
    *,
    state: str | os.PathLike[str] | None = None,
) -> Path:
    """What a reboot may clear: `override`, else a directory of ours in
    $RUNTIME_DIRECTORY (systemd), else in the state directory (`state`
    overrides that). Made when missing. Raises `DirectoryError`.

    Not in $XDG_RUNTIME_DIR: a logout removes that under processes that go
    on, and one that cron or systemd starts has none, so it would not agree
    with one that a login has started."""
    if override is not None:
        return private_directory(override)
    given = _first_of('RUNTIME_DIRECTORY')
    if given is not None and os.access(given, os.W_OK | os.X_OK) and _is_ours(given):
        return private_directory(given / NAME)
    return private_directory(state_directory(state) / 'run')


def private_directory(path: str | os.PathLike[str]) -> Path:
    """`path`, absolute; each part that is missing is made with 0700, and all
    are checked. Raises `DirectoryError`."""
    directory = Path(os.path.abspath(path))
    try:
        check_way(directory)
        _make(directory)
        check_way(directory)
        check_directory(directory)
    except OSError as error:
        raise DirectoryError(
            f'{directory} cannot be made or used ({error.strerror}): give this user a '
            'directory of its own, with $STATE_DIRECTORY (systemd: StateDirectory=) or '
            'the setting cronjobs.state_directory', path=directory,
        ) from error
    return directory


def _make(directory: Path) -> None:
    """With all that it is in. Not by `mkdir(parents=True)`, which gives the
    mode to the last part alone."""
    if not os.path.lexists(directory.parent):
        _make(directory.parent)
    # It may be there for long, or by another process just now.
    with suppress(FileExistsError):
        os.mkdir(directory, 0o700)


def _is_ours(directory: Path) -> bool:
    return directory.stat().st_uid == os.geteuid()


def _first_of(variable: str) -> Path | None:
    # systemd separates several directories by colons. With DynamicUser= each
    # is a link that systemd made, in a directory of root's: follow it.
    first = os.environ.get(variable, '').split(':')[0]
    return Path(os.path.realpath(first)) if os.path.isabs(first) else None


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
