"""What others wrote is one line, and steers no terminal."""

from __future__ import annotations

import pytest

from cronsched.base.rates import Rate
from cronsched.base.text import MOST_SHOWN, printable, printable_lines


@pytest.mark.parametrize(('text', 'shown'), [
    ('org/zug', 'org/zug'),
    ('org/Zürich', 'org/Zürich'),
    ('two\r\nlines', r'two\r\nlines'),
    ('\x1b]0;title\x07evil', r'\x1b]0;title\x07evil'),
    ('a\0b', r'a\x00b'),
    ('\u202egpj.exe', r'\u202egpj.exe'),
    ('half \ud800', r'half \ud800'),
    ('\x9b31m', r'\x9b31m'),
    ('line\u2028separator', r'line\u2028separator'),
])
def test_what_cannot_be_seen_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(text).isprintable()


@pytest.mark.parametrize('text', ['x' * 1_000_000, '\0' * 1_000_000, 'x' * 199 + '\0'])
def test_no_text_is_longer_than_what_is_shown(text: str) -> None:
    assert len(printable(text)) <= MOST_SHOWN
    assert printable(text).endswith('...')
    assert len(printable(text, 20)) <= 20


def test_a_message_of_ours_keeps_its_lines_and_columns() -> None:
    assert printable_lines('60 \x1b[2J *\n   ^\n') == '60 ?[2J *\n   ^\n'


def test_what_happens_often_is_told_once_a_minute_with_a_count() -> None:
    now = 100.0
    rate = Rate(clock=lambda: now)
    assert [rate.count() for _ in range(1000)] == [1] + [0] * 999
    now += 59.9
    assert rate.count() == 0
    now += 0.1
    assert rate.count() == 1001
    assert rate.count() == 0
