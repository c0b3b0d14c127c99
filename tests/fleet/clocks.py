"""Clocks that are wrong, and may be set while others look at them.

Example::

    clocks = Clocks()
    clock = clocks.make('a', 5)
    subprocess.Popen(..., env=os.environ | clock.environment)
    clock.set(3600)          # an hour ahead, at once
    clocks.close()

See skew.c. The directory is one that any user may read.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

SOURCE = Path(__file__).parent / 'skew.c'


class Clock:
    """Of a host, or of a database; `seconds` ahead of that of the machine."""

    def __init__(self, library: Path, path: Path, seconds: int) -> None:
        self.environment = {'LD_PRELOAD': str(library), 'FLEET_CLOCK': str(path)}
        self.seconds = seconds
        self._path = path
        path.write_bytes(struct.pack('=q', seconds))
        path.chmod(0o644)

    def set(self, seconds: int) -> None:
        self.seconds = seconds
        with open(self._path, 'r+b', buffering=0) as file:   # the file that they have mapped
            file.write(struct.pack('=q', seconds))


class Clocks:
    """See the module."""

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix='clocks-', dir='/tmp'))
        self._directory.chmod(0o755)
        self._library = self._directory / 'skew.so'
        subprocess.run(['cc', '-shared', '-fPIC', '-O1', '-o', str(self._library), str(SOURCE),
                        '-ldl', '-lpthread'], check=True, capture_output=True)

    def make(self, name: str, seconds: int = 0) -> Clock:
        return Clock(self._library, self._directory / name, seconds)

    def close(self) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)
