"""Where the marks of a day stand, and which of them are one."""

from __future__ import annotations

from itertools import pairwise

from cronsched.dashboard.gantt import Item, busy, labels, marks

START, END, WIDTH = 0, 86400, 960
MINUTE = 60


def drawn(*items: Item) -> list[tuple[float, float, str, str]]:
    found = marks(
        items, START, END, WIDTH, lambda name, count, first, last: f'{count} {name}',
        lambda name, count, first, last: f'{first}-{last}')
    return [(mark.x, mark.width, mark.title, mark.href or '') for mark in found]


def at(minute: int, state: str = 'ok', length: int = 0) -> Item:
    return Item(minute * MINUTE, (minute + length) * MINUTE, state, minute * MINUTE)


def test_a_run_is_as_wide_as_it_took_but_never_too_narrow_to_see() -> None:
    assert drawn(at(90, length=90)) == [(60.0, 60.0, '1 ok', '5400-5400')]
    assert drawn(at(90))[0][1] == 2.5


def test_what_reaches_over_midnight_ends_there() -> None:
    assert drawn(at(-60, length=120)) == [(0.0, 40.0, '1 ok', '-3600--3600')]
    assert drawn(at(1380, length=600))[0][:2] == (920.0, 40.0)


def test_neighbours_that_touch_are_one() -> None:
    every = [at(minute) for minute in range(0, 1440, 1)]
    assert [each[2:] for each in drawn(*every)] == [('1440 ok', '0-86340')]
    assert len(drawn(*[at(minute) for minute in range(0, 1440, 15)])) == 96


def test_what_ended_otherwise_is_not_hidden_in_a_band() -> None:
    every = [at(minute, 'failed' if minute == 700 else 'ok') for minute in range(1440)]
    assert [each[2] for each in drawn(*every)] == ['700 ok', '1 failed', '739 ok']


def test_nowhere_do_two_marks_lie_in_the_way_of_each_other() -> None:
    found = marks(
        [at(minute, 'failed') for minute in range(0, 1440, 9)], START, END, WIDTH,
        lambda *_: '', lambda *_: '')
    assert len(found) > 100
    for one, other in pairwise(found):
        assert one.left + one.reach <= other.left + 0.02


def test_how_many_execute_at_once_is_counted() -> None:
    counted = busy([at(0, length=60), at(30, length=60), at(600, length=1)], START, END)
    assert (max(counted), counted[2], counted[7], counted[12]) == (2, 1, 2, 1)
    assert sum(1 for each in counted if each == 2) in (5, 6)
    assert counted[200] == 0
    assert max(busy([], START, END)) == 0


def test_an_axis_tells_the_time_of_the_zone() -> None:
    assert labels(START, END, 4, 'Europe/Zurich') == ['01:00', '07:00', '13:00', '19:00']
    assert labels(START, 7 * END, 7, None)[1] == 'Fri 00:00'
