"""Visitors name application ids, where an application is mounted at a path
with a variable; they cannot make as many as they like."""

from __future__ import annotations

import logging
import types
from typing import Any

import pytest
from webtest import TestApp as Client

from cronsched.morepath import CronApp
from cronsched.morepath.visitors import LONGEST_ID, Admission

KNOWN = ('zug', 'uri', 'bern', 'thun')


def make(**settings: Any) -> Any:
    """A server of towns; any name is one, and few have a page."""

    class Town(CronApp):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        @property
        def application_id(self) -> str:
            return f'towns/{self.name}'

    class Server(CronApp):
        pass

    class Page:
        pass

    def page_of(app: Any) -> Page | None:
        return Page() if app.name in KNOWN or app.name.startswith('made-up') else None

    Town.cronjob('0 0 1 1 *', timezone='UTC')(lambda request: None)
    Town.path(path='/', model=Page)(page_of)
    Town.view(model=Page)(lambda self, request: 'here')
    Town.path(path='/broken', model=types.SimpleNamespace)(lambda: types.SimpleNamespace())
    Town.view(model=types.SimpleNamespace)(lambda self, request: 1 // 0)
    Server.mount(path='/{name}', app=Town)(lambda name: Town(name))
    given = {'base_url': 'http://127.0.0.1:1', 'enabled': True} | settings
    for name, value in given.items():
        Server.setting(section='cronjobs', name=name)(lambda value=value: value)
    Server.commit()
    server = Server()
    return server, Town.config.cronjob_registry


def ids(server: Any) -> list[str]:
    return sorted(seen.application_id for seen in server.cronjob_site.ledger.applications())


def test_a_path_that_is_not_there_makes_no_application_id() -> None:
    server, registry = make()
    client = Client(server)
    for number in range(200):
        client.get(f'/nowhere-{number}', status=404)
        client.get(f'/nowhere-{number}/cronjobs/x', status=404)
        client.get(f'/nowhere-{number}/x/cronjobs/x/y', status=404)
    assert not registry.cronjob_threads
    assert not getattr(registry, 'cronjobs_resting', {})
    client.get('/zug')
    assert list(registry.cronjob_threads) == ['towns/zug']


def test_an_error_is_an_answer() -> None:
    server, registry = make()
    with pytest.raises(ZeroDivisionError):
        Client(server).get('/zug/broken')
    assert list(registry.cronjob_threads) == ['towns/zug']


def test_there_are_as_many_as_the_setting_says_and_it_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server, registry = make(max_applications=3)
    client = Client(server)
    with caplog.at_level(logging.WARNING, 'cronsched'):
        for name in KNOWN:
            client.get(f'/{name}')
        for number in range(50):
            client.get(f'/made-up-{number}')
    assert sorted(registry.cronjob_threads) == ['towns/bern', 'towns/uri', 'towns/zug']
    (record,) = caplog.records
    assert 'no cronjobs are started for towns/thun and those that follow' in record.getMessage()
    assert 'cronjobs.max_applications=3' in record.getMessage()


@pytest.mark.parametrize('path', ['/made-up%00', '/made-up' + 'x' * 600, '/made-up%1b%00'])
def test_what_can_be_no_application_id_is_kept_nowhere_and_told_in_one_line(
    path: str, caplog: pytest.LogCaptureFixture,
) -> None:
    server, registry = make()
    client = Client(server)
    with caplog.at_level(logging.INFO, 'cronsched'):
        for number in range(100):
            client.get(f'{path}{number}')
    assert not registry.cronjob_threads
    assert not getattr(registry, 'cronjobs_resting', {})
    assert len(caplog.records) == 1
    assert caplog.records[0].getMessage().isprintable()
    assert len(caplog.records[0].getMessage()) < 500


def test_what_could_not_be_started_is_remembered_to_a_bound(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Any,
) -> None:
    (tmp_path / 'file').touch()
    server, registry = make(runtime_directory=str(tmp_path / 'file'))
    monkeypatch.setattr('cronsched.morepath.directives.MOST_RESTING', 10)
    for number in range(50):
        Client(server).get(f'/made-up-{number}')
    assert 0 < len(registry.cronjobs_resting) <= 10


@pytest.mark.parametrize(('application_id', 'admitted'), [
    ('org/zug', True), ('', False), ('a\0b', False), ('\ud800', False),
    ('x' * LONGEST_ID, True), ('x' * (LONGEST_ID + 1), False), ('Zürich 🚀', True),
])
def test_what_is_an_application_id(application_id: str, admitted: bool) -> None:
    assert Admission().admits(application_id, (), 10) is admitted
