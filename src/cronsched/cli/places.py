"""Where runs were executed, for tables of runs of several machines.

Example::

    if several(rows):
        columns, cells = with_places(HISTORY, cells, rows)

One machine that is the same in each line says nothing, and is left out.
"""

from __future__ import annotations

from collections.abc import Sequence

from cronsched.base.text import printable
from cronsched.cli.terminal import Column
from cronsched.ledger import Row

__all__ = ['several', 'with_places']


def several(rows: Sequence[Row]) -> bool:
    """Whether more than one machine executed these."""
    return len({(row.machine, row.host) for row in rows if row.host}) > 1


def with_places(
    columns: Sequence[Column], cells: Sequence[Sequence[str]], rows: Sequence[Row],
) -> tuple[tuple[Column, ...], list[list[str]]]:
    """The same with host and member before the last column."""
    places = [
        f'{printable(row.host)} {row.member}' if row.host and row.member else
        printable(row.host or '-') for row in rows
    ]
    return (
        (*columns[:-1], Column('MACHINE', 8), columns[-1]),
        [[*line[:-1], place, line[-1]] for line, place in zip(cells, places, strict=True)],
    )
