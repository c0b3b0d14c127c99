"""Each sentence that docs/troubleshooting.md explains is one that the code says."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest
from pages import ROOT

PAGE = ROOT / 'docs' / 'troubleshooting.md'
SOURCES = ROOT / 'src'
TABLES = ('the log says', 'it says')
# What stands for a value: in the page, in `%` formats, in f-strings and `{}`.
PAGE_VALUE = re.compile(r'…|\d+')
FORMAT = re.compile(r'%[-+.*\d]*(?:l|ll|z)?[sdufgc]|\{[^}]*\}')
C_STRINGS = re.compile(r'"(?:[^"\\\n]|\\.)*"(?:\s*"(?:[^"\\\n]|\\.)*")*')
VALUE = '\0'


def sentences() -> list[str]:
    """The code spans of the first column of the tables."""
    found, inside = [], False
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip('|').split(' | ')]
        if not line.startswith('|'):
            inside = False
        elif cells[0] in TABLES:
            inside = True
        elif inside and not line.startswith('|--'):
            spans = re.findall('`([^`]+)`', cells[0])
            assert spans, line
            found += spans
    return found


@cache
def said_by_the_code() -> list[str]:
    """Every text in it, with a `VALUE` for what is filled in."""
    found: list[str] = []
    for path in SOURCES.rglob('*.py'):
        found += [text_of(node) for node in ast.walk(ast.parse(path.read_text()))]
    for path in SOURCES.rglob('*.c'):
        found += [re.sub(r'"\s*"', '', text)[1:-1] for text in C_STRINGS.findall(path.read_text())]
    return [FORMAT.sub(VALUE, text) for text in found if text]


def text_of(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        return ''.join(text_of(part) or VALUE for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ''


def form_of(sentence: str) -> re.Pattern[str]:
    parts = [part for part in PAGE_VALUE.split(sentence) if part.strip(' ,:')]
    assert len(''.join(parts)) >= 7, f'{sentence} says too little'
    return re.compile('.*'.join(map(re.escape, parts)), re.DOTALL)


def is_said(sentence: str) -> bool:
    form = form_of(sentence)
    return any(form.search(text) for text in said_by_the_code())


@pytest.mark.parametrize('sentence', sentences())
def test_the_code_says_it(sentence: str) -> None:
    assert is_said(sentence)


def test_a_sentence_of_nobody_is_found_out() -> None:
    assert len(sentences()) > 50
    assert not is_said('the jobs of … are not begun')
    assert not is_said('is on …, a network file system where no machine would grant the run')


def test_all_that_may_stand_in_the_way_is_explained() -> None:
    from cronsched.web.diagnosis import WORDS

    forms = [form_of(sentence) for sentence in sentences()]
    for what, _ in WORDS.values():
        assert any(form.search(what) for form in forms), what


def test_all_that_may_become_of_a_run_is_explained() -> None:
    """But for what went well."""
    (reasons,) = SOURCES.rglob('reasons.py')
    (found,) = [
        node.value for node in ast.parse(reasons.read_text()).body
        if isinstance(node, ast.AnnAssign) and getattr(node.target, 'id', '') == 'SENTENCES'
    ]
    assert found is not None
    forms = [form_of(sentence) for sentence in sentences()]
    for state, told in ast.literal_eval(found).items():
        if state not in ('ok', 'running', 'queued', 'failed'):
            assert any(form.search(told) for form in forms), state
