"""Every code block of the README and of docs/ is run, and every link leads to
something. How a block is run stands in a comment above it, `<!-- run: HOW -->`:

    python      executed, after the Python blocks above it on its page; there is
                an `App` of Morepath unless the page makes one. In the end each
                application of the page is committed and each of its jobs run
    tests       run by pytest, after the Python blocks above it
    pycon       each `>>>` executed; what follows it is what it answers
    console     each `$` executed, with exit status 0, and what follows it is
                what it writes; there are a crontab, app/cronjobs.py and
                myapp/views.py (the README's example), and a run in the ledger
    by FILE     by that test, which names the page
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import time
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from framework import Public, make_unmounted
from pages import PAGES, ROOT, Block, anchors_of, blocks_of, links_of, name_of, prose_of

from cronsched.base.directories import state_directory
from cronsched.jobs.registry import jobs_of
from cronsched.ledger import Plan, Run, open_ledger
from cronsched.morepath import CronApp
from cronsched.telemetry import listeners
from cronsched.testing import run

README = ROOT / 'README.md'
HOW = {'python': 'python', 'tests': 'python', 'pycon': 'pycon', 'console': 'console'}


def all_blocks(how: str | None = None) -> list[Block]:
    return [block for page in PAGES for block in blocks_of(page, how)]


@pytest.fixture(autouse=True)
def nobody_listens():
    """A page that listens to runs hears nothing of those of other tests."""
    yield
    listeners._listeners = ()


# -- nothing escapes --------------------------------------------------------------


@pytest.mark.parametrize('block', all_blocks(), ids=str)
def test_a_block_says_how_it_is_run(block: Block) -> None:
    if block.how.startswith('by '):
        path = ROOT / block.how.removeprefix('by ')
        assert path.exists(), f'{block}: there is no {path}'
        assert block.page.name in path.read_text(), f'{block}: {path} does not name this page'
        return
    assert block.how in HOW, (
        f'{block}: how is this block run? Write above it <!-- run: HOW -->, with one of '
        f'{", ".join(HOW)}, or by tests/test_something.py'
    )
    assert block.language == HOW[block.how], f'{block}: write ```{HOW[block.how]}'


@pytest.mark.parametrize('page', PAGES, ids=name_of)
def test_each_fence_is_one_of_a_block(page: Path) -> None:
    fences = re.findall(r'^ *(?:```|~~~)', page.read_text(), re.MULTILINE)
    assert len(fences) == 2 * len(blocks_of(page))
    assert page.read_text().count('<!-- run:') == sum(1 for each in blocks_of(page) if each.how)
    assert not re.search(r'\n\n {4,}\S', prose_of(page)), 'fence what is only indented'


# -- Python -----------------------------------------------------------------------


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a page may use without saying so, and what it may import: a
    Framework that is not mounted yet."""
    for name in ('onegov', 'onegov.core', 'onegov.core.framework', 'onegov.core.security'):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules['onegov.core.framework'].Framework = make_unmounted()  # type: ignore[attr-defined]
    sys.modules['onegov.core.security'].Public = Public  # type: ignore[attr-defined]

    class App(CronApp):
        pass

    return {'__name__': 'page', 'App': App}


def execute(page: Path, names: dict[str, Any]) -> None:
    for block in blocks_of(page, 'python'):
        # So that an error names the line of the page.
        exec(compile('\n' * (block.line - 1) + block.text, str(page), 'exec'), names)


@pytest.mark.parametrize(
    'page', [page for page in PAGES if blocks_of(page, 'python')], ids=name_of
)
def test_the_python_of_a_page_is_executed(page: Path, names: dict[str, Any]) -> None:
    execute(page, names)
    for App in [value for value in names.values() if is_application(value)]:
        App.commit()
        for job in jobs_of(App.config.cronjob_registry):
            assert run(instance_of(App), job).headers['Cronsched-Outcome'] == 'ok'


def is_application(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, CronApp) and value is not CronApp


def instance_of(App: Any) -> Any:
    """A class that takes arguments is mounted: `Town(name)`."""
    takes = App.__init__.__code__.co_argcount - 1 if '__init__' in vars(App) else 0
    return App(*['zug'] * takes)


PRELUDE = """
from cronsched.morepath import CronApp

class App(CronApp):
    pass
"""


@pytest.mark.parametrize('block', all_blocks('tests'), ids=str)
def test_the_tests_of_a_page_pass(block: Block, tmp_path: Path) -> None:
    above = [each.text for each in blocks_of(block.page, 'python') if each.line < block.line]
    (tmp_path / 'test_page.py').write_text('\n'.join([PRELUDE, *above, block.text]))
    done = subprocess.run(
        [sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', '-W', 'error',
         '-W', "ignore:'cgi' is deprecated", 'test_page.py'],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )
    count = len(re.findall(r'^def test_', block.text, re.MULTILINE))
    assert count > 0
    assert f'{count} passed' in done.stdout, done.stdout
    assert done.returncode == 0


