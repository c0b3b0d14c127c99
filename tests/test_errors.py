"""What is wrong with an expression, where, and what to write instead."""

from __future__ import annotations

import pickle

import pytest
from rows import rows

from cronsched import CronError, ExpressionError, Schedule, ZoneError, parse_cron

# expression, field, what the caret is under, hint
ISSUES = [
    ('0 9 * * MON-FIR', 'weekday', 'FIR', 'did you mean FRI?'),
    ('60 * * * *', 'minute', '60', 'use 0-59'),
    ('0 25 * * *', 'hour', '25', 'use 0-23'),
    ('@Daily', None, '@Daily', 'write @daily'),
    ('0 0 12 ? * MON 2025 *', None, '0 0 12 ? * MON 2025 *',
     'at most second minute hour day month weekday year'),
    ('0 12 * * ? 2025', 'month', '?',
     'five fields and a year? put the second first: 0 0 12 * * ? 2030'),
    ('10-5 * * * *', 'minute', '10-5', 'write 5-10, or 10-59,0-5'),
    ('*/0 * * * *', 'minute', '0', 'use 1 or more; * alone is every minute'),
    ('/30 * * * *', 'minute', '/', 'write */15, for example'),
    ('0/15 * * * *', 'minute', '0/15', 'write */15 or 0-59/15'),
    ('10/10 * * * *', 'minute', '10/10', 'write 10-59/10'),
    ('0 9 * * MON#6', 'weekday', '6', 'use #1 to #5, or #L for the last one'),
]


@pytest.mark.parametrize(('expression', 'field', 'under', 'hint'), ISSUES)
def test_an_error_carries_data(
    expression: str, field: str | None, under: str, hint: str
) -> None:
    with pytest.raises(ExpressionError) as caught:
        Schedule(expression)
    error = caught.value
    assert error.expression == expression
    assert error.field == field
    assert error.position is not None
    assert error.length is not None
    assert expression[error.position : error.position + error.length] == under
    assert error.hint == hint


@pytest.mark.parametrize(('expression', 'field', 'under', 'hint'), ISSUES)
def test_a_caret_stands_below_what_is_wrong(
    expression: str, field: str | None, under: str, hint: str
) -> None:
    with pytest.raises(ExpressionError) as caught:
        Schedule(expression)
    first, line, caret = str(caught.value).splitlines()
    assert first.endswith(hint)
    assert line == f'  {expression}'
    marked = ''.join(letter for letter, mark in zip(line, caret, strict=False) if mark == '^')
    assert marked == under


@pytest.mark.parametrize('row', rows('expr_invalid.tsv'), ids=lambda row: row[0])
def test_every_row_of_the_core_is_an_error_here(row: list[str]) -> None:
    text = row[0]
    for written, meant in ((r'\s', ' '), (r'\t', '\t'), (r'\n', '\n'), (r'\0', '\0')):
        text = text.replace(written, meant)
    with pytest.raises(ExpressionError) as caught:
        Schedule(text, seed=None if 'seed' in row[5] else 'x')
    error = caught.value
    assert (error.field or 'expression') == row[2]
    assert row[5] in str(error)
    assert row[6] in (error.hint or '')
    assert error.position is not None
    assert 0 <= error.position <= len(text)


def test_an_error_survives_pickle() -> None:
    with pytest.raises(ExpressionError) as caught:
        Schedule('60 * * * *')
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is ExpressionError
    assert (again.field, again.position, again.hint) == ('minute', 0, 'use 0-59')
    assert str(again) == str(caught.value)


def test_an_error_is_what_callers_have_caught_before() -> None:
    for raised in (ExpressionError, ZoneError):
        assert issubclass(raised, CronError)
        assert issubclass(raised, ValueError)
        assert issubclass(raised, RuntimeError)


def test_an_error_without_data_has_none() -> None:
    error = CronError('why')
    data = (error.expression, error.field, error.position, error.length, error.hint)
    assert data == (None,) * 5


@pytest.mark.parametrize(('value', 'kind'), [
    ('*/5x', 'minute'), ('25', 'hour'), (25, 'hour'), ('*/0', 'minute'), ('²', 'minute'),
    ('-1', 'hour'), (-1, 'hour'), ('', 'hour'), ('60', 'minute'), ('*/', 'minute'),
])
def test_parse_cron_refuses_what_was_taken_by_accident(value: str | int, kind: str) -> None:
    with pytest.raises(CronError) as caught:
        parse_cron(value, kind)  # type: ignore[arg-type]
    assert caught.value.position is not None


@pytest.mark.parametrize('value', [True, None, 1.5, b'5'])
def test_parse_cron_takes_numbers_and_text_only(value: object) -> None:
    with pytest.raises((CronError, TypeError)):
        parse_cron(value, 'hour')  # type: ignore[arg-type]


def test_parse_cron_knows_hours_and_minutes_only() -> None:
    with pytest.raises(NotImplementedError):
        parse_cron('*', 'day')  # type: ignore[arg-type]
