"""The code of the pages about frameworks does what they say."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from typing import Any

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


def executed(text: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(text, names)
    return names


def signed(cron: Any, job: str) -> dict[str, str]:
    return sign_headers(
        'shop', job, 1_792_000_000, key=cron.site.key('shop'), now=int(time.time()), attempt=1,
    )


def test_the_page_about_other_frameworks_runs_its_jobs_once_under_wsgi(capsys):
    names = executed(python_of('other-frameworks.md')[0])
    client, cron = Client(names['application']), names['cron']
    for job in ('cleanup_stuff', 'monthly_report'):
        for outcome in ('ok', 'duplicate'):
            answer = client.post(f'/cronjobs/{job}', headers=signed(cron, job))
            assert answer.headers['Cronsched-Outcome'] == outcome
    assert capsys.readouterr().out == 'since None\n'
    client.post('/cronjobs/cleanup_stuff', status=401)
    client.post('/cronjobs/guess', status=401)
    assert client.get('/').text == 'hello'
    cron.stop()


def test_the_page_about_other_frameworks_runs_its_job_under_asgi(capsys):
    names = executed(python_of('other-frameworks.md')[1])
    cron = names['cron']
    headers = [(name.encode(), value.encode()) for name, value in signed(cron, 'refresh').items()]
    scope = {
        'type': 'http', 'method': 'POST', 'path': '/cronjobs/refresh', 'query_string': b'',
        'headers': headers, 'root_path': '',
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {'type': 'http.request', 'body': b'', 'more_body': False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(names['application'](scope, receive, send))
    assert sent[0]['status'] == 200
    assert (b'cronsched-outcome', b'ok') in [
        (name.lower(), value) for name, value in sent[0]['headers']
    ]
    assert capsys.readouterr().out == 'scheduled for 19:46\n'
