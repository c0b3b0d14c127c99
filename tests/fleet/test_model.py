"""What must not happen to a run on several machines cannot, and each safety
net is needed: without it the search finds the way to what it prevents."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from model import CLOSED, TWICE, TWO_SENDERS, Protocol, World, search

CALM = World(failover=False)
DESIGNED = Protocol()


@pytest.mark.parametrize('world', [CALM, World(members=2)], ids=['three', 'failover'])
def test_no_order_of_steps_grants_a_run_twice(world: World) -> None:
    found = search(DESIGNED, world)
    print(f'{found.states} states in {found.took:.1f} s')
    assert found.broken is None, found.path
    assert found.states > 5_000   # else it has looked at little


@pytest.mark.fleet
@pytest.mark.parametrize('hold', [1, 2])
def test_nor_does_one_of_three_members_and_a_failover(hold: int) -> None:
    found = search(Protocol(hold=hold, judge=hold + 1))
    print(f'{found.states} states in {found.took:.1f} s')
    assert found.broken is None, found.path
    assert found.states > 90_000


@pytest.mark.parametrize(
    ('net', 'world', 'what'),
    [
        ({'unique_key': False}, CALM, TWICE),
        ({'prunes_early': True}, CALM, TWICE),
        ({'says_again': False}, World(), TWICE),
        ({'gate': False}, World(), TWICE),
        ({'fence': False}, CALM, CLOSED),
        ({'judge': 1}, CALM, TWO_SENDERS),
    ],
    ids=lambda each: next(iter(each)) if isinstance(each, dict) else '',
)
def test_without_a_safety_net_it_happens(net: Any, world: World, what: str) -> None:
    found = search(replace(DESIGNED, **net), world)
    assert found.broken == what


def test_a_claimant_that_does_not_come_back_is_the_known_limit() -> None:
    """An asynchronous failover forgets its claim, and nobody says it again."""
    assert search(DESIGNED, World(claimants_return=False)).broken == TWICE
