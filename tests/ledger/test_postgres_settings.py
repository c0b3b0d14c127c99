"""How an application names a PostgreSQL database as its ledger."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import postgres
import psycopg
import pytest
from processes import run_python

from cronsched import Cron
from cronsched._cronsched import sign_headers
from cronsched.errors import ConfigurationError
from cronsched.jobs.job import Job
from cronsched.jobs.settings import Settings
from cronsched.ledger import Run
from cronsched.ledger.postgres import PostgresLedger
from cronsched.scheduler.bound import BoundApplication
from cronsched.scheduler.site import Site, forget_ledger, ledger_of, secrets_of

SECRET = 'a secret of all machines, long enough'


def test_several_machines_need_one_secret() -> None:
    told = r'cronjobs.secret is not set.*write the same'
    for ledger in ('postgresql://db/app', lambda: None):
        with pytest.raises(ConfigurationError, match=told):
            secrets_of(Settings(ledger=ledger))
        assert len(secrets_of(Settings(ledger=ledger, secret=SECRET))) == 1
    with pytest.raises(ConfigurationError, match=r'secret is not set, and several machines'):
        Cron('shop', ledger='postgresql://db/app')


def test_another_way_to_the_ledger_needs_a_ledger_that_is_shared() -> None:
    with pytest.raises(ConfigurationError, match=r'beat_url is another way to the ledger'):
        Cron('shop', ledger='sqlite', beat_url='postgresql://db/app')
    with pytest.raises(ConfigurationError, match=r"beat_url='sqlite:///a': write 'postgresql:"):
        Cron('shop', ledger='postgresql://db/app', secret=SECRET, beat_url='sqlite:///a')


def test_a_ledger_is_opened_once_for_each_source() -> None:
    url = postgres.server().clean_database()

    def connect() -> psycopg.Connection:
        return psycopg.connect(url)

    for source in (url, connect):
        settings = Settings(ledger=source, secret=SECRET)
        ledger = ledger_of(settings)
        assert isinstance(ledger, PostgresLedger)
        assert ledger_of(settings) is ledger
        assert ledger.jobs() == []
        forget_ledger(settings)


def engine(url: str, driver: str) -> Any:
    return pytest.importorskip('sqlalchemy').create_engine(
        url.replace('postgresql:', f'postgresql+{driver}:'))


#: What docs/several-machines.md says that `ledger` may be.
LEDGERS: dict[str, Callable[[str], Any]] = {
    'url': str,
    'psycopg': lambda url: lambda: psycopg.connect(url),
    'psycopg2': lambda url: lambda: pytest.importorskip('psycopg2').connect(url),
    'engine': lambda url: engine(url, 'psycopg'),
    'engine of psycopg2': lambda url: engine(url, 'psycopg2'),
}


@pytest.mark.parametrize('kind', [*LEDGERS, 'url without psycopg 3'])
def test_a_run_of_an_application_is_recorded_there(
    kind: str, monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = postgres.server().clean_database()
    if kind == 'url without psycopg 3':
        pytest.importorskip('psycopg2')
        monkeypatch.setitem(sys.modules, 'psycopg', None)
    cron = Cron('shop', ledger=LEDGERS.get(kind, str)(url), secret=SECRET)
    done: list[str] = []

    @cron.job('0 8 * * *', timezone='UTC')
    def cleanup() -> None:
        done.append('once')

    answers: list[str] = []
    scheduled = int(time.time()) - 10
    for _ in range(2):
        headers = sign_headers(
            'shop', 'cleanup', scheduled, key=cron.site.key('shop'), now=int(time.time()),
            attempt=1)
        environ = {f'HTTP_{name.upper().replace("-", "_")}': value
                   for name, value in headers.items()}
        environ |= {'REQUEST_METHOD': 'POST', 'PATH_INFO': '/cronjobs/cleanup'}
        app = cron.wsgi(lambda environ, start_response: [b''])
        list(app(environ, lambda status, headers, *_: answers.append(status)))
    assert done == ['once']
    assert answers[0].startswith('200')
    forget_ledger(cron.settings)
    monkeypatch.undo()
    with_row = PostgresLedger(url)
    row = with_row.find(Run('shop', 'cleanup', scheduled))
    assert row is not None
    assert row.state == 'ok'
    with_row.close()


def test_a_request_is_sent_again_later_while_the_database_is_away() -> None:
    cron = Cron('shop', ledger='postgresql:///app?host=/nowhere', secret=SECRET)
    cron.site.ledger._session.patience = 0.2
    done: list[str] = []

    @cron.job('0 8 * * *', timezone='UTC')
    def cleanup() -> None:
        done.append('executed')

    headers = sign_headers(
        'shop', 'cleanup', int(time.time()) - 10, key=cron.site.key('shop'),
        now=int(time.time()), attempt=1)
    environ = {f'HTTP_{name.upper().replace("-", "_")}': value for name, value in headers.items()}
    environ |= {'REQUEST_METHOD': 'POST', 'PATH_INFO': '/cronjobs/cleanup'}
    answers: list[tuple[str, dict[str, str]]] = []
    list(cron.wsgi(lambda environ, start_response: [b''])(
        environ, lambda status, headers, *_: answers.append((status, dict(headers)))))
    (status, told), = answers
    assert status.startswith('503')
    assert 'Retry-After' in told
    assert done == []
    forget_ledger(cron.settings)


DJANGO = """
import sys
from django.conf import settings
engine, database, host, port, driver, pool = arguments
if driver == 'psycopg2':
    sys.modules['psycopg'] = None
