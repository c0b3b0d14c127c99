"""Only what a member has seen by its own beats convicts another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cronsched.ledger.seats import Beat
from cronsched.scheduler.judge import BEAT, HOLD, QUIET, Judge
from cronsched.scheduler.pace import Pace
from cronsched.scheduler.rendezvous import Firsts, first_of

SILENT = {7: 41}


def beats(first: float, count: int, every: float = BEAT) -> Iterator[float]:
    return (first + each * every for each in range(count))


def answer(suspects: dict[int, int] = SILENT, history: str = 'a', **more: Any) -> Beat:
    return Beat(True, 0.0, history, suspects=suspects, **more)


def convicted_at(judge: Judge, times: Iterator[float], **more: Any) -> float | None:
    for at in times:
        if judge.hear(at, at + 0.01, answer(**more)):
            return at
    return None


def test_who_is_silent_for_longer_than_it_may_fire_is_convicted() -> None:
    at = convicted_at(Judge(), beats(100.0, 20))
    assert at is not None
    assert HOLD < at - 100.0 - 0.01 < HOLD + 2 * BEAT


def test_each_is_given_the_time_that_its_own_beat_gives_it() -> None:
    slow = convicted_at(Judge(), beats(100.0, 30), holds={7: 6.0})
    fast = convicted_at(Judge(Pace(2.0)), beats(100.0, 30, Pace(2.0).beat), holds={7: 1.0})
    assert slow is not None
    assert 6.0 < slow - 100.0 < 6.0 + 3 * BEAT
    assert fast is not None
    assert 1.0 < fast - 100.0 < 2.0


def test_who_beats_slowly_is_not() -> None:
    judge = Judge()
    for number, at in enumerate(beats(100.0, 60)):
        assert judge.hear(at, at, answer({7: number // 5})) == []


def test_what_we_slept_through_proves_nothing() -> None:
    judge = Judge()
    assert convicted_at(judge, beats(100.0, 6)) is None
    assert convicted_at(judge, beats(200.0, 1)) is None
    assert convicted_at(judge, beats(200.5, 20)) == pytest.approx(200.0 + 3.5)


def test_nor_does_a_beat_that_took_long_itself() -> None:
    judge = Judge()
    for at in beats(100.0, 6):
        assert judge.hear(at, at, answer()) == []
    assert judge.hear(103.0, 108.0, answer()) == []   # the store stood still
    assert judge.hear(108.1, 108.1, answer()) == []


def test_after_a_new_start_of_the_store_all_have_time_to_come_back() -> None:
    judge = Judge()
    assert convicted_at(judge, beats(100.0, 6)) is None
    at = convicted_at(judge, beats(103.0, 40), history='b')
    assert at is not None
    assert at - 103.0 >= max(QUIET, HOLD)
    judge = Judge()
    assert convicted_at(judge, beats(100.0, 6)) is None
    for at in beats(103.0, 20):   # a standby that has told to be quiet
        assert judge.hear(at, at, answer(history='b', quiet=1.0)) == []


def test_who_is_heard_again_begins_anew() -> None:
    judge = Judge()
    assert convicted_at(judge, beats(100.0, 6)) is None
    judge.hear(103.0, 103.0, answer({}))
    assert convicted_at(judge, beats(103.5, 6)) is None


def test_a_few_beats_do_not_convict_however_far_apart() -> None:
    judge = Judge()
    assert convicted_at(judge, beats(100.0, 3, every=1.7)) is None


def test_each_has_one_place_and_a_death_moves_only_what_it_had() -> None:
    ids = [f'org/{number}' for number in range(3000)]
    three, two = ('a', 'b', 'c'), ('a', 'c')
    before = {each: first_of(each, three) for each in ids}
    after = {each: first_of(each, two) for each in ids}
    assert all(after[each] == before[each] for each in ids if before[each] != 'b')
    counts = [list(before.values()).count(place) for place in three]
    assert min(counts) > 900, counts
    moved = [after[each] for each in ids if before[each] == 'b']
    assert min(moved.count('a'), moved.count('c')) > 0.4 * len(moved)
    firsts = Firsts('b')
    assert firsts.of(ids, three) == {each for each in ids if before[each] == 'b'}
    assert firsts.of(ids, two) == set()
    assert firsts.of(ids, ()) == set()
