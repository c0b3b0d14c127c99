"""The last line of `make test` says what happened, and a part that failed
makes it fail."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

TOOL = Path(__file__).parent.parent / 'tools' / 'run_tests.py'

# Stands in for make: writes what the parts write, and fails in those of $FAIL.
MAKE = """#!/bin/bash
cd {build}
case $1 in
test-c) mkdir -p c/cc-address; echo "$CHECKS" >c/cc-address/test_heap.log;;
test-tsan) mkdir -p c/cc-thread; echo "1200 checks, 0 failed" >c/cc-thread/test_ring.log;;
test-python)
    echo '<testsuites><testsuite tests="9" failures="1" errors="1" skipped="2"/></testsuites>' \\
        >test/python.xml;;
esac
[[ " $FAIL " != *" $1 "* ]]
"""

Run = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location('run_tests', TOOL)
    assert spec
    assert spec.loader
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    (tmp_path / 'test').mkdir()
    monkeypatch.setattr(tool, 'BUILD', tmp_path)
    monkeypatch.setattr(tool, 'PYTHON_RESULT', tmp_path / 'test' / 'python.xml')
    make = tmp_path / 'make'
    make.write_text(MAKE.format(build=tmp_path))
    make.chmod(0o755)
    monkeypatch.setenv('MAKE', str(make))
    return tool


@pytest.fixture
def run(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Run:
    def run(failing: str = '', checks: str = '34 checks, 0 failed') -> tuple[int, list[str]]:
        monkeypatch.setenv('FAIL', failing)
        monkeypatch.setenv('CHECKS', checks)
        status = tool.main()
        return status, capfd.readouterr().out.splitlines()

    return run


def test_the_last_line_sums_up_c_and_python(run: Run) -> None:
    status, lines = run()
    assert status == 0
    assert [line for line in lines if line.startswith('==')] == [
        '== make test-c', '== make test-tsan', '== make test-python', '== make lint',
    ]
    assert lines[-1].startswith(
        'C: 2 programs, 1,234 checks, 0 failed; Python: 5 passed, 2 failed, 2 skipped; '
        'linters: clean; '
    )


@pytest.mark.parametrize('part', ['test-c', 'test-tsan', 'test-python', 'lint'])
def test_a_part_that_fails_is_named_and_the_others_are_run(run: Run, part: str) -> None:
    status, lines = run(part)
    assert status == 1
    assert lines[-1] == f'FAILED: make {part}'
    assert len([line for line in lines if line.startswith('== make')]) == 4


def test_what_an_earlier_run_left_is_not_counted(tool: ModuleType, run: Run) -> None:
    old = tool.BUILD / 'c' / 'cc-address' / 'test_gone.log'
    old.parent.mkdir(parents=True)
    old.write_text('99 checks, 0 failed')
    assert 'C: 2 programs, 1,234 checks' in run()[1][-1]


def test_a_program_that_was_ended_is_counted_as_unfinished(run: Run) -> None:
    assert 'C: 2 programs, 1,200 checks, 0 failed, 1 unfinished' in run('', 'Aborted')[1][-1]