settings.configure(
    SECRET_KEY='x', ROOT_URLCONF='shop.urls', INSTALLED_APPS=['cronsched.django'], USE_TZ=True,
    DATABASES={'default': {'ENGINE': engine, 'NAME': database, 'USER': 'owner', 'HOST': host,
                           'PORT': port, 'OPTIONS': {'pool': True} if pool else {}}},
    CRONSCHED={'LEDGER': 'default', 'SECRET': 'a secret of all machines, long enough'})
import django
django.setup()
from django.db import connection, transaction
from cronsched.django.host import HOST
from cronsched.ledger import Run
ledger = HOST.site.ledger
try:
    with transaction.atomic():
        connection.cursor().execute('SELECT 1')
        print(ledger.claim(Run('shop', 'cleanup', 60)).verdict)
        raise RuntimeError('the request takes back what it did')
except RuntimeError:
    print(ledger.find(Run('shop', 'cleanup', 60)).state)
ledger.close()
print(connection.Database.__name__)
connection.close()
"""


@pytest.mark.parametrize(('driver', 'pool'), [
    ('psycopg', False), ('psycopg', True), ('psycopg2', False)])
def test_a_database_of_a_django_project_is_a_ledger(driver: str, pool: bool) -> None:
    pytest.importorskip('psycopg_pool' if pool else driver)
    url = urlsplit(postgres.server().clean_database())
    where = {name: values[0] for name, values in parse_qs(url.query).items()}
    arguments = ['django.db.backends.postgresql', url.path[1:], where['host'], where['port'],
                 driver, pool]
    done = run_python(f'arguments = {arguments!r}', DJANGO)
    assert done.split() == ['granted', 'running', driver]


def test_a_database_of_a_django_project_that_is_another_is_an_error() -> None:
    arguments = ['django.db.backends.sqlite3', ':memory:', '', '', '', False]
    done = run_python(f"""
arguments = {arguments!r}
try:
    exec({DJANGO!r})
except Exception as error:
    print(error)
""")
    assert "CRONSCHED['LEDGER']='default': DATABASES['default'] is not PostgreSQL" in done


def bound(host: str, ledger: str) -> BoundApplication:
    site = Site(Settings(ledger=ledger, secret=SECRET), (SECRET,))
    return BoundApplication(
        'org/zug', site, [Job(lambda: None, 8, 0, 'UTC', name='cleanup')],
        [f'http://{host}/zug/cronjobs/xyz'], f'http://{host}/zug')


def test_a_run_does_not_move_when_another_machine_fires_it() -> None:
    hosts = '127.0.0.1:8000', '127.0.0.1:9000'
    here, there = (bound(host, 'postgresql://db/app').offset_of(0) for host in hosts)
    assert here == there
    assert bound(hosts[0], 'sqlite').offset_of(0) != bound(hosts[1], 'sqlite').offset_of(0)
