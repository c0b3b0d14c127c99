"""The pages over a ledger that machines share: what they ask is answered alike."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from urllib.parse import urlencode

import postgres
import pytest
import scene
from scene import HOSTILE
from test_pages import EVERY

from cronsched.dashboard import Dashboard, Request, Rights
from cronsched.ledger import Ledger, Missed, Owner, Run, open_ledger

FORM = {'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin'}
SHOP = {'application': 'shop', 'job': HOSTILE}


@pytest.fixture(scope='module')
def now() -> float:
    return time.time()


@pytest.fixture(scope='module')
def shared(now: float) -> Iterator[Ledger]:
    ledger = open_ledger(postgres.server().clean_database())
    ledger.seen('shop', 'http://localhost', {
        name: scene.declared(name, '*/5 * * * *') for name in (HOSTILE, 'cleanup')}, now - 9000)
    for index, at in enumerate(scene.times('*/5 * * * *', now, 9)):
        ledger.record(
            Run('shop', HOSTILE, at), 'failed' if index == 8 else 'ok', at=at + 2.0,
            detail=scene.ERROR)
    first, *_, last = scene.times('*/5 * * * *', now, 6)
    ledger.miss([Missed(Run('shop', 'cleanup', first), last, 6)], now)
    ledger.own([Owner('shop', 'http://localhost', '/srv/shop', now - 60)])
    yield ledger
    ledger.close()


def asked(ledger: Ledger, path: str, method: str = 'GET', **query: object) -> tuple[int, bytes]:
    answer = Dashboard(lambda: ledger).respond(
        Request(method, path, urlencode(query), FORM), Rights('operate', 'ann'))
    return answer.status, answer.body


@pytest.mark.parametrize('path', EVERY)
def test_every_page_is_there(shared: Ledger, path: str) -> None:
    query = EVERY[path] | (SHOP if 'application' in EVERY[path] else {})
    status, body = asked(shared, path, **query)
    assert status == 200, body
    name = path if path != '/' else '/jobs'
    assert asked(shared, f'{name}.json', **query)[0] == 200


def test_they_say_what_is_so(shared: Ledger) -> None:
    rows = json.loads(asked(shared, '/jobs.json')[1])['rows']
    assert [(row['job'], row['state']) for row in rows] == [
        (HOSTILE, 'failed'), ('cleanup', 'missed')]
    assert rows[0]['outcomes'] == ['failed', *['ok'] * 8]
    (process,) = json.loads(asked(shared, '/machines.json')[1])['processes']
    assert process['applications'] == 1
    found = json.loads(asked(shared, '/history.json', state='missed')[1])
    assert [run['count'] for run in found['runs']] == [6]


def test_they_act(shared: Ledger) -> None:
    assert asked(shared, '/pause', 'POST', **SHOP)[0] == 303
    assert [each.by for each in shared.pauses()] == ['ann']
    assert b'paused' in asked(shared, '/job', **SHOP)[1]
    assert asked(shared, '/resume', 'POST', **SHOP)[0] == 303
    assert shared.pauses() == []
    assert asked(shared, '/run-now', 'POST', **SHOP)[0] == 303
    assert [run.job for run in shared.take_requests(['shop'])] == [HOSTILE]
