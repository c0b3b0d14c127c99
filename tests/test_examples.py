from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from webtest import TestApp as Client

EXAMPLES = Path(__file__).parent.parent / 'examples'


@pytest.fixture
def town(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    import town

    return town


def test_each_town_has_a_page_and_its_jobs(town, monkeypatch):
    monkeypatch.delenv('TOWNS_URL', raising=False)
    client = Client(town.serve())
    for name in town.TOWNS:
        assert client.get(f'/{name}').text == f'Welcome to {name}.'
    client.get('/basel', status=404)
    registry = town.Town.config.cronjob_registry
    assert len(registry.cronjobs) == 21
    assert sorted(registry.cronjob_threads) == ['towns/glarus', 'towns/uri', 'towns/zug']


@pytest.mark.soak
@pytest.mark.parametrize('server', ['gunicorn', 'waitress'])
def test_the_demo_shows_each_run_once_within_75_seconds(server):
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / 'run.py'), server],
        env=os.environ | {'DEMO_SECONDS': '70'}, capture_output=True, text=True, timeout=100,
    )
    assert done.returncode == 0, done.stderr
    runs = re.findall(r'^[\d:.]+ +(\w+) +look_at_the_clock .* ok ', done.stdout, re.MULTILINE)
    assert {*runs} == {'zug', 'uri', 'glarus'}
    assert len(runs) in (3, 6)
