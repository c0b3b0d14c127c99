"""What a command writes: aligned columns, colours, and where they stop.

Example::

    terminal = Terminal(sys.stdout)
    columns = [Column('JOB', least=10), Column('STATE')]
    for line in terminal.table(columns, [['cleanup', terminal.good('ok')]]):
        terminal.write(line)

Colours appear on a terminal only, and not with NO_COLOR (no-color.org) or
TERM=dumb. Lines fit the terminal, or $COLUMNS: what is too long is cut, with
an ellipsis, or continues on the next line. In a pipe, and with `wide`, nothing
is cut. A reader that goes away (`| head`) ends the command in silence.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence

TYPE_CHECKING = False    # as in typing, which is slow to load
if TYPE_CHECKING:
    from typing import Final, TextIO

__all__ = ['BROKEN_PIPE', 'Column', 'Terminal', 'close_after_broken_pipe', 'screen_width', 'table']

# As a shell tells of a process that SIGPIPE ended.
BROKEN_PIPE: Final = 141

COLOUR = r'\x1b\[[0-9]*m'     # compiled where there are colours
GAP: Final = 2          # spaces between two columns
NARROWEST: Final = 40   # columns
MOST_OF_NAME: Final = 30    # in a sentence


class Column:
    """A column of a table. It may be cut down to `least` characters, or (None)
    not at all; an `optional` one is left out where all that does not help."""

    __slots__ = 'least', 'optional', 'title'

    def __init__(self, title: str, least: int | None = None, *, optional: bool = False) -> None:
        self.title = title
        self.least = least
        self.optional = optional


class Terminal:
    """A stream, with colours where it can show them. `width` is None where
    lines may have any length."""

    def __init__(self, stream: TextIO, *, wide: bool = False) -> None:
        self.stream = stream
        self.coloured = (
            stream.isatty()
            and not os.environ.get('NO_COLOR')
            and os.environ.get('TERM') != 'dumb'
        )
        self.width = None if wide else screen_width(stream)

    def write(self, line: str = '') -> None:
        self.stream.write(f'{line}\n')

    def write_cut(self, line: str) -> None:
        """In one line in any case."""
        self.write(line if self.width is None else self.cut(line, self.width))

    def write_folded(self, text: str, indent: int = 2) -> None:
        """`text` in lines that fit; those after the first are indented."""
        for line in self.fold(text, indent):
            self.write(line)

    def fold(self, text: str, indent: int = 2) -> Iterator[str]:
        """As `write_folded`; a word that is longer than a line is cut."""
        if self.width is None:
            yield text
            return
        margin = ' ' * indent
        line, *words = (self.cut(word, self.width - indent) for word in text.split(' '))
        for word in words:
            if line.strip() and _width(line) + 1 + _width(word) > self.width:
                yield line.rstrip()
                line = f'{margin}{word}'
            else:
                line = f'{line}{word}' if line == margin else f'{line} {word}'
        yield line.rstrip()

    def fold_behind(self, line: str, marks: Sequence[str]) -> Iterator[str]:
        """`line` with what is remarkable about it behind it, or below."""
        whole = (' ' * GAP).join([line, *marks])
        if self.width is None or _width(whole) <= self.width:
            yield whole
            return
        yield line
        for mark in marks:
            yield from self.fold(' ' * 2 * GAP + mark, 2 * GAP)

    def table(self, columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> Iterator[str]:
        """The titles and the rows, aligned, in lines that fit."""
        cells = [[self.strong(column.title) for column in columns], *map(list, rows)]
        widths = [max(map(_width, each)) for each in zip(*cells, strict=True)]
        kept = _shrink(columns, widths, self.width)
        for row in cells:
            yield _line([self.cut(row[i], widths[i]) for i in kept], [widths[i] for i in kept])

    def cut(self, cell: str, most: int) -> str:
        """`cell`, painted or not, in at most `most` characters."""
        if self.width is None or _width(cell) <= most:
            return cell
        painted = re.fullmatch(r'(\x1b\[[0-9]*m)(.*)(\x1b\[0m)', cell, re.DOTALL)
        if painted:
            return f'{painted[1]}{self.cut(painted[2], most)}{painted[3]}'
        dots = self._ellipsis()
        return cell[: max(most - len(dots), 0)] + dots

    def name(self, text: str) -> str:
        """A name in a sentence: printable, and cut to leave room for others."""
        from cronsched.base.text import printable

        return self.cut(printable(text), MOST_OF_NAME)

    def _ellipsis(self) -> str:
        try:
            '…'.encode(getattr(self.stream, 'encoding', None) or 'utf-8')
        except UnicodeError:
            return '...'
        return '…'

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


def screen_width(stream: TextIO) -> int | None:
    """Columns, by $COLUMNS or the terminal; None where there is neither."""
    columns = os.environ.get('COLUMNS', '')
    if columns.isascii() and columns.isdigit() and int(columns):
        return max(int(columns), NARROWEST)
    try:
        found = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError, AttributeError):
        return None
    return max(found, NARROWEST) if found else None


def _shrink(columns: Sequence[Column], widths: list[int], width: int | None) -> list[int]:
    """Reduce `widths` until a line fits; the indices of the columns that are
    shown."""
    kept = list(range(len(columns)))
    if width is None:
        return kept
    if _least(columns, widths, kept) > width:
        kept = [i for i in kept if not columns[i].optional]
    while _total(widths, kept) > width:
        spare = {i: widths[i] - least for i in kept if (least := columns[i].least) is not None}
        widest = max(spare, key=lambda i: spare[i], default=None)
        if widest is None or spare[widest] <= 0:
            break
        widths[widest] -= 1
    return kept


def _total(widths: Sequence[int], kept: Sequence[int]) -> int:
    return sum(widths[i] for i in kept) + GAP * (len(kept) - 1)


def _least(columns: Sequence[Column], widths: Sequence[int], kept: Sequence[int]) -> int:
    least = [
        width if column.least is None else min(width, column.least)
        for column, width in zip(columns, widths, strict=True)
    ]
    return _total(least, kept)


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The rows as lines whose columns are aligned; rows may be shorter."""
    columns = max((len(row) for row in rows), default=0)
    widths = [
        max(_width(row[column]) for row in rows if column < len(row))
        for column in range(columns)
    ]
    for row in rows:
        yield _line(row, widths)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (
        cell + ' ' * (width - _width(cell)) for cell, width in zip(row, widths, strict=False)
    )
    return (' ' * GAP).join(cells).rstrip()


def _width(cell: str) -> int:
    return len(re.sub(COLOUR, '', cell) if '\x1b' in cell else cell)


def close_after_broken_pipe() -> int:
    """Have nothing written any more, not even at exit; the exit status."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    return BROKEN_PIPE
