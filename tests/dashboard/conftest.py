from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import scene
from asking import Ask, asker, opened

from cronsched.base import clock
from cronsched.ledger import Ledger


@pytest.fixture(scope='session')
def now() -> float:
    """When the painted ledgers were looked at last."""
    return time.time()


@pytest.fixture(scope='session')
def shop(tmp_path_factory: pytest.TempPathFactory, now: float) -> Iterator[Ledger]:
    """A good day with a job that fails; only looked at."""
    ledger = opened(tmp_path_factory.mktemp('shop'))
    scene.paint(ledger, now)
    yield ledger
    ledger.close()


@pytest.fixture(scope='session')
def towns(tmp_path_factory: pytest.TempPathFactory, now: float) -> Iterator[Ledger]:
    """The same with a herd."""
    ledger = opened(tmp_path_factory.mktemp('towns'))
    scene.paint(ledger, now)
    scene.paint_herd(ledger, now)
    yield ledger
    ledger.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """An empty one, to be written to."""
    (tmp_path / 'ledger').mkdir()
    ledger = opened(tmp_path / 'ledger')
    yield ledger
    ledger.close()


@pytest.fixture
def ask(shop: Ledger, now: float) -> Iterator[Ask]:
    """`ask('/job', job='cleanup', application='shop')` of the shop, at `now`."""
    with clock.in_place(lambda: now):
        yield asker(shop)
