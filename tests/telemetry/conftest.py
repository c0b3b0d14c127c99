from __future__ import annotations

import logging
from contextlib import ExitStack

import pytest
from telemetry_stage import Stage

from cronsched.base import clock
from cronsched.ledger import open_ledger
from cronsched.scheduler import process as scheduler
from cronsched.telemetry import around, listeners


@pytest.fixture
def ledger(tmp_path):
    ledger = open_ledger(f'sqlite://{tmp_path}/ledger.sqlite3')
    yield ledger
    ledger.close()


@pytest.fixture
def make_stage(ledger, caplog):
    caplog.set_level(logging.DEBUG, 'cronsched')
    with ExitStack() as stack:
        def make(ledger=ledger, **options):
            stage = Stage(ledger, **options)
            stack.enter_context(scheduler.in_place(stage.service))
            stack.enter_context(clock.in_place(lambda: stage.now))
            return stage

        yield make


@pytest.fixture
def stage(make_stage):
    return make_stage()


@pytest.fixture(autouse=True)
def nobody_listens():
    yield
    listeners._listeners = ()
    around._failed.clear()


@pytest.fixture
def told():
    """What a listener hears, of all kinds."""
    events = []
    listeners.listen(kinds=listeners.KINDS)(events.append)
    return events
