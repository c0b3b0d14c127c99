"""SECURITY.md promises nothing without a test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / 'SECURITY.md').read_text()
ROWS = [
    line.strip('| \n').split(' | ') for line in TEXT.splitlines()
    if line.startswith('| ') and not line.startswith('| promise')
]


@pytest.mark.parametrize('row', ROWS, ids=lambda row: row[0][:40])
def test_each_promise_names_a_test_that_is_there(row: list[str]) -> None:
    promise, tests = row
    assert promise.endswith('.')
    named = re.findall(r'`([^`]+)`', tests)
    assert named
    for name in named:
        text = (ROOT / name).read_text()
        assert re.search(r'def test_|static void \w+|sanitize', text), name


def test_there_are_as_many_promises_as_rows_are_read() -> None:
    assert len(ROWS) == TEXT.count('| `tests/') + TEXT.count('| `fuzz/') > 20


def test_each_test_of_this_folder_is_behind_a_promise() -> None:
    ours = {path.name for path in Path(__file__).parent.glob('test_*.py')} - {Path(__file__).name}
    assert ours <= {Path(name).name for name in re.findall(r'`(tests/[^`]+)`', TEXT)}
