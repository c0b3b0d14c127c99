"""Which place has an application id, if all agree on who lives.

Example::

    firsts = Firsts(place='b')
    firsts.of(['org/zug', 'org/bern'], ('a', 'b', 'c'))    # {'org/bern'}

By the rendezvous hash: when a place goes, only what it had moves, and to all
that are left. It spreads the load and keeps all from grasping at once; that
nobody has what another has is not its affair.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

__all__ = ['Firsts', 'first_of']

MASK: Final = 0xFFFFFFFFFFFFFFFF


class Firsts:
    """See the module. It remembers what it has found."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._places: tuple[str, ...] = ()
        self._found: dict[str, bool] = {}

    def of(self, application_ids: Iterable[str], places: tuple[str, ...]) -> set[str]:
        """Those that `place` has, of these."""
        if places != self._places:
            self._places, self._found = places, {}
        found = self._found
        for each in application_ids:
            if each not in found:
                found[each] = first_of(each, places) == self._place
        return {each for each in application_ids if found[each]}


def first_of(application_id: str, places: tuple[str, ...]) -> str:
    """'' of none."""
    mine = _hash(application_id)
    return max(places, key=lambda place: (_mix(mine ^ _hash_of_place(place)), place), default='')


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), 'big')


@lru_cache(maxsize=4096)
def _hash_of_place(place: str) -> int:
    return _hash(place)


def _mix(value: int) -> int:
    # The finalizer of splitmix64: a million pairs of hashes in a second or so.
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & MASK
    value = (value ^ value >> 27) * 0x94D049BB133111EB & MASK
    return value ^ value >> 31
