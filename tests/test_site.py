"""`make docs` makes a site of all pages, without a warning, that asks nobody
else for anything."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pages import PAGES, ROOT

pytest.importorskip('sphinx', reason='the extra `docs` is not installed')
sys.path.insert(0, str(ROOT / 'docs'))
from docstrings import with_fields, with_stars

TOOL = ROOT / 'tools' / 'docs.py'
NAMES = sorted(page.stem for page in PAGES[1:])


@pytest.fixture(scope='module')
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp('site')
    done = subprocess.run(
        [sys.executable, TOOL, place], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return place / 'html'


def test_each_page_is_there_and_in_the_navigation(site: Path) -> None:
    start = (site / 'index.html').read_text()
    for name in NAMES:
        assert (site / f'{name}.html').exists()
        assert name == 'index' or f'href="{name}.html"' in start


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    loads = re.compile(r'<(?:script|img|link|iframe)\b[^>]*\b(?:src|href)="(?:https?:)?//')
    pages = list(site.glob('*.html'))
    assert len(pages) > len(NAMES)
    assert [page.name for page in pages if loads.search(page.read_text())] == []


def test_the_api_has_what_the_package_gives(site: Path) -> None:
    import cronsched

    text = (site / 'api.html').read_text()
    for name in {*cronsched.__all__} - {'__version__', 'Scheduler'}:
        assert f'id="cronsched.{name}"' in text


def test_a_link_that_leads_nowhere_fails_the_build(tmp_path: Path) -> None:
    source = tmp_path / 'source'
    source.mkdir()
    (source / 'index.md').write_text(
        '# Start\n\n[a page](nowhere.md), [a heading](index.md#nothing)\n')
    done = subprocess.run(
        [sys.executable, '-c', 'import sys; from pathlib import Path; import docs\n'
         'sys.exit(docs.build(*map(Path, sys.argv[1:])))', source, tmp_path / 'html',
         ROOT / 'docs'],
        cwd=TOOL.parent, capture_output=True, text=True, timeout=300,
    )
    assert done.returncode != 0
    assert "'nowhere.md'" in done.stderr
    assert "'nothing'" in done.stderr


def test_a_field_of_a_docstring_is_a_definition() -> None:
    lines = ['They are', 'these: many.', '', 'timeout: seconds', '    of an attempt.', 'a, b: two']
    assert with_fields(lines) == [
        'They are', 'these: many.', '', '', '`timeout`', '    seconds', '    of an attempt.',
        '', '`a`, `b`', '    two',
    ]


def test_a_star_of_a_docstring_is_no_emphasis() -> None:
    assert with_stars("'*', `*/5`, *") == r"'\*', `*/5`, \*"
    assert with_stars('    0 8 * * *') == '    0 8 * * *'
