"""What stands in the way of a knock, met in each framework: the diagnosis is
right, its words name settings that there are, and doing what they say helps."""

from __future__ import annotations

import re
import time

import flask
import gateways
import pytest
from django.conf import global_settings
from django_site import set_up, site
from fastapi import FastAPI
from pyramid.config import Configurator
from pyramid.response import Response as PyramidResponse
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.httpsredirect import HTTPSRedirectMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse, RedirectResponse
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from cronsched import Cron
from cronsched.fastapi import Cron as FastAPICron
from cronsched.flask import Cron as FlaskCron
from cronsched.jobs.settings import NAMES
from cronsched.starlette import Cron as StarletteCron
from cronsched.testing.asgi import AsgiTarget
from cronsched.testing.wsgi import WsgiTarget
from cronsched.web import facts, knock
from cronsched.web.diagnosis import WORDS, diagnose, words
from cronsched.web.host import Diagnosis
from cronsched.web.knocking import APPLICATION_HEADER, sign_knock

ADDRESS = 'http://127.0.0.1:8000'
PUBLIC = 'https://shop.example'


@pytest.fixture(autouse=True)
def nothing_starts(monkeypatch):
    monkeypatch.setenv('CRONSCHED_ENABLED', 'no')


# -- what is in the way, of any WSGI application -----------------------------------


def answer(start_response, status, *headers):
    start_response(status, [*headers])
    return []


def https_only(app):
    def middleware(environ, start_response):
        if environ.get('HTTP_X_FORWARDED_PROTO') == 'https':
            return app(environ, start_response)
        return answer(start_response, '301 Moved', ('Location', f'{PUBLIC}/'))

    return middleware


def one_host(app):
    def middleware(environ, start_response):
        if environ['HTTP_HOST'] == 'shop.example':
            return app(environ, start_response)
        return answer(start_response, '400 Bad Request')

    return middleware


def login_first(app, exempt):
    def middleware(environ, start_response):
        if environ['PATH_INFO'].startswith(exempt):
            return app(environ, start_response)
        return answer(start_response, '302 Found', ('Location', '/login'))

    return middleware


def no_posts(app, exempt):
    def middleware(environ, start_response):
        if environ['REQUEST_METHOD'] != 'POST' or environ['PATH_INFO'].startswith(exempt):
            return app(environ, start_response)
        return answer(start_response, '403 Forbidden')

    return middleware


# By diagnosis: what is around the application, and with which settings of ours
# it lets us through.
WSGI = {
    'redirect': lambda app, done: (https_only(app)),
    'host': lambda app, done: one_host(app),
    'login': lambda app, done: login_first(app, '/cronjobs/' if done else '/public/'),
    'refused': lambda app, done: no_posts(app, '/cronjobs/' if done else '/public/'),
}
SETTINGS = {'redirect': {'public_url': PUBLIC}, 'host': {'public_url': PUBLIC}}


# -- the applications ---------------------------------------------------------------


def in_flask(kind, done):
    app = flask.Flask('shop')
    cron = FlaskCron('shop', **(SETTINGS.get(kind, {}) if done else {}))
    cron.init_app(app)
    host = app.extensions['cronsched']
    if kind in WSGI:
        return WsgiTarget(WSGI[kind](app, done), host), host
    return WsgiTarget(app if done else flask.Flask('another'), host), host


def in_flask_behind_a_hook(kind, done):
    """One that is put before all others, as ours is."""
    app = flask.Flask('shop')
    cron = FlaskCron('shop')

    def first():
        app.before_request_funcs.setdefault(None, []).insert(0, lambda: ('who?', 401))

    steps = [lambda: cron.init_app(app), first]
    for step in reversed(steps) if done else steps:
        step()
    host = app.extensions['cronsched']
    return WsgiTarget(app, host), host


def in_pyramid(kind, done):
    given = SETTINGS.get(kind, {}) if done else {}
    config = Configurator(settings={
        'cronsched.application_id': 'shop',
        **{f'cronsched.{name}': value for name, value in given.items()},
    })

    def catch_all():
        config.add_route('all', '/*path')
        config.add_view(lambda request: PyramidResponse('a page'), route_name='all')

    if kind == 'elsewhere' and not done:
        catch_all()
        config.commit()
    config.include('cronsched.pyramid')
    if kind == 'elsewhere' and done:
        catch_all()
    app = config.make_wsgi_app()
    host = config.registry.cronsched
    return WsgiTarget(WSGI[kind](app, done) if kind in WSGI else app, host), host


class Login:
    """A middleware of a project of Starlette."""

    def __init__(self, exempt, answer):
        self.exempt, self.answer = exempt, answer

    async def __call__(self, request, call_next):
        if request.url.path.startswith(self.exempt):
            return await call_next(request)
        return self.answer()


def in_starlette(kind, done, make=StarletteCron, application=Starlette):
    app = application()
    cron = make('shop', **(SETTINGS.get(kind, {}) if done else {}))
    if kind != 'not_found' or done:
        cron.mount(app)
    exempt = '/cronjobs/' if done else '/public/'
    answers = {
        'login': lambda: RedirectResponse('/login'),
        'refused': lambda: PlainTextResponse('no', 403),
    }
    if kind == 'redirect':
        app.add_middleware(HTTPSRedirectMiddleware)
    elif kind == 'host':
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=['shop.example'])
    elif kind in answers:
        app.add_middleware(BaseHTTPMiddleware, dispatch=Login(exempt, answers[kind]))
    # As uvicorn does it.
    served = ProxyHeadersMiddleware(app, trusted_hosts='127.0.0.1')
    return AsgiTarget(served, {'': cron}), cron


def in_fastapi(kind, done):
    return in_starlette(kind, done, FastAPICron, FastAPI)


