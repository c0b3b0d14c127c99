"""Names for others: five fields of crontab, and slugs."""

from __future__ import annotations

import re
from itertools import islice

import pytest
from telemetry_stage import NOW

from cronsched import Schedule
from cronsched.telemetry.crontab import five_fields, smallest_gap
from cronsched.telemetry.slugs import slug


@pytest.mark.parametrize(
    ('expression', 'said'),
    [
        ('*/15 8-10 * * MON-FRI', '0,15,30,45 8,9,10 * * 1,2,3,4,5'),
        ('0 3 1 * *', '0 3 1 * *'),
        ('0 3 1 * MON', '0 3 1 * 1'),
        ('0 3 * JAN,JUL SUN', '0 3 * 1,7 0'),
        ('0 0 3 * * *', '0 3 * * *'),      # the seconds are 0
        ('0 0 3 * * * *', '0 3 * * *'),    # and any year
        ('@daily', '0 0 * * *'),
    ],
)
def test_five_fields_say_it(expression, said):
    schedule = Schedule(expression, 'Europe/Zurich')
    assert five_fields(schedule) == said
    assert times(Schedule(said, 'Europe/Zurich')) == times(schedule)


def times(schedule):
    def each():
        at = NOW
        while True:
            at = schedule.next_epoch(at)
            yield at

    return list(islice(each(), 200))


def test_h_is_sent_as_what_it_became():
    schedule = Schedule('H H * * *', 'UTC', seed='tidy')
    assert re.fullmatch(r'\d+ \d+ \* \* \*', five_fields(schedule))
    assert times(Schedule(five_fields(schedule), 'UTC')) == times(schedule)


@pytest.mark.parametrize(
    'expression',
    ['30 0 3 * * *', '0 3 L * *', '0 3 L-3 * *', '0 3 15W * *', '0 3 LW * *', '0 3 * * MON#1',
     '0 3 * * 5L', '0 3 1 * +MON', '0 0 3 * * * 2027', '@reboot'],
)
def test_what_five_fields_cannot_say(expression):
    assert five_fields(Schedule(expression, 'UTC')) is None


def test_a_zone_without_a_name_cannot_be_said():
    from datetime import timedelta, timezone

    assert five_fields(Schedule('0 3 * * *', timezone(timedelta(hours=2)))) is None


@pytest.mark.parametrize(
    ('expression', 'gap'), [('* * * * *', 60), ('*/25 * * * *', 600), ('0 3 1 * *', 86_400)])
def test_the_smallest_gap(expression, gap):
    assert smallest_gap(Schedule(expression, 'UTC')) == gap


NAMES = [
    ('shop', 'tidy'), ('shop', 'Tidy'), ('shop', 'ti.dy'), ('shop', 'ti-dy'), ('shop-ti', 'dy'),
    ('shop-ti-dy', 'x'), ('org/zug', 'tidy'), ('org-zug', 'tidy'), ('12', '34'), ('1', '234'),
    ('ä', 'ö'), ('', 'x'), ('x' * 200, 'y'), ('x' * 200, 'z'), ('-', '-'), ('a\0b', 'c'),
]


def test_slugs_are_what_sentry_and_healthchecks_take_and_no_two_are_alike():
    slugs = [slug(*each) for each in NAMES]
    assert len(set(slugs)) == len(NAMES)
    for each in slugs:
        assert re.fullmatch(r'[a-z0-9_-]{1,50}', each)
        assert not each.isdigit()
    assert slugs[0] == 'shop-tidy'
    assert slug('org/zug', 'tidy') == slug('org/zug', 'tidy')
