"""Every time that the command line shows is one that it accepts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from cronsched.cli.times import clock_text, late_text, parse_time, took_text
from cronsched.errors import CronError
from cronsched.report.reasons import time_text
from cronsched.schedule import Schedule

ZURICH = ZoneInfo('Europe/Zurich')
NOW = datetime(2026, 11, 24, 14, 42, 4, tzinfo=ZURICH).timestamp()
# What a zone's clocks show twice, zones of half an hour, without a name.
ZONES = ('Europe/Zurich', 'UTC', 'America/New_York', 'Australia/Lord_Howe', 'America/Sao_Paulo',
         'Asia/Kathmandu', 'Africa/Casablanca', 'Antarctica/Troll')


@pytest.mark.parametrize(('at', 'text'), [
    ('2026-11-24T14:42:00', '14:42:00'),
    ('2026-11-24T00:00:00', '00:00:00'),
    ('2026-11-24T23:59:00', '23:59:00'),
    ('2026-11-23T08:00:00', '23 Nov 08:00'),
    ('2026-11-23T08:00:07', '23 Nov 08:00:07'),
    ('2026-01-01T00:00:00', '1 Jan 00:00'),
    ('2025-12-31T23:00:00', '2025-12-31 23:00'),
    ('2027-02-01T08:00:00', '2027-02-01 08:00'),
    ('2026-10-25T02:30:00', '25 Oct 02:30 CEST'),
])
def test_a_time_is_as_short_as_it_can_be(at: str, text: str) -> None:
    local = datetime.fromisoformat(at).replace(tzinfo=ZURICH)
    assert clock_text(local.timestamp(), ZURICH, NOW) == text


@pytest.mark.parametrize('name', ZONES)
def test_what_is_shown_is_accepted(name: str) -> None:
    zone = ZoneInfo(name)
    for now in (NOW, datetime(2027, 1, 1, tzinfo=zone).timestamp() + 5, NOW - 30 * 86400):
        for hours in (*range(-9000, 9000, 337), *range(-30, 30)):
            at = now // 1 + hours * 3600 - hours % 7
            for text in (clock_text(at, zone, now), f'{clock_text(at, zone, now)} +22 s',
                         time_text(at, zone), time_text(at), str(int(at))):
                assert parse_time(text, zone, now) == at, text


@pytest.mark.parametrize('name', ZONES)
def test_a_time_that_comes_twice_is_accepted_both_times(name: str) -> None:
    zone = ZoneInfo(name)
    now = datetime(2027, 6, 1, tzinfo=UTC).timestamp()
    native = Schedule('@daily', name).zone
    end = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
    while (end := native.span_at(end)[1] or int(now)) < now:
        for at in range(end - 9000, end + 9000, 300):
            shown = clock_text(at, zone, now)
            assert parse_time(shown, zone, now) == at, shown


@pytest.mark.parametrize(('text', 'at'), [
    ('14:42', '2026-11-24T14:42:00+01:00'),
    ('8:05', '2026-11-24T08:05:00+01:00'),
    ('14:42:00 +22 s', '2026-11-24T14:42:00+01:00'),
    ('24 Nov', '2026-11-24T00:00:00+01:00'),
    ('1 Jan 2027 08:00', '2027-01-01T08:00:00+01:00'),
    ('2026-11-24 15:19:13 UTC', '2026-11-24T15:19:13+00:00'),
    ('2026-11-24 15:19:13 CET', '2026-11-24T15:19:13+01:00'),
    ('Sun 2027-03-28 03:00 +02:00', '2027-03-28T03:00:00+02:00'),
    ('2027-03-28T01:00:00Z', '2027-03-28T01:00:00+00:00'),
    ('2026-11-24T08:00+05:30', '2026-11-24T08:00:00+05:30'),
    ('20261124T080000', '2026-11-24T08:00:00+01:00'),
])
def test_a_time_can_be_written_so(text: str, at: str) -> None:
    assert parse_time(text, ZURICH, NOW) == datetime.fromisoformat(at).timestamp()


def test_shortly_after_midnight_a_late_hour_is_that_of_yesterday() -> None:
    now = datetime(2026, 11, 25, 0, 1, tzinfo=ZURICH)
    found = parse_time('23:59:00', ZURICH, now.timestamp())
    assert found == (now - timedelta(minutes=2)).timestamp()


@pytest.mark.parametrize('text', [
    '', 'yesterday', '25:00', '14:61', '31 Feb', '24 Now 08:00', '24 Nov 08:00 nonsense',
    '2026-13-01', '12', '+22 s', '99999999999999999999', '14:42 EST', '0 Nov',
])
def test_what_is_not_a_time_is_an_error_that_says_what_to_write(text: str) -> None:
    with pytest.raises(CronError, match='write'):
        parse_time(text, ZURICH, NOW)


@pytest.mark.parametrize(('seconds', 'late', 'took'), [
    (0.0, '', '0.0 s'), (0.4, '', '0.4 s'), (22.4, '+22 s', '22.4 s'), (99.9, '+100 s', '99.9 s'),
    (120, '+2 min', '2 min'), (7200, '+2 h', '2 h'),
])
def test_a_duration_is_short(seconds: float, late: str, took: str) -> None:
    assert (late_text(seconds), took_text(seconds)) == (late, took)
