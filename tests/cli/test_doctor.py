"""What the knock says at start, by hand."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from servers import served

from cronsched import Cron
from cronsched.base.keys import state_secret
from cronsched.cli import main
from cronsched.ledger import open_ledger

Shell = Callable[..., str]


@pytest.fixture(autouse=True)
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('CRONSCHED_ENABLED')


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / 'app').mkdir(mode=0o700)
    return tmp_path / 'app'


@pytest.fixture
def shell(directory: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    def call(*words: str, status: int = 0) -> str:
        assert main(['doctor', *words, '--state-directory', str(directory)]) == status
        written = capsys.readouterr()
        return written.out + written.err

    return call


@pytest.fixture
def seen(directory: Path) -> Iterator[Callable[[str], None]]:
    """Note where the application `shop` is reached."""
    ledger = open_ledger(f'sqlite://{directory}/ledger.sqlite3')
    yield lambda url: ledger.seen('shop', url, ['tick'], time.time())
    ledger.close()


def page(environ, start_response):
    start_response('404 Not Found', [('Content-Length', '0')])
    return [b'']


def make(directory: Path, **given: object) -> object:
    state_secret(directory)
    cron = Cron('shop', timezone='UTC', state_directory=str(directory), enabled=False, **given)
    cron.job('0 0 1 1 *')(lambda: None)
    return cron.wsgi(page)


def test_it_says_who_answers(shell: Shell, seen: Callable[[str], None], directory: Path) -> None:
    with served(make(directory)) as url:
        seen(url)
        assert shell() == f'shop\n  no process runs it\n  answers at {url}\n'
        assert f'answers at {url}' in shell('-a', 'shop', '--at', url)


def test_a_unix_socket(
    shell: Shell, seen: Callable[[str], None], directory: Path, tmp_path: Path
) -> None:
    path = tmp_path / 's'
    with served(make(directory), str(path)):
        seen('http+unix://' + str(path).replace('/', '%2F'))
        assert 'answers at http+unix://' in shell()


def test_it_says_what_stands_in_the_way(
    shell: Shell, seen: Callable[[str], None], directory: Path, tmp_path: Path
) -> None:
    state_secret(directory)
    seen('http://127.0.0.1:1')
    assert 'shop accepts no connection, at http://127.0.0.1:1/cronjobs/-' in shell(status=1)
    with served(page) as url:
        assert 'shop is not found' in shell('--at', url, status=1)
    (tmp_path / 'other').mkdir(mode=0o700)
    with served(make(tmp_path / 'other')) as url:
        assert 'another secret' in shell('--at', url, status=1)
        assert 'prefix' in shell('--at', url, '--prefix', '/jobs', status=1)


def test_it_makes_nothing(shell: Shell, seen: Callable[[str], None], directory: Path) -> None:
    seen('http://127.0.0.1:1')
    assert 'there is no secret' in shell(status=2)
    assert not (directory / 'secret').exists()
    assert 'is not in the ledger' in shell('-a', 'bakery', status=2)
