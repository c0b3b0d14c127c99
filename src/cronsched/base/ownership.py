"""Whether a file or directory can be changed by nobody but us (and root).

Example::

    check_way(Path('/var/lib/app/cronsched'))         # nobody can put another in its place
    check_directory(Path('/var/lib/app/cronsched'))   # nobody can put a file into it

Who can replace the ledger can make a job run twice, and who can replace the
secret can start one. Whoever may write to a directory can rename what is in
it, so each directory on the way counts, up to the root.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from cronsched.errors import CronError

__all__ = [
    'DirectoryError', 'belongs_to_us', 'check_directory', 'check_way', 'has_name_elsewhere',
    'name_of_user', 'others_may_write',
]

ROOT: Final = 0
OTHERS_MAY_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
MOST_LINKS: Final = 40      # as the kernel: path_resolution(7)
LOOKS: Final = 3


class DirectoryError(CronError):
    """A directory or file that cannot be used safely; `path` names it."""

    def __init__(self, message: str, *, path: Path) -> None:
        super().__init__(message)
        self.path = path


def belongs_to_us(status: os.stat_result) -> bool:
    """Also for root: what it takes from another user, that user can change."""
    return status.st_uid == os.geteuid()


def others_may_write(status: os.stat_result) -> bool:
    return bool(status.st_mode & OTHERS_MAY_WRITE)


def name_of_user(uid: int) -> str:
    """For a message."""
    try:
        return f'the user {pwd.getpwuid(uid).pw_name}'
    except KeyError:
        return f'the user {uid}'


def check_directory(directory: Path) -> None:
    """See that nobody else can make a file in `directory`. Raises `OSError`
    and `DirectoryError`."""
    status = directory.lstat()
    if stat.S_ISLNK(status.st_mode):
        raise DirectoryError(
            f'{directory} is a symbolic link: name the directory itself, '
            f'{os.path.realpath(directory)}', path=directory,
        )
    if not stat.S_ISDIR(status.st_mode):
        raise DirectoryError(f'{directory} is not a directory: name another', path=directory)
    if not belongs_to_us(status):
        raise DirectoryError(
            f'{directory} belongs to {name_of_user(status.st_uid)}, not to '
            f'{name_of_user(os.geteuid())}: run as that user, or name a directory of your own',
            path=directory,
        )
    if others_may_write(status):
        raise DirectoryError(
            f'{directory} may be written to by others: chmod 700 {directory}', path=directory,
        )


def check_way(directory: Path) -> None:
    """See that nobody else can put another in the place of `directory`, or of
    what it will be in as far as that is there. Raises `OSError` and
    `DirectoryError`."""
    for step, status in _steps(directory):
        if step == directory:
            return
        if status.st_uid not in (ROOT, os.geteuid(), _unknown_user()):
            raise DirectoryError(
                f'{step} belongs to {name_of_user(status.st_uid)}, who could put another in the '
                f'place of {directory}: name a directory that is not below it', path=step,
            )
        if not stat.S_ISLNK(status.st_mode) and _is_open(status):
            raise DirectoryError(
                f'{step} may be written to by others, who could put another in the place of '
                f'{directory}: chmod go-w {step}, or name a directory that is not below it',
                path=step,
            )


def _steps(path: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Each directory and link on the way to `path`, as the kernel goes it;
    ends at what is not there."""
    place, links = Path('/'), 0
    yield place, place.lstat()
    rest = list(path.parts[1:])
    while rest:
        name = rest.pop(0)
        step = place.parent if name == '..' else place / name
        try:
            status = step.lstat()
        except FileNotFoundError:
            return
        if stat.S_ISDIR(status.st_mode):
            yield step, status
            place = step
            continue
        if not stat.S_ISLNK(status.st_mode):
            return      # the kernel will say that it is not a directory
        yield step, status
        links += 1
        if links > MOST_LINKS:
            return      # whoever opens it gets the kernel's own error
        target = Path(os.readlink(step))
        if target.is_absolute():
            place = Path('/')
        rest[:0] = target.parts[1:] if target.is_absolute() else target.parts


def _is_open(status: os.stat_result) -> bool:
    """Whether others may rename what is in the directory. In one like /tmp
    they may not; and a group that is ours alone has no others."""
    if status.st_mode & stat.S_ISVTX:
        return False
    if status.st_mode & stat.S_IWOTH:
        return True
    return bool(status.st_mode & stat.S_IWGRP) and not _is_private_group(status.st_gid)


def _is_private_group(gid: int) -> bool:
    """A group of one user, named as the user (Debian, Fedora: umask 002)."""
    try:
        user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(gid)
    except KeyError:
        return False
    if gid == ROOT:
        return not set(group.gr_mem) - {'root'}
    return (
        user.pw_gid == gid and group.gr_name == user.pw_name
        and not set(group.gr_mem) - {user.pw_name}
    )


@cache
def _unknown_user() -> int | None:
    """In a user namespace (a sandbox, a container without root), whoever is
    not mapped owns what the system made."""
    try:
        whole = Path('/proc/self/uid_map').read_text().split() == ['0', '0', '4294967295']
        return None if whole else int(Path('/proc/sys/kernel/overflowuid').read_text())
    except (OSError, ValueError):
        return None


def has_name_elsewhere(path: Path, descriptor: int) -> bool:
    """Whether the open file is also in another directory. In ours it may be
    for a moment, under the name with which it was made."""
    for _ in range(LOOKS):
        status = os.fstat(descriptor)
        if status.st_nlink <= 1:
            return False
        with os.scandir(path.parent) as entries:
            names = sum(entry.inode() == status.st_ino for entry in entries)
        if names >= status.st_nlink:
            return False
    return True
