"""Each case of the contract runs against each adapter it applies to."""

from __future__ import annotations

from collections import Counter

import pytest
from drivers import DRIVERS
from not_applicable import NOT_APPLICABLE

from cronsched.web import receive
from cronsched.web.window import Window

_passed: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def fresh_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """No adapter remembers the requests of another."""
    monkeypatch.setattr(receive, '_window', Window())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if 'driver' in metafunc.fixturenames:
        case = metafunc.function.__name__
        names = [name for name in DRIVERS if (name, case) not in NOT_APPLICABLE]
        metafunc.parametrize('driver', [DRIVERS[name] for name in names], ids=names)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == 'call' and report.passed and 'contract/test_contract' in report.nodeid:
        inside = report.nodeid.rpartition('[')[2].rstrip(']')
        _passed.update([name for name in DRIVERS if inside == name or inside.startswith(f'{name}-')
                        or inside.endswith(f'-{name}')][-1:])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _passed:
        counts = ', '.join(f'{name} {count}' for name, count in _passed.items())
        terminalreporter.write_line(f'contract, passed: {counts}')


@pytest.fixture(autouse=True)
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The contract is about requests; each is sent by the test."""
    monkeypatch.setenv('CRONSCHED_ENABLED', 'no')
