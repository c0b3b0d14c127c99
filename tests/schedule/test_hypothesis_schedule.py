"""Properties of every expression, and every text."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import islice
from random import Random
from zoneinfo import ZoneInfo

import pytest
from expressions import Expression, random_expression
from hypothesis import example, given, settings
from hypothesis import strategies as st
from zone_oracle import DAY, EPOCH_ORDINAL, Clock, Examination, Pattern

from cronsched import ExpressionError, Schedule

ZONES = ('UTC', 'Europe/Zurich', 'America/New_York', 'Australia/Lord_Howe', 'Africa/Casablanca',
         'America/Santiago', 'Pacific/Apia', 'Antarctica/Troll', 'Asia/Kathmandu')
END = 7258118400
HORIZON = timedelta(days=800)

expressions = st.builds(random_expression, st.randoms(use_true_random=False))
epochs = st.integers(0, END - 1)
seeds = st.integers(0, 2**63)


@given(expressions, st.integers(1_500_000_000, 2_200_000_000))
@settings(max_examples=400, deadline=None)
def test_next_and_previous_are_those_of_the_calendar(expression: Expression, start: int) -> None:
    schedule = Schedule(expression.text)
    begin = datetime.fromtimestamp(start, UTC)
    expected = list(islice(expression.runs(begin, begin + HORIZON), 4))
    found = list(islice(schedule.between(begin + timedelta(seconds=1), begin + HORIZON), 4))
    assert found == expected
    if expected:
        back = [schedule.previous(run) for run in expected[1:]]
        assert back == expected[:-1]
        assert all(schedule.matches(run) for run in expected)


@given(expressions)
def test_its_text_means_the_same(expression: Expression) -> None:
    schedule = Schedule(expression.text)
    again = Schedule(str(schedule))
    assert again == schedule
    assert str(again) == str(schedule)
    assert schedule.parts['interval'] == expression.is_interval


@given(expressions, st.sampled_from(ZONES), epochs)
def test_previous_leads_back(expression: Expression, zone: str, start: int) -> None:
    schedule = Schedule(expression.text, zone)
    run = schedule.next_epoch(start)
    if run is None:
        return
    assert start < run < END
    assert schedule.matches_epoch(run)
    before = schedule.previous_epoch(run)
    assert before is None or before <= start
    after = schedule.next_epoch(run)
    assert after is None or schedule.previous_epoch(after) == run


@given(expressions, st.sampled_from(ZONES), epochs, epochs)
def test_next_is_monotone(expression: Expression, zone: str, one: int, other: int) -> None:
    schedule = Schedule(expression.text, zone)
    first, second = (schedule.next_epoch(start) for start in sorted((one, other)))
    assert second is None or (first is not None and first <= second)


@given(expressions, st.sampled_from(ZONES), epochs, st.integers(0, 10**6))
def test_nothing_matches_before_next(
    expression: Expression, zone: str, start: int, seed: int
) -> None:
    schedule = Schedule(expression.text, zone)
    run = schedule.next_epoch(start)
    end = min(END, start + 10**7) if run is None else run
    random = Random(seed)
    for _ in range(20):
        if end > start + 1:
            assert not schedule.matches_epoch(random.randrange(start + 1, end))


@given(expressions, st.sampled_from(ZONES), st.datetimes(
    datetime(1971, 1, 1), datetime(2199, 1, 1), timezones=st.timezones()
))
def test_datetimes_and_seconds_agree(expression: Expression, zone: str, at: datetime) -> None:
    schedule = Schedule(expression.text, zone)
    run = schedule.next(at)
    seconds = schedule.next_epoch(int(at.timestamp() // 1))
    assert (None if run is None else run.timestamp()) == seconds


fields = st.text('0123456789*/-,?LWH#+MONFRIJADECmonfri@ ', max_size=8)


def is_told(text: str) -> None:
    try:
        schedule = Schedule(text, seed='x')
    except ExpressionError as raised:
        error = raised
    else:
        assert Schedule(str(schedule)) == schedule
        return
    assert error.expression == text
    assert error.position is not None
    assert 0 <= error.position <= len(text)
    assert str(error).splitlines()[0]


@given(st.lists(fields, min_size=4, max_size=8).map(' '.join))
@example('* * * * *')
@settings(max_examples=500)
def test_a_text_like_an_expression_is_read_or_told(text: str) -> None:
    is_told(text)


@given(st.text(st.characters(exclude_categories=('Cs',)), max_size=60))
@settings(max_examples=500)
def test_any_text_is_read_or_told(text: str) -> None:
    is_told(text)


@given(expressions, st.integers(0, 200), st.characters(exclude_categories=('Cs',)))
@settings(max_examples=500)
def test_an_expression_with_a_slip_is_read_or_told(
    expression: Expression, place: int, letter: str
) -> None:
    text = expression.text
    place %= len(text)
    is_told(text[:place] + letter + text[place + 1 :])
    is_told(text[:place] + text[place + 1 :])


class Dated(Pattern):
    """A pattern for the oracle of zones, with days of every kind."""

    def __init__(self, expression: Expression) -> None:
        self.text = expression.text
        self.is_interval = expression.is_interval
        self.seconds = expression.second.values
        self.minutes = sorted(
            60 * hour + minute for hour in expression.hour.values
            for minute in expression.minute.values
        )
        self.expression = expression

    def has_day(self, day: int) -> bool:
        return self.expression.has_day(date.fromordinal(EPOCH_ORDINAL + day))


# The day before clocks are set.
TRANSITIONS = [
    ('Europe/Zurich', '2026-03-28'), ('Europe/Zurich', '2026-10-24'),
    ('Australia/Lord_Howe', '2026-10-03'), ('Australia/Lord_Howe', '2026-04-04'),
    ('America/Santiago', '2026-09-05'), ('America/Santiago', '2026-04-04'),
    ('Antarctica/Troll', '2026-03-28'), ('Africa/Casablanca', '2026-02-14'),
    ('Pacific/Apia', '2011-12-29'), ('Europe/Dublin', '2026-10-24'),
]


@pytest.mark.parametrize(('zone', 'day'), TRANSITIONS)
def test_days_of_every_kind_meet_the_clocks(zone: str, day: str) -> None:
    first = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) // 60
    clock = Clock(ZoneInfo(zone), first, first + 3 * DAY)
    examined = 0
    for number in range(80):
        expression = random_expression(Random(f'{zone} {day} {number}'), special=0.5, count=6)
        pattern = Dated(expression)
        if len(pattern.seconds) * len(pattern.minutes) > 150:
            continue
        examination = Examination(Schedule(expression.text, zone), pattern, clock)
        assert list(islice(examination.faults(step=97), 3)) == []
        examined += bool(examination.runs)
    assert examined > 5
