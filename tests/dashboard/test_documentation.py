"""The blocks of docs/dashboard.md, each in an application as its framework makes
one, and the pictures beside them."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import flask
import morepath
import pytest
from fastapi import FastAPI
from flask_wtf import CSRFProtect
from gateways import asgi_transport
from pages import ROOT, blocks_of
from pyramid.config import Configurator
from webtest import TestApp

from cronsched import Cron
from cronsched.cli.commands import parse
from cronsched.fastapi import Cron as FastAPICron
from cronsched.flask import Cron as FlaskCron
from cronsched.morepath import CronApp

PAGE = ROOT / 'docs' / 'dashboard.md'


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('CRONSCHED_ENABLED', 'false')


def block(name: str) -> str:
    (text,) = [each.text for each in blocks_of(PAGE) if each.text.startswith(f'# {name}\n')]
    return text


def executed(name: str, **given: Any) -> dict[str, Any]:
    names = dict(given)
    exec(compile(block(name), str(PAGE), 'exec'), names)
    return names


def test_every_block_is_used_here() -> None:
    source = Path(__file__).read_text()
    for each in blocks_of(PAGE):
        if each.language == 'python':
            name = each.text.partition('\n')[0].removeprefix('# ')
            assert f"'{name}'" in source, f'{each}: nobody runs it'


def test_the_commands_are_there() -> None:
    commands = [each.text.strip() for each in blocks_of(PAGE) if each.language == 'console']
    assert commands == ["$ pip install 'cronsched[dashboard]'", '$ cronsched web']
    assert '\ndashboard = ["jinja2' in (ROOT / 'pyproject.toml').read_text()
    assert parse(['web']).port == 0


def test_flask() -> None:
    import flask_login

    class User:
        is_authenticated = True
        is_active = True
        is_admin = False
        name = 'ann'

    app, cron = flask.Flask('shop'), FlaskCron('shop')
    app.secret_key = 'only for tests'
    cron.init_app(app)
    login = flask_login.LoginManager(app)
    login.request_loader(lambda request: User() if request.headers.get('X-User') else None)
    executed('flask', cron=cron, app=app, csrf=CSRFProtect(app))
    client = app.test_client()
    assert client.get('/cron/').status_code == 403
    assert b'ann, reads' in client.get('/cron/', headers={'X-User': 'ann'}).data


def test_django() -> None:
    import django_site

    with django_site.site():
        names = executed('urls.py')
        assert [str(each.pattern) for each in names['urlpatterns']] == ['', 'cron/']


def test_fastapi() -> None:
    async def user_of(session: str | None) -> Any:
        return type('User', (), {'name': 'ann'}) if session == 'ours' else None

    app, cron = FastAPI(), FastAPICron('shop')
    executed('fastapi', cron=cron, app=app, user_of=user_of)
    send = asgi_transport(app)
    assert send('GET', '/cron/', [], b'').status == 403
    assert b'ann, may act' in send('GET', '/cron/', [('Cookie', 'session=ours')], b'').body


def test_pyramid() -> None:
    with Configurator(settings={'cronsched.application_id': 'shop'}) as config:
        config.include('cronsched.pyramid')
        executed('pyramid', config=config)
        client = TestApp(config.make_wsgi_app())
    assert client.get('/cron/', status=403)


def test_morepath() -> None:
    class App(CronApp):
        pass

    executed('morepath', App=App)
    morepath.commit(App)

    @App.identity_policy()
    def policy() -> Any:
        class Policy:
            def identify(self, request: Any) -> Any:
                return morepath.Identity(request.headers.get('X-User', 'nobody'))

            def remember(self, response: Any, request: Any, identity: Any) -> None:
                pass

            def forget(self, response: Any, request: Any) -> None:
                pass

        return Policy()

    @App.verify_identity()
    def verify(identity: Any) -> bool:
        return True

    App.setting(section='cronjobs', name='enabled')(lambda: False)
    App.commit()
    client = TestApp(App())
    assert client.get('/cron/jobs', status=403)
    assert 'may act' in client.get('/cron/jobs', headers={'X-User': 'ann'}).text


def test_wsgi_and_links(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('CRON_PASSWORD', 'only for tests')
    cron = Cron('shop')
    names = executed('wsgi', cron=cron, application=lambda environ, start_response: [])
    client = TestApp(names['application'])
    assert 'Basic' in client.get('/cron/', status=401).headers['WWW-Authenticate']
    client.authorization = ('Basic', ('ann', 'only for tests'))
    assert 'ann, may act' in client.get('/cron/').text
    executed('links', cron=cron, auth=names['auth'])


def test_the_pictures_are_small_and_there() -> None:
    places = re.findall(r'!\[[^\]]+\]\(([^)]+)\)', PAGE.read_text())
    assert len(places) >= 3
    for place in places:
        data = (PAGE.parent / place).read_bytes()
        assert data[:8] == b'\x89PNG\r\n\x1a\n'
        assert len(data) < 150_000
        assert struct.unpack('>II', data[16:24])[0] >= 320
