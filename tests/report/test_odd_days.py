"""What the two odd days of a year do to a job."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cronsched import Schedule
from cronsched.report.odd_days import odd_days

NOW = datetime(2026, 9, 1, tzinfo=UTC).timestamp()


def told(expression: str, timezone: str) -> dict[str, tuple[str, str]]:
    return {
        day.kind: (day.date, day.told)
        for day in odd_days(Schedule(expression, timezone), NOW)
    }


@pytest.mark.parametrize(('expression', 'timezone', 'forward', 'back'), [
    ('30 2 * * *', 'Europe/Zurich',
     ('2027-03-28', 'runs at 03:00, moved from 02:30: clocks go forward'),
     ('2026-10-25', 'runs at 02:30, 02:30 happens twice: first one')),
    ('*/15 * * * *', 'Europe/Zurich',
     ('2027-03-28', '92 runs instead of 96'), ('2026-10-25', '100 runs instead of 96')),
    ('0 8 * * *', 'Europe/Zurich',
     ('2027-03-28', 'runs as on any day'), ('2026-10-25', 'runs as on any day')),
    ('0 3 * * MON', 'Europe/Zurich',
     ('2027-03-28', 'does not run that day'), ('2026-10-25', 'does not run that day')),
    # Midnight does not exist there, and clocks go back to the day before.
    ('0 0 * * *', 'America/Santiago',
     ('2026-09-06', 'runs at 01:00, moved from 00:00: clocks go forward'),
     ('2027-04-03', 'runs as on any day')),
    # Half an hour.
    ('15 2 * * *', 'Australia/Lord_Howe',
     ('2026-10-04', 'runs at 02:30, moved from 02:15: clocks go forward'),
     ('2027-04-04', 'runs as on any day')),
    ('45 1 * * *', 'Australia/Lord_Howe',
     ('2026-10-04', 'runs as on any day'),
     ('2027-04-04', 'runs at 01:45, 01:45 happens twice: first one')),
    ('* * * * * *', 'America/New_York',
     ('2027-03-14', 'runs whenever the clock shows it'),
     ('2026-11-01', 'runs whenever the clock shows it')),
])
def test_a_job_is_told_its_odd_days(
    expression: str, timezone: str, forward: tuple[str, str], back: tuple[str, str],
) -> None:
    assert told(expression, timezone) == {'forward': forward, 'back': back}


def test_the_runs_of_an_odd_day_are_counted() -> None:
    back, forward = odd_days(Schedule('0 * * * *', 'Europe/Zurich'), NOW)
    assert (back.runs, back.usual, back.change) == (25, 24, '03:00 becomes 02:00')
    assert (forward.runs, forward.usual, forward.change) == (23, 24, '02:00 becomes 03:00')


@pytest.mark.parametrize(('expression', 'timezone'), [
    ('0 3 * * *', 'UTC'), ('@reboot', 'Europe/Zurich')])
def test_some_have_none(expression: str, timezone: str) -> None:
    assert odd_days(Schedule(expression, timezone), NOW) == []
