"""Whether this is still the same process, for code that asks with every request.

Example::

    here = mark()           # here[0] is 1; in a child it is 0, until it is set
    if not here[0]:
        ...                 # forget what the parent did
        here[0] = 1

`os.getpid()` is a system call of 0.2 to 0.3 µs. Here it is a byte that the
kernel wipes in a forked child (madvise(2), MADV_WIPEONFORK), also after a fork
that runs no hook of Python's, as uWSGI's.
"""

from __future__ import annotations

import mmap
import os
import sys
import threading
import time
from typing import Final, Protocol

__all__ = ['Mark', 'await_gone', 'mark', 'process_id']

MADV_WIPEONFORK: Final = 18   # Linux 4.14; not among mmap's names


class Mark(Protocol):
    """Something with one byte, at 0."""

    def __getitem__(self, index: int, /) -> int: ...
    def __setitem__(self, index: int, value: int, /) -> None: ...


class _ByProcessId:
    """The same by asking the system, where its kernel cannot wipe."""

    def __init__(self) -> None:
        self._process_id = os.getpid()

    def __getitem__(self, index: int, /) -> int:
        return int(self._process_id == os.getpid())

    def __setitem__(self, index: int, value: int, /) -> None:
        self._process_id = os.getpid()


def mark() -> Mark:
    """See the module. A page of memory for each, so make few."""
    if not sys.platform.startswith('linux'):
        return _ByProcessId()
    try:
        page = mmap.mmap(-1, mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        page.madvise(MADV_WIPEONFORK)
    except OSError:
        return _ByProcessId()
    page[0] = 1
    return page


_here = mark()
_process_id = os.getpid()


def process_id() -> int:
    """`os.getpid()`, asked once in each process."""
    global _process_id
    if not _here[0]:
        _process_id = os.getpid()
        _here[0] = 1
    return _process_id


def await_gone(thread_id: int | None, timeout: float) -> None:
    """A joined thread may still be on its way out, and Python counts those
    that the system knows before it warns about a fork."""
    if thread_id == threading.get_native_id():
        return   # it was a greenlet
    path = f'/proc/self/task/{thread_id}'
    end = time.monotonic() + timeout
    while os.path.exists(path) and time.monotonic() < end:
        time.sleep(0.0002)
