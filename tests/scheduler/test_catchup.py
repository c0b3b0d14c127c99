from __future__ import annotations

import pytest

from cronsched.jobs.options import Policy
from cronsched.schedule import Schedule
from cronsched.scheduler.catchup import Gap, find_gap

HOUR = 1_792_000_800   # 2026-10-14 18:00 UTC
MINUTELY = Schedule('* * * * *', 'UTC')


def gap(after, boundary, offset=0.0, schedule=MINUTELY, known=(), **options):
    """All in seconds from `HOUR`."""
    found = find_gap(
        schedule,
        after=HOUR + after,
        boundary=HOUR + boundary,
        offset=offset,
        policy=Policy(**options),
        known=[HOUR + each for each in known],
    )
    missed = [(first - HOUR, last - HOUR, count) for first, last, count in found.missed]
    return Gap(tuple(each - HOUR for each in found.fire), tuple(missed))


@pytest.mark.parametrize(
    ('after', 'boundary', 'offset', 'expected'),
    [
        # What is due at the boundary is the scheduler's own.
        (0, 60, 0.0, Gap()),
        (0, 60.001, 0.0, Gap((60,))),
        (0, 72.5, 12.5, Gap()),
        (0, 72.501, 12.5, Gap((60,))),
        (60, 119, 0.0, Gap()),
        (60, 121, 0.0, Gap((120,))),
        (0, 181, 0.0, Gap((180,), ((60, 120, 2),))),
    ],
)
def test_what_was_due_before_the_boundary_is_missing(after, boundary, offset, expected):
    assert gap(after, boundary, offset) == expected


@pytest.mark.parametrize(
    ('boundary', 'expected'), [(660, Gap((60,))), (660.5, Gap((), ((60, 60, 1),)))]
)
def test_a_run_that_is_later_than_catch_up_is_missed(boundary, expected):
    once = Schedule('1 18 14 10 *', 'UTC')
    assert gap(0, boundary, schedule=once) == expected


def test_nothing_is_caught_up_where_the_job_says_so():
    assert gap(0, 181, catch_up=0) == Gap((), ((60, 180, 3),))


def test_each_run_within_catch_up_fires_where_it_counts():
    assert gap(0, 301, catch_up=150, coalesce=False) == Gap((180, 240, 300), ((60, 120, 2),))


def test_runs_that_have_a_record_are_left_out():
    found = gap(0, 301, coalesce=False, known=[60, 180, 300])
    assert found == Gap((120, 240))


def test_runs_are_missed_around_those_that_have_a_record():
    found = gap(0, 361, known=[120, 300])
    assert found == Gap((360,), ((60, 60, 1), (180, 240, 2)))
    assert gap(0, 301, known=[300]) == Gap((), ((60, 240, 4),))


def test_a_schedule_that_never_comes_misses_nothing():
    assert gap(0, 301, schedule=Schedule('0 0 30 2 *', 'UTC')) == Gap()


def test_a_gap_of_years_is_counted_for_a_month():
    found = gap(-10 * 365 * 86_400, 1, schedule=Schedule('0 0 * * *', 'UTC'))
    ((_, _, count),) = found.missed
    assert count == 30
