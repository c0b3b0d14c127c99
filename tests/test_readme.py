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
        for command, shown in commands():
            done = subprocess.run(
                ['bash', '-c', command], cwd=tmp_path, capture_output=True, text=True,
                timeout=PATIENCE, env=environment(
                    PATH=f'{Path(sys.executable).parent}:{os.environ["PATH"]}'),
            )
            assert done.returncode == 0, done.stderr
            assert not shown or words_of(done.stdout) == words_of(shown)
        assert 'since None\n' in server.output.read_text()


def commands() -> list[tuple[str, str]]:
    (block,) = blocks_of(README, 'by tests/test_readme.py')
    steps = re.split(r'^\$ ', block.text, flags=re.MULTILINE)[1:]
    return [(step.partition('\n')[0], step.partition('\n')[2]) for step in steps]


def words_of(status: str) -> list[str]:
    """Without what is different each time: when, where, by which process; the
    next run may be of today, which has no date."""
    text = re.sub(r'\d+ [A-Z][a-z]{2} (?=\d\d:)', '', status)
    return re.sub(r'[\d:.]+', '', re.sub(r' on \S+', '', text)).split()


def test_the_example_has_twelve_lines() -> None:
    example, *_ = blocks_of(README, 'python')
    lines = [line for line in example.text.splitlines() if line and not line.startswith('#')]
    assert len(lines) <= 12
