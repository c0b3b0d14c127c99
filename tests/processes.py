"""Python code in a process of its own, with a limit on its time; and what a
process has: threads, descriptors, memory."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import textwrap
from pathlib import Path

HERE = Path(__file__).parent
# A loaded machine is slow; nothing takes this long unless it hangs.
PATIENCE = 60.0


def run_python(*parts: str, seconds: float = PATIENCE, status: int = 0) -> str:
    """What it writes; fails when it fails, warns, writes an error or hangs."""
    done = subprocess.run(
        command(*parts), cwd=HERE, timeout=seconds, capture_output=True, text=True
    )
    assert done.returncode == status, done.stderr
    assert done.stderr == '', done.stderr
    return done.stdout


# A shell lets what it starts in the background ignore interrupts, and that is
# inherited; under a CI, it may have been.
INTERRUPTIBLE = 'import signal; signal.signal(signal.SIGINT, signal.default_int_handler)'


def command(*parts: str) -> list[str]:
    """The arguments of a process that runs these parts, warnings as errors."""
    code = '\n'.join([INTERRUPTIBLE, *map(textwrap.dedent, parts)])
    return [
        sys.executable, '-X', 'faulthandler', '-W', 'error',
        '-W', "ignore:'cgi' is deprecated", '-c', code,
    ]


def thread_names(pid: int | str = 'self') -> list[str]:
    """Of all threads that the system knows."""
    names = []
    for task in Path(f'/proc/{pid}/task').iterdir():
        try:
            names.append((task / 'comm').read_text().strip())
        except OSError:
            continue   # it has just ended
    return sorted(names)


def descriptors() -> int:
    return len(os.listdir('/proc/self/fd'))


def resident() -> int:
    """Bytes of memory that are in use, roughly."""
    return int(Path('/proc/self/statm').read_text().split()[1]) * os.sysconf('SC_PAGE_SIZE')


class _Mallinfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        'arena', 'ordblks', 'smblks', 'hblks', 'hblkhd',
        'usmblks', 'fsmblks', 'uordblks', 'fordblks', 'keepcost',
    )]


def allocated() -> int | None:
    """Bytes that C code has allocated in this process, to the byte; None where
    the C library does not say."""
    ask = getattr(ctypes.CDLL(None), 'mallinfo2', None)
    if ask is None:
        return None
    ask.restype = _Mallinfo
    found = ask()
    return int(found.uordblks + found.hblkhd)
