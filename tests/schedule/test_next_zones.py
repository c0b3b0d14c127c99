"""A seeded sample of `prove_zones`: some zones and the odd ones, a few of
their transitions."""

import random
from zoneinfo import ZoneInfo, available_timezones

import pytest
from prove_zones import examine, transitions

SEED = 20111230
ODD = (
    'Africa/Cairo',
    'Africa/Casablanca',
    'America/New_York',
    'America/Santiago',
    'Antarctica/Troll',
    'Asia/Beirut',
    'Australia/Lord_Howe',
    'Europe/Dublin',
    'Europe/Zurich',
)
# Years in which the clock was set by a day, or for good.
ONCE = (
    ('Pacific/Apia', 2011),
    ('Pacific/Fakaofo', 2011),
    ('America/Caracas', 2016),
    ('Asia/Pyongyang', 2018),
    ('Europe/Volgograd', 2018),
    ('Asia/Kathmandu', 2000),
)
YEARS = range(2000, 2037)


def sample():
    """(zone, first year): two years of each."""
    choice = random.Random(SEED)
    names = sorted(available_timezones())
    return [
        *((name, choice.choice(YEARS)) for name in ODD),
        *ONCE,
        *((name, choice.choice(YEARS)) for name in choice.sample(names, 20)),
    ]


@pytest.mark.parametrize(('name', 'year'), sample())
def test_every_question_around_a_transition_has_the_right_answer(name, year):
    for minute in transitions(ZoneInfo(name), year, year + 1):
        expressions, questions, faults = examine(name, minute)
        assert faults == []
        assert expressions > 0
        assert questions > 1000


@pytest.mark.parametrize(('name', 'year'), ONCE[:-1])
def test_the_sample_contains_clocks_that_were_set_once(name, year):
    assert list(transitions(ZoneInfo(name), year, year + 1))
