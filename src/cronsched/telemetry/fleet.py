"""Figures about those who share a ledger, for Prometheus.

Example::

    yield from families(ledger)

By host, as processes come and go: who lives, how many application ids each
fires, when it was last heard and by how much its clock is off; and how often
something happened among them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import Final

from cronsched.base.extras import requires

with requires('prometheus'):
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from cronsched.ledger import Fleet, Ledger, Member

__all__ = ['families']

COUNTED: Final = {
    'lapses': 'How often a process was not heard for so long that it held back.',
    'convictions': 'How often the others took a process for dead.',
    'deposed': 'How often a process that lives was taken for dead.',
    'said_again': 'Claims that a failover had lost, and that were said again.',
}


def families(ledger: Ledger) -> Iterator[Metric]:
    """Where one machine has the ledger, only who lives and who fires how much.
    Raises `LedgerError`."""
    alive = [each for each in ledger.members() if each.alive]
    yield _by_host('cronsched_members', 'Processes that fire calls or execute runs, and live.',
                   alive, lambda member: 1, sum)
    yield _by_host('cronsched_member_seats', 'Application ids whose calls they make.',
                   alive, lambda member: member.seats, sum)
    fleet = ledger.fleet()
    if fleet is None:
        return
    yield _by_host(
        'cronsched_member_silence_seconds', 'How long ago they were heard, at most.',
        alive, lambda member: member.silent, max)
    yield _by_host(
        'cronsched_member_clock_offset_seconds',
        "Their clock minus that of the ledger, where it is farthest off.",
        alive, lambda member: member.offset, lambda found: max(found, key=abs))
    yield GaugeMetricFamily(
        'cronsched_seats_free', 'Application ids whose calls nobody makes.', fleet.free)
    yield from _counters(fleet)


def _by_host(
    name: str, text: str, members: Iterable[Member],
    of: Callable[[Member], float | None], merge: Callable[[list[float]], float],
) -> Metric:
    found: dict[str, list[float]] = defaultdict(list)
    for member in members:
        value = of(member)
        if value is not None:
            found[member.host].append(value)
    family = GaugeMetricFamily(name, text, labels=['host'])
    for host, values in found.items():
        family.add_metric([host], merge(values))
    return family


def _counters(fleet: Fleet) -> Iterator[Metric]:
    counts = asdict(fleet)
    for name, text in COUNTED.items():
        yield CounterMetricFamily(f'cronsched_{name}', text, counts[name])
