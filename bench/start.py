"""How long a process takes to start, beside bare Python: milliseconds of
importing cronsched, and of `cronsched next` in a shell.

    python bench/start.py        # bare, import, next: the least of the rounds

The least, as everything else on the machine only makes it longer. All are
started in turn, so that none has the quiet half of the run to itself.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

ROUNDS = int(os.environ.get('BENCH_STARTS', '40'))
COMMANDS = (
    ('-c', 'pass'),
    ('-c', 'import cronsched'),
    ('-m', 'cronsched', 'next', '0 9 * * MON#1', '--tz', 'Europe/Zurich'),
)


def once(*arguments: str) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - begun) * 1000


def main() -> None:
    taken = [[once(*command) for command in COMMANDS] for _ in range(ROUNDS)]
    print(*(f'{min(column):.1f}' for column in zip(*taken, strict=True)))


if __name__ == '__main__':
    main()
