"""The dashboard in each framework, below a path, over real servers: the same
pages, rights and actions everywhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import django_site
import flask
import morepath
import pytest
from django.test import override_settings
from django.urls import include, path
from fastapi import FastAPI
from flask_wtf import CSRFProtect
from framework import Public, make_framework
from gateways import Reply, Send, http_transport, in_uvicorn
from pyramid.config import Configurator
from scene import HOSTILE
from servers import served
from starlette.applications import Starlette
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from cronsched import Cron
from cronsched.errors import ConfigurationError
from cronsched.fastapi import Cron as FastAPICron
from cronsched.flask import Cron as FlaskCron
from cronsched.ledger import Declared, Ledger, Plan
from cronsched.morepath import CronApp
from cronsched.morepath.dashboard import mount_dashboard
from cronsched.scheduler.site import Site
from cronsched.starlette import Cron as StarletteCron

FORM = [('Content-Type', 'application/x-www-form-urlencoded')]
OURS = [*FORM, ('Sec-Fetch-Site', 'same-origin')]
JOB = urlencode({'application': 'shop', 'job': HOSTILE})
OPTIONS = {'links': {'Logs': 'https://logs/?q={run_id}'}}


def nothing(environ: Any, start_response: Any) -> Any:
    start_response('404 Not Found', [])
    return []


def of_environ(environ: Any) -> Any:
    assert environ['wsgi.version']
    return level_of(environ.get('HTTP_X_LEVEL'))


async def of_scope(scope: Any) -> Any:
    return level_of(dict(scope['headers']).get(b'x-level', b'').decode())


async def of_awaited(request: Any) -> Any:
    assert request.url.path.startswith('/cron')
    return level_of(request.headers.get('x-level'))


def of_request(request: Any) -> Any:
    return level_of(request.headers.get('X-Level'))


def level_of(named: str | None) -> Any:
    return (named, 'ann') if named else None


# -- each framework: the application, where it keeps its record, and its server

def plain_wsgi(settings: dict[str, Any]) -> Any:
    cron = Cron('shop', **settings)
    app = DispatcherMiddleware(nothing, {'/cron': cron.dashboard(auth=of_environ, **OPTIONS).wsgi})
    return cron.wsgi(app), cron.site, served


def plain_asgi(settings: dict[str, Any]) -> Any:
    cron = Cron('shop', **settings)
    app = cron.dashboard(auth=of_scope, **OPTIONS).asgi

    async def below(scope: Any, receive: Any, send: Any) -> None:
        found = scope['path'].removeprefix('/cron') if scope['type'] == 'http' else ''
        await app({**scope, 'path': found, 'root_path': '/cron'}, receive, send)

    return cron.asgi(below), cron.site, in_uvicorn


def in_flask(settings: dict[str, Any]) -> Any:
    cron, app = FlaskCron('shop', **settings), flask.Flask('shop')
    app.secret_key = 'only for tests'
    cron.init_app(app)
    csrf = CSRFProtect(app)
    dashboard = cron.dashboard(auth=of_request, **OPTIONS)
    csrf.exempt(dashboard)
    app.before_request(read_form)
    app.register_blueprint(dashboard, url_prefix='/cron')
    return app, app.extensions['cronsched'].site, served


def read_form() -> None:
    """As somebody else's hook does, before us."""
    assert flask.request.form is not None


def in_starlette(settings: dict[str, Any]) -> Any:
    cron, app = StarletteCron('shop', **settings), Starlette()
    cron.mount(app)
    app.mount('/cron', cron.dashboard(auth=of_awaited, **OPTIONS).asgi)
    return app, cron.site, in_uvicorn


def in_fastapi(settings: dict[str, Any]) -> Any:
    cron, app = FastAPICron('shop', **settings), FastAPI()
    cron.mount(app)
    app.mount('/cron', cron.dashboard(auth=of_request, **OPTIONS).asgi)
    return app, cron.site, in_uvicorn


def in_pyramid(settings: dict[str, Any]) -> Any:
    given = {f'cronsched.{name}': value for name, value in settings.items()}
    with Configurator(settings=given) as config:
        config.include('cronsched.pyramid')
        config.set_default_csrf_options(require_csrf=True)
        config.add_cron_dashboard('/cron', auth=of_request, **OPTIONS)
        app = config.make_wsgi_app()
    return app, app.registry.cronsched.site, served


def in_morepath(settings: dict[str, Any]) -> Any:
    class App(CronApp):
        pass

    return of_morepath(App, settings)


def in_onegov(settings: dict[str, Any]) -> Any:
    class App(make_framework(strict=True)):  # type: ignore[misc]
        pass

    return of_morepath(App, settings, permission=Public)


