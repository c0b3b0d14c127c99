"""The examples of the demo: a server for three towns, and what it shows."""

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
    assert len(registry.cronjobs) == 5
    assert sorted(registry.cronjob_threads) == ['towns/glarus', 'towns/uri', 'towns/zug']


@pytest.fixture(scope='module')
def shown():
    """What a demo prints, and what a command beside it."""
    with subprocess.Popen(
        [sys.executable, str(EXAMPLES / 'run.py')], env=os.environ | {'COLUMNS': '80'},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as demo:
        head = []
        for line in demo.stdout:
            head.append(line)
            if 'look_at_the_clock' in line and ' ok ' in line:
                break
        command = re.search(r'^  (\S*cronsched status .*?[^\\])\n', ''.join(head), re.M | re.S)[1]
        beside = subprocess.run(
            command, shell=True, capture_output=True, text=True, timeout=60, check=False)
        out, err = demo.communicate(timeout=150)
    assert demo.returncode == 0, err
    return ''.join(head) + out, beside


RUN = r'^[\d:]{8}  %s +%s +%s '


@pytest.mark.soak
@pytest.mark.parametrize(('town', 'job', 'outcome'), [
    ('zug', 'look_at_the_clock', 'ok'),
    ('uri', 'look_at_the_clock', 'ok'),
    ('glarus', 'look_at_the_clock', 'ok'),
    ('uri', 'send_newsletter', 'failed'),
    ('zug', 'fetch_weather', 'failed'),
    ('zug', 'fetch_weather', 'ok'),
    ('glarus', 'ask_tax_office', 'timed_out'),
    ('uri', 'make_backup', 'skipped_overlap'),
])
def test_the_demo_shows(shown, town, job, outcome):
    assert re.search(RUN % (town, job, outcome), shown[0], re.MULTILINE)


@pytest.mark.soak
def test_the_demo_kills_the_owner_and_misses_nothing(shown):
    killed, taken = (
        re.search(rf'^-- process (\d+) {what}', shown[0], re.MULTILINE)
        for what in ('is killed', 'took over after'))
    assert killed[1] != taken[1]
    after = shown[0][taken.end():]
    assert re.search(RUN % ('zug', 'look_at_the_clock', 'ok'), after, re.MULTILINE)
    assert 'none happened twice' in shown[0]
    assert 'none of its runs is missing' in shown[0]


@pytest.mark.soak
def test_what_the_demo_shows_can_be_asked_while_it_runs(shown):
    text, beside = shown
    assert beside.returncode == 0, beside.stderr
    assert re.search(r'^towns/zug +look_at_the_clock ', beside.stdout, re.MULTILINE)
    assert re.search(r'^towns/zug +look_at_the_clock ', text, re.MULTILINE)
    assert 'ValueError: the\n  newsletter has no recipients.' in text or (
        'ValueError: the newsletter has' in text)


@pytest.mark.soak
def test_the_demo_fits_a_screen_and_has_no_colours_in_a_pipe(shown):
    assert [line for line in shown[0].splitlines() if len(line) > 80] == []
    assert '\x1b' not in shown[0]
    assert re.search(r'ends by itself at\n\d\d:\d\d:\d\d, or with Ctrl-C', shown[0])
