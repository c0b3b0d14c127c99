"""`parse_cron`: the original's grammar and more, and what is wrong with the rest."""

from __future__ import annotations

import pytest

from cronsched import CronError, parse_cron


@pytest.mark.parametrize(
    ('value', 'type', 'expected'),
    [
        ('*', 'hour', tuple(range(24))),
        ('*', 'minute', tuple(range(60))),
        ('*/20', 'minute', (0, 20, 40)),
        ('*/2', 'hour', tuple(range(0, 24, 2))),
        ('*/60', 'minute', (0,)),
        ('3', 'hour', (3,)),
        ('03', 'hour', (3,)),
        ('00', 'minute', (0,)),
        (59, 'minute', (59,)),
        (0, 'hour', (0,)),
        ('8-10,12', 'hour', (8, 9, 10, 12)),
    ],
)
def test_it_gives_the_values_that_are_meant(value, type, expected):
    assert parse_cron(value, type) == expected
    assert parse_cron(value=value, type=type) == expected


@pytest.mark.parametrize(
    ('value', 'type', 'position'),
    [
        ('*/5x', 'minute', 3),
        ('*/61', 'minute', 0),
        ('*/25', 'hour', 0),
        ('*/0', 'minute', 2),
        ('25', 'hour', 0),
        (24, 'hour', 0),
        (60, 'minute', 0),
        (-1, 'hour', 0),
        ('²', 'hour', 0),
        ('', 'minute', 0),
        (True, 'hour', 0),
        (None, 'minute', 0),
        (1.5, 'minute', 0),
    ],
)
def test_what_the_original_took_by_accident_is_an_error_with_the_value(value, type, position):
    with pytest.raises(CronError) as caught:
        parse_cron(value, type)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, RuntimeError)
    assert caught.value.position == position
    assert str(value) in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize('type', ['day', 'second', 'hours', ''])
def test_another_type_is_not_implemented(type):
    with pytest.raises(NotImplementedError):
        parse_cron('*', type)