def of_morepath(App: Any, settings: dict[str, Any], **permission: Any) -> Any:
    for name, value in settings.items():
        App.setting(section='cronjobs', name=name)(lambda value=value: value)
    mount_dashboard(App, '/cron', auth=of_request, **OPTIONS, **permission)
    App.path(path='')(type('Root', (), {}))
    morepath.commit(App)
    app = App()
    return app, app.cronjob_site, served


def in_django(settings: dict[str, Any]) -> Any:
    from django.core.wsgi import get_wsgi_application

    from cronsched.django import dashboard
    from cronsched.django.host import HOST

    global urlpatterns
    urlpatterns = [path('cron/', include(dashboard.urls(auth=of_request, **OPTIONS)))]
    return get_wsgi_application(), HOST.site, served


urlpatterns: list[Any] = []

MOUNTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    made.__name__: made for made in (
        plain_wsgi, plain_asgi, in_flask, in_starlette, in_fastapi, in_pyramid, in_morepath,
        in_onegov, in_django)
}


@dataclass(frozen=True)
class Mount:
    name: str
    ledger: Ledger
    send: Send

    def get(self, place: str, level: str = 'operate', method: str = 'GET') -> Reply:
        return self.send(method, f'/cron{place}', self._asked_by(level), b'')

    def post(
        self, place: str, form: dict[str, str] | None = None, level: str = 'operate',
        headers: list[tuple[str, str]] = OURS,
    ) -> Reply:
        body = urlencode(form or {'note': 'x'}).encode()
        return self.send('POST', f'/cron{place}', [*self._asked_by(level), *headers], body)

    def _asked_by(self, level: str) -> list[tuple[str, str]]:
        return [('X-Level', level)] if level else []


@contextmanager
def opened(name: str, directory: Path) -> Iterator[Mount]:
    settings = {
        'enabled': False, 'state_directory': str(directory),
        'base_url': 'http://127.0.0.1:9', 'ledger': 'sqlite',
    }
    with pytest.MonkeyPatch.context() as patch, around(name, settings):
        patch.delenv('CRONSCHED_ENABLED', raising=False)   # it would win
        app, site, server = MOUNTS[name](settings)
        ledger = of_site(site)
        ledger.seen('shop', 'http://localhost', {HOSTILE: Declared(Plan('0 3 * * *'))}, 1.0)
        with server(app) as url:
            yield Mount(name, ledger, http_transport(url))


def around(name: str, settings: dict[str, Any]) -> AbstractContextManager[Any]:
    @contextmanager
    def django() -> Iterator[None]:
        given = {name.upper(): value for name, value in settings.items()}
        with django_site.site(CRONSCHED=given), override_settings(ROOT_URLCONF=__name__):
            yield

    @contextmanager
    def others() -> Iterator[None]:
        yield

    return django() if name == 'in_django' else others()


def of_site(site: Site) -> Ledger:
    assert site.ledger is not None
    return site.ledger


@pytest.fixture(scope='module', params=MOUNTS)
def mount(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Mount]:
    directory = tmp_path_factory.mktemp(request.param)
    directory.chmod(0o700)
    with opened(request.param, directory) as found:
        yield found


# -- what is the same in each

def test_a_page_is_there_with_its_headers(mount: Mount) -> None:
    answer = mount.get('/jobs')
    assert answer.status == 200
    assert b'&lt;script&gt;alert(1)' in answer.body
    assert answer.headers['content-type'] == 'text/html; charset=utf-8'
    assert "default-src 'none'" in answer.headers['content-security-policy']
    assert int(answer.headers['content-length']) == len(answer.body)


def test_a_job_with_a_hostile_name_is_found(mount: Mount) -> None:
    answer = mount.get(f'/job.json?{JOB}')
    assert answer.status == 200
    assert json.loads(answer.body)['job'] == HOSTILE


def test_it_needs_a_slash_and_leads_there(mount: Mount) -> None:
    answer = mount.get('')
    if mount.name == 'in_django':    # CommonMiddleware
        assert (answer.status, answer.headers['location']) == (301, '/cron/')
    else:
        assert answer.status in (303, 307, 308)
        assert re.search(r'(^\./cron/|/cron/|^/cron/jobs)$', answer.headers['location'])


def test_the_style_is_there_for_everybody(mount: Mount) -> None:
    answer = mount.get('/static/dashboard.css', level='')
    assert answer.status == 200
    assert answer.headers['content-type'] == 'text/css; charset=utf-8'
    assert b':root' in answer.body


def test_a_head_has_no_body(mount: Mount) -> None:
    answer = mount.get('/jobs', method='HEAD')
    assert (answer.status, answer.body) == (200, b'')
    assert int(answer.headers['content-length']) > 1000


