"""How long a process takes to start, beside bare Python: milliseconds of
importing cronsched, and of `cronsched next` in a shell.

    python bench/start.py        # bare, import, next: the least of the rounds

The least, as everything else on the machine only makes it longer. All are
started in turn, so that none has the quiet half of the run to itself.

All have their byte code, as what pip installed has: it is written by the first
round, into a directory of its own, whatever PYTHONDONTWRITEBYTECODE says.
Without it a start is as long as it takes to compile the modules.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping

ROUNDS = int(os.environ.get('BENCH_STARTS', '40'))
COMMANDS = (
    ('-c', 'pass'),
    ('-c', 'import cronsched'),
    ('-m', 'cronsched', 'next', '0 9 * * MON#1', '--tz', 'Europe/Zurich'),
)


def once(environment: Mapping[str, str], *arguments: str) -> float:
    begun = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=environment)
    return (time.perf_counter() - begun) * 1000


def compiled_in(directory: str) -> dict[str, str]:
    """The environment of a Python that keeps its byte code there."""
    kept = {name: value for name, value in os.environ.items()
            if name != 'PYTHONDONTWRITEBYTECODE'}
    return {**kept, 'PYTHONPYCACHEPREFIX': directory}


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        environment = compiled_in(directory)
        taken = [
            [once(environment, *command) for command in COMMANDS] for _ in range(1 + ROUNDS)
        ][1:]
    print(*(f'{min(column):.1f}' for column in zip(*taken, strict=True)))


if __name__ == '__main__':
    main()