@pytest.mark.parametrize('block', all_blocks('pycon'), ids=str)
def test_a_session_is_answered_as_the_page_says(block: Block) -> None:
    names: dict[str, Any] = {}
    exec('import cronsched\nfrom cronsched import *', names)
    for entered, answer in steps_of('>>> ', block.text):
        assert answered(entered, names).rstrip() == answer


def steps_of(prompt: str, text: str) -> list[tuple[str, str]]:
    """What is entered after each prompt, and what follows it."""
    first, *steps = re.split(f'^{re.escape(prompt)}', text, flags=re.MULTILINE)
    assert not first
    assert steps
    return [(step.partition('\n')[0], step.partition('\n')[2].rstrip()) for step in steps]


def answered(entered: str, names: dict[str, Any]) -> str:
    try:
        value = eval(entered, names) if is_expression(entered) else exec(entered, names)
    except Exception as error:
        return ''.join(traceback.format_exception_only(error))
    return '' if value is None else repr(value)


def is_expression(entered: str) -> bool:
    return isinstance(ast.parse(entered).body[0], ast.Expr)


# -- commands ---------------------------------------------------------------------

CRONTAB = """
CRON_TZ=Europe/Zurich
30 4 * * *  /usr/local/bin/archive
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where the commands are run; what they may name is there."""
    place = tmp_path / 'project'
    for name, text in (
        ('crontab', CRONTAB), ('app/cronjobs.py', blocks_of(README, 'python')[0].text),
        ('myapp/views.py', blocks_of(README, 'python')[0].text),
    ):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    return place


@pytest.fixture
def seen() -> None:
    """The ledger knows the README's application, and a run of it."""
    ledger = open_ledger(f'sqlite://{state_directory()}/ledger.sqlite3')
    now = int(time.time())
    plan = Plan('0 9 * * MON#1', 'Europe/Zurich')
    ledger.seen('views.App', 'http://127.0.0.1:8080', {'monthly_report': plan}, now)
    ledger.record(Run('views.App', 'monthly_report', now - 60), 'failed', at=now, status=500)
    ledger.close()


@pytest.mark.usefixtures('seen')
@pytest.mark.parametrize('block', all_blocks('console'), ids=str)
def test_the_commands_of_a_page_do_what_it_says(block: Block, directory: Path) -> None:
    for command, output in steps_of('$ ', block.text):
        done = subprocess.run(
            ['bash', '-c', command], cwd=directory, capture_output=True, text=True, timeout=60,
            env=os.environ | {'PATH': f'{Path(sys.executable).parent}:{os.environ["PATH"]}'},
        )
        assert done.returncode == 0, f'{command}: {done.stderr}'
        assert not output or done.stdout.rstrip() == output


# -- links ------------------------------------------------------------------------

OUTSIDE = ('ARCHITECTURE.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md')
LINKING = [*PAGES, *(ROOT / name for name in OUTSIDE)]
INDEX = ROOT / 'docs' / 'index.md'


@pytest.mark.parametrize('page', LINKING, ids=name_of)
def test_a_link_leads_to_something(page: Path) -> None:
    for link in links_of(page):
        path, _, anchor = link.partition('#')
        if '://' in path:
            # Nobody is asked: it is well written, and that is all.
            assert re.fullmatch(r'https://[\w.-]+\.\w+(/[^\s]*)?', path), link
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f'{name_of(page)} links {link}'
        assert not anchor or anchor in anchors_of(target), f'{name_of(page)} links {link}'


def linked_by(page: Path) -> set[Path]:
    return {(page.parent / link.partition('#')[0]).resolve() for link in links_of(page)}


@pytest.mark.parametrize('first', [README, INDEX], ids=['README.md', 'docs/index.md'])
def test_each_page_of_the_documentation_is_linked(first: Path) -> None:
    linked = linked_by(first) | {INDEX}
    assert [name_of(page) for page in PAGES[1:] if page.resolve() not in linked] == []


# -- the changelog ----------------------------------------------------------------


def test_the_changelog_is_sorted_and_says_nothing_twice() -> None:
    text = (ROOT / 'CHANGELOG.md').read_text()
    headings = re.findall(r'^### (.*)$', text, re.MULTILINE)
    assert {*headings} <= {'Added', 'Changed', 'Fixed', 'Removed', 'Security'}
    lines = re.findall(r'^- (.*(?:\n  .*)*)', text, re.MULTILINE)
    assert len(lines) > 20
    beginnings = [' '.join(line.split()[:7]) for line in lines]
    assert [each for each in beginnings if beginnings.count(each) > 1] == []
