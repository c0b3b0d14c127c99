"""The pictures of docs/time.md are those that the real `Schedule` makes."""

from __future__ import annotations

import re
import sys
from xml.etree import ElementTree

import pytest
from pages import ROOT

sys.path.insert(0, str(ROOT / 'tools'))
import pictures

SVG = '{http://www.w3.org/2000/svg}'


@pytest.mark.parametrize('day', pictures.DAYS, ids=lambda day: day.name)
def test_the_file_is_what_the_script_makes(day: pictures.Day) -> None:
    """Else: `python tools/pictures.py`."""
    assert (pictures.IMAGES / f'{day.name}.svg').read_text() == pictures.picture(day)


def marks(name: str) -> dict[str, list[str]]:
    """Of each expression, the wall clock below each of its marks."""
    found: dict[str, list[str]] = {}
    root = ElementTree.parse(pictures.IMAGES / f'{name}.svg').getroot()
    current = ''
    for text in root.iter(f'{SVG}text'):
        words = text.text or ''
        if words in pictures.EXPRESSIONS:
            current = words
            found[current] = []
        elif current and re.fullmatch(r'\d\d:\d\d', words):
            found[current].append(words)
    return found


def test_what_the_rule_says_is_seen() -> None:
    spring, autumn = marks('spring'), marks('autumn')
    assert spring['30 2 * * *'] == ['03:00']        # moved out of the gap
    assert autumn['30 2 * * *'] == ['02:30']        # once
    assert spring['0 * * * *'] == ['01:00', '03:00', '04:00']
    assert autumn['0 * * * *'] == ['02:00', '02:00', '03:00']


def test_the_pictures_are_on_the_page() -> None:
    page = (ROOT / 'docs' / 'time.md').read_text()
    for day in pictures.DAYS:
        assert f'(images/{day.name}.svg)' in page
