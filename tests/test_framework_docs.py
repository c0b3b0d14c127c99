"""The code of the pages about frameworks does what they say."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from pages import blocks_of
from webtest import TestApp as Client

from cronsched._cronsched import sign_headers

DOCS = Path(__file__).parent.parent / 'docs'


def python_of(page: str) -> list[str]:
    return [block.text for block in blocks_of(DOCS / page) if block.language == 'python']


def test_the_page_about_morepath_starts_its_jobs():
    names: dict = {}
    for block in python_of('morepath.md'):
        exec(block, names)
    App, Town = names['App'], names['Town']
    app = names['make']()   # which commits
    assert sorted(App.config.cronjob_registry.cronjobs) == ['cleanup_stuff', 'monthly_report']
    assert App.config.cronjob_registry.settings.base_url == 'http://127.0.0.1:8080'
    assert Town('zug').application_id == 'towns/zug'
    bound = app.config.cronjob_registry.cronjob_threads[app.application_id]
    assert bound.base_url == 'http://127.0.0.1:8080'


def test_the_page_about_onegov_imports_names_that_are_there():
    import cronsched.onegov

    text = (DOCS / 'onegov.md').read_text()
    for name in cronsched.onegov.__all__:
        assert hasattr(cronsched.onegov, name)
    named = re.findall(r'`([A-Za-z_]+)`', text.split('with their signatures:')[1].split('. ')[0])
    assert len(named) == 8
    assert {*named} <= {*cronsched.onegov.__all__}


@pytest.mark.parametrize('name', ['application', 'app'])
def test_the_page_about_other_frameworks_runs_its_job_once(name, capsys):
    names: dict = {}
    for block in python_of('other-frameworks.md'):
        exec(block, names)
    cron, client = names['cron'], Client(names[name])
    headers = sign_headers(
        'shop', 'cleanup_stuff', 1_792_000_000,
        key=cron.site.key('shop'), now=int(time.time()), attempt=1,
    )
    path = cron.url_of('cleanup_stuff')
    assert path == '/cronjobs/cleanup_stuff'
    assert client.post(path, headers=headers).headers['Cronsched-Outcome'] == 'ok'
    assert client.post(path, headers=headers).headers['Cronsched-Outcome'] == 'duplicate'
    client.post(path, status=401)
    client.get(path, headers=headers, status=401)
    client.post('/cronjobs/guess', status=401)
    assert client.get('/').text == 'hello'
    assert capsys.readouterr().out == '2026-10-14 19:46:40+02:00\n'
