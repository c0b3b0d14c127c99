"""What an expression says that its author may not have meant."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime

import pytest
from rows import rows

from cronsched import CronWarning, Schedule
from cronsched.schedule.english.lint import Finding, lint, warn

NOW = 1795478400   # 2026-11-24T00:00Z


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('cronsched.schedule.english.lint.time.time', lambda: NOW)


def found(expression: str, zone: str = 'UTC') -> list[str]:
    return [finding.rule for finding in lint(Schedule(expression, zone))]


@pytest.mark.parametrize(('expression', 'zone', 'rule', 'field', 'message', 'advice'),
                         rows('lint.tsv'))
def test_a_finding_says_what_and_what_instead(
    expression: str, zone: str, rule: str, field: str, message: str, advice: str
) -> None:
    assert Finding(rule, field if field != '-' else None, message, advice) in lint(  # type: ignore[arg-type]
        Schedule(expression, zone)
    )


@pytest.mark.parametrize(('expression', 'zone'), [row[:2] for row in rows('lint_silent.tsv')])
def test_what_is_clear_is_not_remarked_upon(expression: str, zone: str) -> None:
    assert found(expression, zone) == []


@pytest.mark.parametrize(('expression', 'advised'), [
    ('*/25 * * * *', '0,25,50 * * * *'),
    ('*/25 * * * *', '*/20 * * * *'),
    ('*/7 * * * *', '0-56/7 * * * *'),
    ('0 0 */2 * *', '0 0 1-31/2 * *'),
    ('0 0 13 * FRI', '0 0 13 * +FRI'),
    ('0 0 31 * *', '0 0 L * *'),
    ('0 0 31W * *', '0 0 LW * *'),
    ('0 0 * * MON#5', '0 0 * * MON#L'),
])
def test_who_follows_the_advice_hears_no_more(expression: str, advised: str) -> None:
    assert found(expression) != []
    assert found(advised) == []


def test_what_is_listed_in_place_of_a_step_means_the_same() -> None:
    for text, instead in (('*/25', '0,25,50'), ('*/7', '0-56/7'), ('*/11', '0,11,22,33,44,55')):
        (finding,) = lint(Schedule(f'{text} * * * *'))
        assert f'write {instead} if' in finding.advice
        assert Schedule(f'{instead} * * * *').parts['minute'] == (
            Schedule(f'{text} * * * *').parts['minute']
        )


@pytest.mark.parametrize('year', range(2027, 2037))
def test_every_gap_in_zurich_is_foreseen(year: int, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(year, 1, 1, tzinfo=UTC)
    monkeypatch.setattr('cronsched.schedule.english.lint.time.time', now.timestamp)
    schedule = Schedule('30 2 * * *', 'Europe/Zurich')
    sunday = Schedule('0 0 * MAR SUN#L').next(now)
    assert sunday is not None
    (finding,) = lint(schedule)
    assert f'skip {sunday:%Y-%m-%d} 02:00 to 03:00: there is no 02:30' in finding.message
    run = schedule.next(sunday)
    assert f'{run:%Y-%m-%d %H:%M}' == f'{sunday:%Y-%m-%d} 03:00'


def test_a_gap_on_another_day_is_none() -> None:
    # The clocks go forward on the 28th.
    assert found('30 2 28 3 *', 'Europe/Zurich') == ['gap']
    assert found('30 2 27 3 *', 'Europe/Zurich') == []


def test_a_warning_stands_at_the_place_it_is_given() -> None:
    with pytest.warns(CronWarning, match=r"^'\*/25 \* \* \* \*': \*/25 is uneven") as caught:
        warn(Schedule('*/25 * * * *'), filename='app.py', lineno=12)
    (warning,) = caught
    assert (warning.filename, warning.lineno) == ('app.py', 12)


def test_a_warning_can_be_kept_quiet_or_made_an_error() -> None:
    schedule = Schedule('0 0 13 * FRI')
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        warnings.filterwarnings('ignore', r'.*\[either-day\]', CronWarning)
        warn(schedule, filename='app.py', lineno=1)
    with warnings.catch_warnings():
        warnings.simplefilter('error', CronWarning)
        with pytest.raises(CronWarning):
            warn(schedule, filename='app.py', lineno=1)


def test_a_schedule_brings_its_findings() -> None:
    assert [finding.rule for finding in Schedule('*/25 * * * *').lint()] == ['uneven-step']


def test_a_finding_reads_as_a_sentence() -> None:
    finding = Finding('never', None, 'it never runs', 'write another')
    assert str(finding) == 'it never runs; write another'
