"""A history of any length, written while it is read.

Example::

    write_stream(newest(ledger, ['org/zug'], None, 1_000_000))
"""

from __future__ import annotations

import heapq
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from cronsched.ledger import Ledger, Row
from cronsched.report.overview import row_data

__all__ = ['newest', 'write_stream']

FEW: Final = 200


def newest(
    ledger: Ledger, application_ids: Sequence[str] | None, job: str | None, most: int,
) -> Iterator[Row]:
    """The newest first, of some application ids or (None) of all."""
    chosen: Sequence[str | None] = application_ids or [None]
    walks: list[Iterable[Row]] = [
        # A walk reads in pieces, which are large.
        ledger.history(application_id=each, job=job, limit=most) if 0 < most <= FEW
        else ledger.walk(application_id=each, job=job) for each in chosen]
    merged = heapq.merge(*walks, key=lambda row: -row.run.scheduled)
    return islice(merged, max(most, 0))


def write_stream(rows: Iterable[Row]) -> None:
    """To stdout: a JSON array, a row a line."""
    encode, comma = json.JSONEncoder(ensure_ascii=False).encode, '['
    for row in rows:
        sys.stdout.write(f'{comma}\n  {encode(row_data(row))}')
        comma = ','
    sys.stdout.write('\n]\n' if comma == ',' else '[]\n')