@pytest.mark.parametrize('level', ['', 'admin'])
@pytest.mark.parametrize('place', ['/jobs', '/jobs.json', '/history.csv'])
def test_who_has_no_right_sees_nothing(mount: Mount, place: str, level: str) -> None:
    answer = mount.get(place, level=level)
    assert answer.status == 403
    assert b'alert' not in answer.body


def test_a_job_is_paused_and_resumed(mount: Mount) -> None:
    answer = mount.post(f'/pause?{JOB}', {'note': 'zw\u00f6lf & mehr'})
    assert answer.status == 303
    assert answer.headers['location'].startswith('job?application=shop&job=%3Cscript')
    pause, = mount.ledger.pauses()
    assert (pause.job, pause.note, pause.by) == (HOSTILE, 'zw\u00f6lf & mehr', 'ann')
    assert b'zw\xc3\xb6lf &amp; mehr' in mount.get(f'/job?{JOB}').body
    assert mount.post(f'/resume?{JOB}').status == 303
    assert mount.ledger.pauses() == []


@pytest.mark.parametrize(('level', 'headers'), [
    ('', OURS), ('read', OURS), ('operate', [*FORM, ('Sec-Fetch-Site', 'cross-site')]),
    ('operate', [*FORM, ('Origin', 'https://evil.example')]), ('operate', FORM),
])
def test_who_may_not_act_does_not(
    mount: Mount, level: str, headers: list[tuple[str, str]],
) -> None:
    assert mount.post(f'/pause?{JOB}', level=level, headers=headers).status == 403
    assert mount.ledger.pauses() == []


@pytest.mark.parametrize('place', [
    '/../etc/passwd', '/static/..%2fsite.py', '/static/%2e%2e/site.py', '/job/../../x',
    '/%00', '//', '/jobs.json/', '/job%0d%0aSet-Cookie:%20a=b',
])
def test_a_path_leads_nowhere_else(mount: Mount, place: str) -> None:
    answer = mount.get(place)
    assert answer.status in (200, 301, 303, 307, 308, 400, 404)
    assert 'set-cookie' not in answer.headers
    assert b'import' not in answer.body
    assert b'root:' not in answer.body


# -- what is not

@pytest.mark.parametrize('make', [
    lambda: FlaskCron('shop').dashboard(), lambda: StarletteCron('shop').dashboard(),
    lambda: FastAPICron('shop').dashboard(auth=None), lambda: Cron('shop').dashboard(auth='me'),
    lambda: mount_dashboard(CronApp, '/cron'),
    lambda: in_pyramid_without_auth(),
])
def test_nothing_is_mounted_without_auth(make: Any) -> None:
    with pytest.raises(ConfigurationError, match=r'write cron\.dashboard\(auth='):
        make()


def in_pyramid_without_auth() -> None:
    config = Configurator()
    config.include('cronsched.pyramid')
    config.add_cron_dashboard('/cron')


def test_django_is_not_mounted_without_auth() -> None:
    with django_site.site():
        from cronsched.django import dashboard

        with pytest.raises(ConfigurationError, match='auth'):
            dashboard.urls()


def test_an_auth_that_nobody_awaits_is_an_error(tmp_path: Path) -> None:
    dashboard = Cron('shop', state_directory=str(tmp_path)).dashboard(auth=of_scope)
    with pytest.raises(ConfigurationError, match='nobody awaits it'):
        dashboard.rights({'headers': []})


class User:
    is_active = True
    is_authenticated = True

    def __init__(self, *, is_staff: bool, may: bool = False) -> None:
        self.is_staff, self.may = is_staff, may

    def has_perm(self, permission: str) -> bool:
        assert permission == 'cronsched.operate'
        return self.may

    def get_username(self) -> str:
        return 'ann'


@pytest.mark.parametrize(('user', 'answer'), [
    (User(is_staff=False), None), (User(is_staff=False, may=True), None),
    (User(is_staff=True), ('read', 'ann')), (User(is_staff=True, may=True), ('operate', 'ann')),
])
def test_in_django_staff_reads_and_a_permission_acts(user: User, answer: object) -> None:
    with django_site.site():
        from cronsched.django.dashboard import staff

        request = type('Request', (), {'user': user})
        assert staff(request) == answer
        user.is_active = False
        assert staff(request) is None


def test_in_django_who_has_not_logged_in_is_asked_to() -> None:
    with django_site.site(ROOT_URLCONF=__name__):
        from django.contrib.auth.models import AnonymousUser
        from django.test import RequestFactory

        from cronsched.django import dashboard

        view = dashboard.urlpatterns[0].callback
        request = RequestFactory().get('/cron/')
        request.user = AnonymousUser()
        answer = view(request, path='')
    assert answer.status_code == 302
    assert answer['Location'] == '/accounts/login/?next=/cron/'
