"""docs/starlette.md, done as a newcomer would."""

from __future__ import annotations

from pathlib import Path

from example_server import PATIENCE, serving
from pages import ROOT, blocks_of
from servers import wait_for

PAGE = ROOT / 'docs' / 'starlette.md'


def test_the_first_run_is_seen(tmp_path: Path) -> None:
    (block,) = [block for block in blocks_of(PAGE) if block.language == 'python']
    # A job of each minute would keep the test waiting for one.
    text = block.text.replace("('* * * * *'", "('* * * * * *', max_offset=0")
    assert text != block.text
    (tmp_path / 'shop.py').write_text(text)
    with serving('uvicorn --port {port} shop:app', tmp_path) as server:
        wait_for(lambda: 'refreshed for' in server.output.read_text(), PATIENCE)


def test_the_extra_it_names_is_there() -> None:
    install, start = [block for block in blocks_of(PAGE) if block.language == 'console']
    assert install.text == "$ pip install 'cronsched[starlette]' uvicorn\n"
    assert start.text == '$ uvicorn --workers 4 shop:app\n'
    assert '\nstarlette = [' in (ROOT / 'pyproject.toml').read_text()
