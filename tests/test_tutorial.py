"""docs/tutorial.md, done from its beginning to its end."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from example_server import PATIENCE, Server, environment, serving
from pages import ROOT, Block, blocks_of
from servers import wait_for

PAGE = ROOT / 'docs' / 'tutorial.md'
BLOCKS = blocks_of(PAGE)
PYTHON = [block.text for block in BLOCKS if block.language == 'python']
# Each second, not each minute, so that nobody waits.
FIRST, SECOND = (text.replace("'* * * * *'", "'* * * * * *'") for text in PYTHON)


def commands(block: Block) -> list[str]:
    return [line.removeprefix('$ ') for line in block.text.splitlines()]


CONSOLE = [
    command for block in BLOCKS if block.language == 'console' for command in commands(block)
]
OURS = [command for command in CONSOLE if command.startswith('cronsched ')]


@pytest.fixture(scope='module')
def server(tmp_path_factory: pytest.TempPathFactory):
    project = tmp_path_factory.mktemp('tutorial')
    (project / 'shop.py').write_text(FIRST + SECOND)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_STATE_HOME', str(project))
        patch.setenv('XDG_RUNTIME_DIR', str(project))
        (command,) = [each for each in CONSOLE if each.startswith('gunicorn')]
        arguments = command.replace('gunicorn', 'gunicorn -b 127.0.0.1:{port}').replace("'", '')
        with serving(arguments, project) as server:
            wait_for(lambda: len(seen(server)) >= 2, PATIENCE)
            yield server


def seen(server: Server) -> list[str]:
    return re.findall(r'^it is (\d\d:\d\d)$', server.output.read_text(), re.MULTILINE)


def call(server: Server, command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ['bash', '-c', command], cwd=server.project, capture_output=True, text=True,
        timeout=PATIENCE, env=environment(
            XDG_STATE_HOME=str(server.project), XDG_RUNTIME_DIR=str(server.project),
            PATH=f'{Path(sys.executable).parent}:{os.environ["PATH"]}'),
    )


def owners(server: Server) -> list[str]:
    return re.findall(r'\d jobs? of shop at \S+, next .*', server.output.read_text())


def test_the_line_of_the_log_is_that_of_the_page(server: Server) -> None:
    (shown,) = [block.text.strip() for block in BLOCKS if block.language == 'text']
    form = re.compile(
        re.escape(shown).replace('1\\ job', r'\d\ jobs?').replace('8000', r'\d+')
        .replace('look_around', r'\w+').replace('14:42:00', r'[\d:]+'))
    assert form.fullmatch(owners(server)[0])


@pytest.mark.parametrize('command', OURS)
def test_a_command_works(server: Server, command: str) -> None:
    done = call(server, command)
    assert done.returncode == 0, done.stderr


def test_what_the_second_job_raises_is_in_the_log(server: Server) -> None:
    wait_for(lambda: 'ConnectionError: the partner does not answer' in
             server.output.read_text(), PATIENCE)


def test_another_worker_goes_on_when_the_owner_is_killed(server: Server) -> None:
    before = len(owners(server))
    (pid,) = re.findall(r'is run by process (\d+)', call(server, 'cronsched doctor').stdout)
    os.kill(int(pid), 9)
    wait_for(lambda: len(owners(server)) > before, PATIENCE)


def test_what_is_installed_is_named_by_the_readme_too() -> None:
    assert CONSOLE[0] == "pip install 'cronsched[flask]' gunicorn"
    assert "pip install '.[flask]' gunicorn" in PAGE.read_text()
