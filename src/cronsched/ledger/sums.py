"""Totals from the rows that stores keep of them; no store.

Example::

    added_up([('org/zug', 'cleanup', 'ok', 0, 1, 3, 0.2, 0.9)])    # one Total of 3

A row is of one application id, job, outcome, bucket of the time it took, and
bucket of how late it began: -1 for what never began; then come its count and
its seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any, Final

from cronsched.ledger.values import BUCKETS, Total

__all__ = ['NONE', 'added_up']

NONE: Final = -1   # the bucket of what never began


def added_up(rows: Iterable[tuple[Any, ...]]) -> list[Total]:
    """`rows` are in the order of their first three columns."""
    return [_total(key, list(group)) for key, group in groupby(rows, lambda row: row[:3])]


def _total(key: tuple[Any, ...], rows: list[tuple[Any, ...]]) -> Total:
    buckets, late_buckets = [0] * (len(BUCKETS) + 1), [0] * (len(BUCKETS) + 1)
    for row in rows:
        if row[3] != NONE:
            buckets[row[3]] += row[5]
            late_buckets[row[4]] += row[5]
    count, seconds, late = (sum(row[column] for row in rows) for column in (5, 6, 7))
    return Total(
        key[0], key[1], key[2], count, float(seconds), float(late), tuple(buckets),
        tuple(late_buckets))
