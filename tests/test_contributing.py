"""What CONTRIBUTING.md, the hooks and the workflow name is there."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from pages import ROOT, blocks_of

yaml = pytest.importorskip('yaml', reason='the extra `docs` is not installed')

PAGE = ROOT / 'CONTRIBUTING.md'
WORKFLOW = ROOT / '.github' / 'workflows' / 'ci.yml'
HOOKS = ROOT / '.pre-commit-config.yaml'
TARGETS = {
    name for line in re.findall(r'^([\w -]+):(?!=)', (ROOT / 'Makefile').read_text(), re.MULTILINE)
    for name in line.split()
}

# Neither is in the source distribution.
needs_repository = pytest.mark.skipif(not WORKFLOW.exists(), reason='this is no checkout')


def steps() -> list[dict[str, Any]]:
    jobs = yaml.safe_load(WORKFLOW.read_text())['jobs']
    return [step for job in jobs.values() for step in job['steps']]


@needs_repository
def test_the_workflow_calls_make_and_nothing_else() -> None:
    called = [step['run'] for step in steps() if 'run' in step]
    assert {'make demo', 'make test', 'make docs', 'make wheels'} <= {*called}
    for command in called:
        word, *targets = command.split()
        assert word == 'make'
        assert targets
        assert {*targets} <= TARGETS


@needs_repository
def test_the_workflow_uses_nothing_but_the_forges_own_actions() -> None:
    used = [step['uses'] for step in steps() if 'uses' in step]
    assert used
    assert [name for name in used if not re.fullmatch(r'actions/[\w-]+@v\d+', name)] == []


@needs_repository
def test_the_workflow_tries_every_python_that_the_metadata_names() -> None:
    jobs = yaml.safe_load(WORKFLOW.read_text())['jobs']
    tried = jobs['test']['strategy']['matrix']['python']
    named = re.findall(r'Python :: (3\.\d+)"', (ROOT / 'pyproject.toml').read_text())
    assert tried == named


@needs_repository
def test_the_hooks_are_of_this_repository_and_of_its_environment() -> None:
    repos = yaml.safe_load(HOOKS.read_text())['repos']
    assert [repo['repo'] for repo in repos] == ['local']
    for hook in repos[0]['hooks']:
        folder, program = Path(shlex.split(hook['entry'])[0]).parts[:-1], hook['entry'].split()[0]
        assert folder == ('.venv', 'bin')
        assert (Path(sys.executable).parent / Path(program).name).exists()
        assert hook['language'] == 'system'


def test_each_target_that_is_named_is_there() -> None:
    named = re.findall(r'(?:`|\$ )make ([a-z][\w-]*)', PAGE.read_text())
    assert len(named) > 10
    assert {*named} <= TARGETS


def test_the_files_of_its_commands_are_there() -> None:
    text = '\n'.join(block.text for block in blocks_of(PAGE))
    for name in re.findall(r'tests/\S+\.py', text):
        assert (ROOT / name).exists()
    (program,) = re.findall(r'make -C tests/c (\w+)', text)
    assert (ROOT / 'tests' / 'c' / f'{program}.c').exists()
