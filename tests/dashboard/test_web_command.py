"""`cronsched web`: to whoever started it, once by its token, and to nobody else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlencode

import pytest
import scene
from gateways import Reply, http_transport
from scene import SHOP

from cronsched.cli import main
from cronsched.cli.web import Door
from cronsched.ledger import Ledger, open_ledger

FORM = [('Content-Type', 'application/x-www-form-urlencoded'), ('Sec-Fetch-Site', 'same-origin')]
JOB = urlencode({'application': SHOP, 'job': 'cleanup'})


class Visitor:
    """Somebody who has the address that was printed."""

    def __init__(self, line: str) -> None:
        found = re.fullmatch(
            r'(http://127\.0\.0\.1:(\d+))/\?token=([\w-]+) \(opens once; Ctrl-C ends it\)\n', line)
        assert found, line
        self.url, self.port, self.token = found.groups()
        self.cookie = ''
        self.send = http_transport(self.url)

    def ask(self, place: str, method: str = 'GET', **headers: str) -> Reply:
        given = [('Cookie', self.cookie)] if self.cookie else []
        if method == 'POST':
            given += FORM
        given += [(name.replace('_', '-'), value) for name, value in headers.items()]
        return self.send(method, place, given, b'note=x' if method == 'POST' else b'')

    def enter(self) -> Reply:
        answer = self.ask(f'/?token={self.token}')
        self.cookie = answer.headers.get('set-cookie', '').partition(';')[0]
        return answer


@contextmanager
def started(*words: str) -> Iterator[Visitor]:
    process = subprocess.Popen(
        [sys.executable, '-m', 'cronsched', 'web', *words], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env=dict(os.environ))
    assert process.stdout
    try:
        yield Visitor(process.stdout.readline())
    finally:
        process.terminate()
        process.communicate(timeout=20)


@pytest.fixture(scope='module')
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp('state')
    directory.chmod(0o700)
    ledger = open_ledger(f'sqlite://{directory}/ledger.sqlite3')
    ledger.seen(SHOP, 'http://localhost', {
        'cleanup': scene.declared('cleanup', '30 2 * * *')}, 1.0)
    ledger.close()
    return directory


@pytest.fixture(scope='module')
def reading(place: Path) -> Iterator[Visitor]:
    with started('--state-directory', str(place)) as visitor:
        visitor.enter()
        yield visitor


def test_the_token_opens_once(place: Path) -> None:
    with started('--state-directory', str(place)) as visitor:
        check_the_token_opens_once(visitor)


def check_the_token_opens_once(reading: Visitor) -> None:
    assert reading.ask('/').status == 403
    assert reading.ask('/?token=guessed').status == 403
    answer = reading.enter()
    assert (answer.status, answer.headers['location']) == (303, './')
    cookie = answer.headers['set-cookie']
    assert 'HttpOnly' in cookie
    assert 'SameSite=Strict' in cookie
    assert cookie.startswith(f'cronsched-{reading.port}=')
    assert reading.token not in cookie
    assert reading.ask('/').status == 200
    stranger = Visitor(f'{reading.url}/?token={reading.token} (opens once; Ctrl-C ends it)\n')
    assert stranger.enter().status == 403
    assert stranger.ask('/').status == 403


def test_without_operate_it_only_reads(reading: Visitor, place: Path) -> None:
    before = (place / 'ledger.sqlite3').stat().st_mtime_ns, sorted(os.listdir(place))
    assert reading.ask(f'/job?{JOB}').status == 200
    for action in ('run-now', 'pause', 'resume'):
        assert reading.ask(f'/{action}?{JOB}', 'POST').status == 403
    assert b'<form action="pause' not in reading.ask(f'/job?{JOB}').body
    assert ((place / 'ledger.sqlite3').stat().st_mtime_ns, sorted(os.listdir(place))) == before


@pytest.mark.parametrize('host', [
    'evil.example', '127.0.0.1.evil.example', 'localhost.evil.example', '10.0.0.1', '',
    'evil.example@127.0.0.1', '127.0.0.1\\.evil.example'])
def test_a_name_on_the_internet_does_not_lead_here(reading: Visitor, host: str) -> None:
    assert status_with_host(reading, host) == 421


def status_with_host(visitor: Visitor, host: str) -> int:
    from http.client import HTTPConnection

    connection = HTTPConnection('127.0.0.1', int(visitor.port), timeout=20)
    connection.putrequest('GET', f'/?token={visitor.token}', skip_host=True)
    connection.putheader('Host', host)
    connection.endheaders()
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.parametrize('cookie', [
    '', '{name}=', '{name}=guessed', 'x"; \0', '{name}="', '=' * 99])
def test_a_cookie_that_is_not_ours_opens_nothing(ledger: Ledger, cookie: str) -> None:
    door = Door(ledger, operates=True)
    door.port = 8000
    statuses: list[str] = []
    door({
        'REQUEST_METHOD': 'GET', 'PATH_INFO': '/', 'HTTP_HOST': 'localhost:8000',
        'HTTP_COOKIE': cookie.format(name='cronsched-8000'), 'wsgi.version': (1, 0),
    }, lambda status, headers: statuses.append(status))
    assert statuses == ['403 Forbidden']


def test_with_operate_it_acts(place: Path) -> None:
    with started('--state-directory', str(place), '--operate', '--port', '0') as visitor:
        visitor.enter()
        assert visitor.ask(f'/pause?{JOB}', 'POST').status == 303
        ledger = open_ledger(f'sqlite://{place}/ledger.sqlite3')
        assert [each.job for each in ledger.pauses()] == ['cleanup']
        visitor.ask(f'/resume?{JOB}', 'POST')
        assert ledger.pauses() == []
        ledger.close()


@pytest.mark.parametrize(('words', 'told'), [
    (['--port', '70000'], 'not a port'), (['--port', '-1'], 'not a port'),
    (['--state-directory', '/nowhere'], 'there is no ledger'),
])
def test_what_is_wrong_is_told(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str],
) -> None:
    with suppress(SystemExit):    # of argparse
        assert main(['web', *words]) == 2
    assert told in capsys.readouterr().err


def test_a_port_that_is_taken_is_told(
    reading: Visitor, place: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(['web', '--state-directory', str(place), '--port', reading.port]) == 2
    assert '--port 0' in capsys.readouterr().err
