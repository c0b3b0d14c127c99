"""A million application ids on a hundred hosts, on paper and a virtual clock.

    python tests/fleet/simulate.py [ids [hosts [cells]]]

It spreads ids over cells (a database each) and buckets over hosts by the hash
that seats use, has each id run once a minute with the offset that the native
side seeds, and lets a host die, which the others judge by the rules of
`judge`. Nothing is measured but how the real parts spread, and how long they
take; what one database bears is measured elsewhere (docs/scale.md).
"""

from __future__ import annotations

import random
import statistics
import sys
from collections import Counter
from dataclasses import dataclass
from typing import Final

from cronsched._cronsched import seeded_offset
from cronsched.ledger.seats import Beat
from cronsched.scheduler.judge import BEAT, Judge
from cronsched.scheduler.rendezvous import first_of

BUCKETS: Final = 4096
MINUTE: Final = 60
DEATHS: Final = 2000


@dataclass(frozen=True)
class Spread:
    """How many each has, of those that have most and least."""

    mean: float
    least: int
    most: int

    @classmethod
    def of(cls, counts: Counter[str], names: tuple[str, ...]) -> Spread:
        found = [counts[each] for each in names]
        return cls(statistics.mean(found), min(found), max(found))

    def __str__(self) -> str:
        return f'{self.mean:,.0f} on average, {self.least:,} to {self.most:,}'


def per_second(ids: list[str], most: float) -> list[int]:
    """How many of them are sent in each second of a minute, one run each."""
    seconds = Counter(int(seeded_offset(f'{each}/job', most)) % MINUTE for each in ids)
    return [seconds[second] for second in range(MINUTE)]


def takeover(chance: random.Random) -> float:
    """Seconds from the death of a member until another has convicted it: both
    beat each BEAT, at phases of chance, on a machine that is a little late."""
    judge, at = Judge(), chance.uniform(0, BEAT)
    died, before = 10.0 + chance.uniform(0, BEAT), chance.uniform(0, BEAT)
    while True:
        silent = at - (died - before) > 0.7   # since its last beat
        answered = at + chance.uniform(0.001, 0.05)
        suspects = {1: 7} if at > died and silent else {}
        if judge.hear(at, answered, Beat(True, at, 'a', suspects=suspects)):
            return answered - died
        at += BEAT + chance.uniform(0.0, 0.05)


def main() -> None:
    count, hosts, cells = (int(each) for each in [*sys.argv[1:], 1_000_000, 100, 8][:3])
    ids = [f'org/{number}' for number in range(count)]
    cell_names = tuple(f'cell-{number}' for number in range(cells))
    host_names = tuple(f'host-{number}' for number in range(hosts))
    of_cell = Counter(first_of(each, cell_names) for each in ids)
    buckets = {f'bucket-{number}': '' for number in range(BUCKETS)}
    for each in buckets:
        buckets[each] = first_of(each, host_names)
    of_host = Counter(buckets.values())
    print(f'{count:,} ids, {hosts} hosts, {cells} cells, {BUCKETS:,} buckets')
    print(f'  ids of a cell: {Spread.of(of_cell, cell_names)}')
    print(f'  buckets of a host: {Spread.of(of_host, host_names)}')
    tell_load(ids, cells, hosts)
    tell_death(buckets, host_names, count)
    chance = random.Random(1)
    took = sorted(takeover(chance) for _ in range(DEATHS))
    print(f'  a dead host is convicted after {statistics.median(took):.2f} s, '
          f'99 % in {took[int(DEATHS * .99)]:.2f} s, all in {took[-1]:.2f} s ({DEATHS:,} deaths)')


def tell_load(ids: list[str], cells: int, hosts: int) -> None:
    for most in (0.0, 30.0, 60.0):
        seconds = per_second(ids, most)
        print(f'  max_offset {most:.0f} s: {max(seconds):,} runs in the busiest second, '
              f'{min(seconds):,} in the least; {max(seconds) / cells:,.0f} of a cell, '
              f'{max(seconds) / hosts:,.0f} of a host')


def tell_death(buckets: dict[str, str], hosts: tuple[str, ...], count: int) -> None:
    dead, *alive = hosts
    had = [each for each, host in buckets.items() if host == dead]
    heirs = Counter(first_of(each, tuple(alive)) for each in had)
    moved = sum(
        first_of(each, tuple(alive)) != host for each, host in buckets.items() if host != dead)
    share = count / len(buckets)
    print(f'  when {dead} dies: {len(had)} buckets ({len(had) * share:,.0f} ids) go to '
          f'{len(heirs)} hosts, at most {max(heirs.values())} to one; of the others {moved} move')


if __name__ == '__main__':
    main()
