"""What the command line writes: aligned tables, lines, JSON.

Example::

    write_table(('JOB', 'STATE'), [('cleanup', 'ok')], coloured=1)

Colours are for a terminal only, and not where $NO_COLOR is set
(https://no-color.org).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final

__all__ = ['write_json', 'write_lines', 'write_table']

GREEN, YELLOW, BLUE, RED = '32', '33', '34', '31'
COLOURS: Final = {
    '-': None, 'ok': GREEN, 'running': BLUE, 'skipped_overlap': YELLOW, 'skipped_paused': YELLOW,
}
GAP: Final = '  '


def write_table(
    head: Sequence[str], rows: Sequence[Sequence[str]], *, coloured: int | None = None,
) -> None:
    """Columns as wide as they need to be; `coloured` is the index of the one
    that holds the states of runs."""
    lines = [tuple(map(_printable, row)) for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    colours = _may_colour()
    for number, line in enumerate(lines):
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        if number and colours and coloured is not None:
            cells[coloured] = _painted(line[coloured], cells[coloured])
        sys.stdout.write(GAP.join(cells).rstrip() + '\n')


def write_lines(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stdout.write(f'{_printable(line)}\n')


def write_json(data: Any) -> None:
    sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + '\n')


def _printable(text: str) -> str:
    # An error message of a view must not steer the terminal.
    return ''.join(letter if letter.isprintable() else '?' for letter in text)


def _may_colour() -> bool:
    return (sys.stdout.isatty() and not os.environ.get('NO_COLOR')
            and os.environ.get('TERM') != 'dumb')


def _painted(state: str, cell: str) -> str:
    colour = COLOURS.get(state, RED)
    return cell if colour is None else f'\x1b[{colour}m{cell}\x1b[0m'