def in_wsgi(kind, done):
    cron = Cron('shop', **(SETTINGS.get(kind, {}) if done else {}))
    app = cron.wsgi(gateways.wsgi_page)
    if kind in WSGI:
        return WsgiTarget(WSGI[kind](app, done), cron), cron
    return WsgiTarget(app if done else gateways.wsgi_page, cron), cron


CELLS = [
    *((in_flask, kind) for kind in ('redirect', 'host', 'login', 'refused', 'not_found')),
    (in_flask_behind_a_hook, 'login'),
    *((in_pyramid, kind) for kind in ('redirect', 'host', 'login', 'refused', 'elsewhere')),
    *((make, kind) for make in (in_starlette, in_fastapi)
      for kind in ('redirect', 'host', 'login', 'refused', 'not_found')),
    *((in_wsgi, kind) for kind in ('redirect', 'host', 'login', 'refused', 'elsewhere')),
]


def knocked(target, host):
    url = ADDRESS + host.url_of('-')
    key = host.site.key(host.application_id)
    headers = {**sign_knock(key, url, time.time()), APPLICATION_HEADER: host.application_id}
    response = target.send(url, method='POST', headers=headers).response
    if response.headers.get('Cronsched-Knock'):
        return None
    return diagnose(
        'refused', url, response.status_code, response.headers.get('Location') or '',
        response.headers.get('Cronsched-Outcome') or '',
    )


@pytest.mark.parametrize(
    ('make', 'kind'), CELLS, ids=lambda each: getattr(each, '__name__', each))
def test_what_it_says_is_what_helps(make, kind):
    found = knocked(*make(kind, done=False))
    assert found is not None
    assert found.kind == kind
    assert knocked(*make(kind, done=True)) is None


# -- the words -----------------------------------------------------------------------

OWN = {*NAMES, 'application_id', 'prefix', 'timezone'}
HOSTS = {
    'flask': lambda: in_flask('', True)[1],
    'pyramid': lambda: in_pyramid('', True)[1],
    'starlette': lambda: in_starlette('', True)[1],
    'fastapi': lambda: in_fastapi('', True)[1],
    'cron': lambda: Cron('shop'),
}
# How each framework writes a setting of ours.
WRITTEN = {
    'flask': r'CRONSCHED_([A-Z_]+)', 'pyramid': r'cronsched\.([a-z_]+)(?!\w*\')',
    'starlette': r'([a-z]+_[a-z_]+)(?==)|set ([a-z]+_[a-z]+) to',
    'fastapi': r'([a-z]+_[a-z_]+)(?==)|set ([a-z]+_[a-z]+) to', 'cron': r'([a-z]+_[a-z_]+)(?==)',
}


def settings_in(text, pattern):
    return {name.lower() for match in re.finditer(pattern, text)
            for name in match.groups() if name}


@pytest.mark.parametrize('kind', WORDS)
@pytest.mark.parametrize('framework', HOSTS)
def test_the_settings_it_names_are_settings(framework, kind):
    host = HOSTS[framework]()
    found = Diagnosis(kind, f'{ADDRESS}/cronjobs/-', 400, '/login')
    line = words(found, 'shop', host.told(found))
    assert '{' not in host.told(found)
    assert settings_in(line, WRITTEN[framework]) - {'pyramid'} <= OWN, line


@pytest.mark.parametrize('kind', ['redirect', 'host', 'secret', 'unreached', 'not_http'])
@pytest.mark.parametrize('framework', ['flask', 'pyramid'])
def test_they_are_written_as_the_framework_writes_them(framework, kind):
    """Where there is a file of settings, nothing is a keyword."""
    told = HOSTS[framework]().told(Diagnosis(kind, ADDRESS, 400))
    assert settings_in(told, WRITTEN[framework])


@pytest.mark.parametrize(('framework', 'told'), [
    ('flask', 'CRONSCHED_BASE_URL'), ('pyramid', 'write cronsched.base_url = http'),
    ('starlette', "write base_url='http"), ('cron', "write base_url='http"),
])
def test_a_server_that_is_not_known_is_told_of_in_its_words(
    framework, told, monkeypatch, caplog,
):
    monkeypatch.setenv('CRONSCHED_ENABLED', 'yes')
    monkeypatch.setattr(facts, 'server', lambda: None)
    assert knock.visit(HOSTS[framework]())
    (record,) = [each for each in caplog.records if 'reached is not known' in each.message]
    assert told in record.message


@pytest.mark.parametrize('kind', ['login', 'refused'])
@pytest.mark.parametrize('cron', [
    StarletteCron('shop', prefix='/internal'), FastAPICron('shop', prefix='/internal'),
])
def test_the_prefix_it_names_is_that_of_the_application(cron, kind):
    assert 'let /internal/ pass' in cron.told(Diagnosis(kind, ADDRESS, 403))


@pytest.mark.parametrize('kind', WORDS)
def test_django_names_settings_of_its_own_and_ours(kind):
    set_up()
    from cronsched.django.conf import OWN as of_django
    from cronsched.django.host import HOST

    with site(SECURE_SSL_REDIRECT=True, FORCE_SCRIPT_NAME='/shop'):
        found = Diagnosis(kind, f'{ADDRESS}/cronjobs/-', 400, 'https://shop.example/')
        line = words(found, 'shop', HOST.told(found))
    ours = {*re.findall(r"(?<=')[A-Z_]+(?=')", line)} | {*re.findall(r'of (PUBLIC_URL)', line)}
    assert {name.lower() for name in ours} <= {*NAMES, *of_django}
    theirs = {*re.findall(r'\b[A-Z]+_[A-Z_]+\b', line)} - ours
    for name in theirs - {'SCRIPT_NAME'}:   # of the environment of the server
        assert hasattr(global_settings, name), line
