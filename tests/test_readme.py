"""README.md, as it says: its example under its server, and its commands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from example_server import PATIENCE, environment, serving
from pages import ROOT, blocks_of
from servers import wait_for

README = ROOT / 'README.md'


def test_the_first_run_is_seen_as_the_readme_says(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv('XDG_STATE_HOME', str(tmp_path))
    monkeypatch.setenv('XDG_RUNTIME_DIR', str(tmp_path))
    example, *_ = blocks_of(README, 'python')
    (tmp_path / 'shop.py').write_text(example.text)
    (shown,) = re.findall(r'`gunicorn (.*)`', README.read_text())
    command = f'gunicorn --bind 127.0.0.1:{{port}} {shown}'.replace("'", '')
    with serving(command, tmp_path) as server:
        wait_for(lambda: '1 job of shop at http' in server.output.read_text(), PATIENCE)
        for line in commands():
            done = subprocess.run(
                ['bash', '-c', line], cwd=tmp_path, capture_output=True, text=True,
                timeout=PATIENCE, env=environment(
                    PATH=f'{Path(sys.executable).parent}:{os.environ["PATH"]}'),
            )
            assert done.returncode == 0, done.stderr
        wait_for(lambda: 'since None\n' in server.output.read_text(), PATIENCE)


def commands() -> list[str]:
    (block,) = blocks_of(README, 'by tests/test_readme.py')
    return [line.removeprefix('$ ') for line in block.text.splitlines()]


def test_the_example_has_twelve_lines() -> None:
    example, *_ = blocks_of(README, 'python')
    lines = [line for line in example.text.splitlines() if line and not line.startswith('#')]
    assert len(lines) <= 12
