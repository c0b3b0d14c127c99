from __future__ import annotations

import gc
import logging
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_directories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """No test sees the state of another, or of whoever runs the tests; and no
    scheduler outlives its test."""
    # A runner of several processes sets COLUMNS, and what is printed would fit that.
    for variable in ('STATE_DIRECTORY', 'RUNTIME_DIRECTORY', 'COLUMNS'):
        monkeypatch.delenv(variable, raising=False)
    for variable, name in (('XDG_STATE_HOME', 'state'), ('XDG_RUNTIME_DIR', 'run')):
        directory = tmp_path / name
        directory.mkdir(mode=0o700)
        monkeypatch.setenv(variable, str(directory))
    # By itself nothing would start in a test; these are about what starts.
    monkeypatch.setenv('CRONSCHED_ENABLED', 'true')
    yield tmp_path
    # One that is armed would knock at the servers of the tests after it.
    knock = sys.modules.get('cronsched.web.knock')
    for host in list(knock._knocks.hosts.values()) if knock else ():
        knock.disarm(host)
    scheduler = sys.modules.get('cronsched.scheduler.process')
    if scheduler is not None:
        scheduler.stop()


@pytest.fixture(scope='module', autouse=True)
def own_garbage() -> Iterator[None]:
    """What a file leaves open is told of that file, not of one that comes later."""
    yield
    print('open databases:', open_databases())   # shown where the collector finds one
    gc.collect()


def open_databases() -> list[str]:
    found = []
    for each in gc.get_objects():
        if issubclass(type(each), sqlite3.Connection):   # isinstance wakes what is lazy
            with suppress(sqlite3.Error):   # it is closed, or of another thread
                found += [name for _, _, name in each.execute('PRAGMA database_list')]
    return found


@pytest.fixture(autouse=True)
def own_logger() -> Iterator[None]:
    """No test hears what another one has asked for."""
    log = logging.getLogger('cronsched')
    before = log.propagate, log.disabled, log.level, list(log.handlers)
    yield
    log.propagate, log.disabled, level, handlers = before
    log.setLevel(level)
    log.handlers[:] = handlers


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many cases of the contract each adapter has passed."""
    passed = Counter(
        value for report in terminalreporter.getreports('passed')
        for name, value in report.user_properties if name == 'adapter'
    )
    if passed:
        counts = ', '.join(f'{name} {count}' for name, count in sorted(passed.items()))
        terminalreporter.write_line(f'contract, passed: {counts}')
