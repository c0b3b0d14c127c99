"""Each case of the contract runs against each adapter it applies to."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from drivers import DRIVERS
from not_applicable import NOT_APPLICABLE

from cronsched.web import receive
from cronsched.web.window import Window


@pytest.fixture(autouse=True)
def fresh_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """No adapter remembers the requests of another."""
    monkeypatch.setattr(receive, '_window', Window())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if 'driver' in metafunc.fixturenames:
        case = metafunc.function.__name__
        names = [name for name in DRIVERS if (name, case) not in NOT_APPLICABLE]
        metafunc.parametrize('driver', [DRIVERS[name] for name in names], ids=names)


@pytest.fixture(autouse=True)
def counted(
    request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> None:
    """The summary says how many cases each adapter has passed."""
    if 'driver' in request.fixturenames:
        record_property('adapter', request.getfixturevalue('driver').name)


@pytest.fixture(autouse=True)
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The contract is about requests; each is sent by the test."""
    monkeypatch.setenv('CRONSCHED_ENABLED', 'no')
