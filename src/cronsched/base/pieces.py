"""What is too much for one statement, in parts.

Example::

    for piece in pieces(rows, 500):
        insert(piece)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

__all__ = ['pieces']

Item = TypeVar('Item')


def pieces(every: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """In lists of at most so many."""
    rest = iter(every)
    while piece := list(islice(rest, size)):
        yield piece
