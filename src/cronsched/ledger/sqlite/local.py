"""Whether a directory is on a disk of this machine.

Example::

    check_local(Path('/var/lib/app'))    # LedgerError: ... is on nfs4 ...

SQLite's locks, and its shared memory, hold between the processes of one
machine: over a network two machines could grant the same run.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from cronsched.ledger.values import LedgerError

__all__ = ['check_local']

MOUNTS: Final = '/proc/self/mountinfo'   # proc_pid_mountinfo(5)
REMOTE: Final = frozenset((
    'nfs', 'nfs4', 'cifs', 'smb3', 'smbfs', 'afs', 'ceph', 'lustre', 'gfs2', 'ocfs2',
    'fuse.sshfs', 'fuse.glusterfs', 'fuse.s3fs', 'fuse.ceph',
))


def check_local(directory: Path) -> None:
    """Raises `LedgerError` for a network file system, and `OSError`."""
    kind = _file_system(os.stat(directory).st_dev)
    if kind in REMOTE:
        raise LedgerError(
            f'is on {kind}, a network file system, where two machines would grant the same run: '
            'name a file on a local disk')


def _file_system(device: int) -> str | None:
    wanted = f'{os.major(device)}:{os.minor(device)}'
    try:
        with open(MOUNTS, encoding='utf-8', errors='replace') as file:
            for line in file:
                left, _, right = line.partition(' - ')
                if left.split(' ', 3)[2] == wanted:
                    return right.split(' ', 1)[0]
    except OSError:
        pass   # no /proc
    return None
