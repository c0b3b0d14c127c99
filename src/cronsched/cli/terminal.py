"""What a command writes: aligned columns, colours, and where they stop.

Example::

    terminal = Terminal(sys.stdout)
    for line in table([['id', 'state'], ['1', terminal.good('ok')]]):
        terminal.write(line)

Colours appear on a terminal only, and not with NO_COLOR (no-color.org) or
TERM=dumb. A reader that goes away (`| head`) ends the command in silence.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Final, TextIO

__all__ = ['BROKEN_PIPE', 'Terminal', 'close_after_broken_pipe', 'table']

# As a shell tells of a process that SIGPIPE ended.
BROKEN_PIPE: Final = 141

COLOUR = re.compile(r'\x1b\[[0-9]*m')


class Terminal:
    """A stream with colours where it can show them."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.coloured = (
            stream.isatty()
            and not os.environ.get('NO_COLOR')
            and os.environ.get('TERM') != 'dumb'
        )

    def write(self, line: str = '') -> None:
        self.stream.write(f'{line}\n')

    def good(self, text: str) -> str:
        return self._paint(text, 32)

    def warning(self, text: str) -> str:
        return self._paint(text, 33)

    def bad(self, text: str) -> str:
        return self._paint(text, 31)

    def strong(self, text: str) -> str:
        return self._paint(text, 1)

    def faint(self, text: str) -> str:
        return self._paint(text, 2)

    def _paint(self, text: str, colour: int) -> str:
        return f'\x1b[{colour}m{text}\x1b[0m' if self.coloured else text


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The rows as lines whose columns are aligned."""
    columns = max((len(row) for row in rows), default=0)
    widths = [
        max(_width(row[column]) for row in rows if column < len(row))
        for column in range(columns)
    ]
    for row in rows:
        cells = (
            cell + ' ' * (width - _width(cell))
            for cell, width in zip(row, widths, strict=False)
        )
        yield '  '.join(cells).rstrip()


def _width(cell: str) -> int:
    return len(COLOUR.sub('', cell))


def close_after_broken_pipe() -> int:
    """Have nothing written any more, not even at exit; the exit status."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    return BROKEN_PIPE
