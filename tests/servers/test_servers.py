"""Servers by (who starts, after how long, without any visitor; and again when
all its workers are killed). A row is a cell of the table in the docs; those
that take long are run by `make servers`."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fleet import Fleet, fleet
from servers import free_port, get, wait_for

# A job of each second keeps its connection, and so a worker, busy for ever.
GUNICORN = ['gunicorn', '--no-control-socket', '--log-level', 'warning', '--graceful-timeout', '2']
BIND = ['-b', '127.0.0.1:{port}']
WSGI, ASGI = 'shop_wsgi:application', 'shop_asgi:application'


@dataclass(frozen=True)
class Row:
    name: str
    command: list[str]
    #: Who runs the jobs: the process that was started, or one below it.
    itself: bool = False
    #: Whether it makes new workers in place of those that were killed.
    revives: bool = True
    #: Run by each `make test`.
    always: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    #: A module of the server, where its command is Python's.
    needs: str = ''


ROWS = [
    Row('gunicorn sync', [*GUNICORN, '-w', '2', *BIND, WSGI], always=True),
    Row('gunicorn sync, one worker', [*GUNICORN, *BIND, WSGI]),
    Row('gunicorn gthread', [*GUNICORN, '-k', 'gthread', '--threads', '4', *BIND, WSGI]),
    Row('gunicorn gevent', [*GUNICORN, '-k', 'gevent', '-w', '2', *BIND, WSGI]),
    Row('gunicorn --preload', [*GUNICORN, '--preload', '-w', '3', *BIND, WSGI], always=True),
    Row('gunicorn --preload gthread',
        [*GUNICORN, '--preload', '-k', 'gthread', '-w', '2', *BIND, WSGI]),
    Row('gunicorn --preload gevent',
        [*GUNICORN, '--preload', '-k', 'gevent', '-w', '2', *BIND, WSGI], always=True),
    Row('gunicorn, Unix socket', [*GUNICORN, '-w', '2', '-b', 'unix:{socket}', WSGI],
        always=True),
    Row('gunicorn, slow import', [*GUNICORN, '-w', '2', *BIND, WSGI],
        environment={'SHOP_IMPORT': '4'}),
    Row('gunicorn, SCRIPT_NAME', [*GUNICORN, *BIND, WSGI], environment={'SCRIPT_NAME': '/shop'}),
    Row('gunicorn, uvicorn worker',
        [*GUNICORN, '-k', 'uvicorn_worker.UvicornWorker', '-w', '2', *BIND, ASGI]),
    Row('uvicorn', ['uvicorn', '--port', '{port}', ASGI], itself=True, revives=False, always=True),
    Row('uvicorn --workers', ['uvicorn', '--workers', '2', '--port', '{port}', ASGI]),
    Row('uvicorn --uds', ['uvicorn', '--uds', '{socket}', ASGI], itself=True, revives=False),
    Row('uvicorn --root-path', ['uvicorn', '--root-path', '/shop', '--port', '{port}', ASGI],
        itself=True, revives=False),
    Row('uvicorn --reload', ['uvicorn', '--reload', '--port', '{port}', ASGI], revives=False),
    Row('hypercorn', ['hypercorn', *BIND, ASGI], revives=False),
    Row('hypercorn, 2 workers', ['hypercorn', '-w', '2', *BIND, ASGI], revives=False),
    Row('waitress', ['waitress-serve', '--listen', '127.0.0.1:{port}', WSGI],
        itself=True, revives=False, always=True),
    Row('granian', ['granian', '--interface', 'asgi', '--port', '{port}', ASGI], revives=False),
    Row('werkzeug', ['python', '-m', 'shop_werkzeug', '{port}'], itself=True, revives=False),
    Row('werkzeug, reloader',
        ['python', '-m', 'shop_werkzeug', '{port}', 'reload'], revives=False),
    Row('daphne', ['daphne', '-b', '127.0.0.1', '-p', '{port}', ASGI], itself=True, revives=False),
    Row('bjoern', ['python', '-m', 'shop_bjoern', '{port}'], itself=True, revives=False,
        needs='bjoern'),
    Row('cheroot', ['cheroot', '--bind', '127.0.0.1:{port}', WSGI], itself=True, revives=False),
    Row('uWSGI, master',
        ['uwsgi', '--http-socket', '127.0.0.1:{port}', '--master', '-p', '2', '--die-on-term',
         '--module', WSGI], always=True),
    Row('uWSGI, lazy-apps',
        ['uwsgi', '--http-socket', '127.0.0.1:{port}', '--master', '-p', '2', '--die-on-term',
         '--lazy-apps', '--module', WSGI]),
    Row('uWSGI, no master',
        ['uwsgi', '--http-socket', '127.0.0.1:{port}', '--die-on-term', '--module', WSGI],
        itself=True, revives=False),
    Row('uWSGI, http router',
        ['uwsgi', '--http', '127.0.0.1:{port}', '--master', '-p', '2', '--die-on-term',
         '--module', WSGI]),
    Row('uWSGI, hooks of Python',
        ['uwsgi', '--http-socket', '127.0.0.1:{port}', '--master', '-p', '2', '--die-on-term',
         '--py-call-uwsgi-fork-hooks', '--module', WSGI]),
]


def mark(row: Row) -> object:
    return pytest.param(row, id=row.name, marks=() if row.always else pytest.mark.servers)


def command_for(row: Row, port: int) -> list[str]:
    # The path of a socket has to be short.
    socket = f'/tmp/cronsched-{port}.sock'
    return [word.format(port=port, socket=socket) for word in row.command]


def note(row: Row, what: str) -> None:
    """For the table that `make servers` prints."""
    print(f'\n| {row.name} | {what} |')


@pytest.mark.parametrize('row', [mark(row) for row in ROWS])
def test_it_starts_and_runs_without_a_visitor(row: Row, tmp_path: Path) -> None:
    if row.needs:
        pytest.importorskip(row.needs)
    with fleet(tmp_path, command_for(row, free_port()), **row.environment) as running:
        running.first_tick()
        first = wait_for(running.owners)[0]   # it is told while it runs
        assert (first[1] == running.pid) is row.itself
        armed = float(running.lines('imports')[0][0])
        assert 'ERROR' not in running.log()
        again = ''
        if row.revives:
            again = revive(row, running)
        note(row, f'{"itself" if row.itself else "a worker"}, {first[0] - armed:.1f} s'
                  f' after its import{again}')
        assert 'fork' not in running.log()
    assert 'Traceback' not in running.output()


def revive(row: Row, running: Fleet) -> str:
    """All workers are killed at once; another owner is there after the first
    of the new ones could be (within 2 s where nothing else runs: the table
    says it), and runs the job."""
    old = set(running.settled_workers())
    killed = running.kill(old)
    # One that is still to be killed may have taken over from one that was.
    at, _ = wait_for(lambda: [
        each for each in running.owners() if each[0] > killed and each[1] not in old])[0]
    running.first_tick(after=at)
    return f'; killed: again after {at - killed:.1f} s'


def test_a_slow_import_is_waited_for_by_one_knock(tmp_path: Path) -> None:
    command = [*GUNICORN, '-w', '1', '--access-logfile', 'access', *BIND, WSGI]
    row = Row('', command)
    with fleet(tmp_path, command_for(row, free_port()), SHOP_IMPORT='3') as running:
        running.first_tick()
        knocks = (tmp_path / 'access').read_text().count('POST /cronjobs/- ')
    assert knocks == 1


def test_who_is_killed_is_followed_by_one_that_stands_by(tmp_path: Path) -> None:
    import os
    import signal

    row = Row('', [*GUNICORN, '-w', '3', *BIND, WSGI])
    with fleet(tmp_path, command_for(row, free_port())) as running:
        running.first_tick()
        wait_for(lambda: len(running.workers()) == 3)
        at = time.time()
        os.kill(running.owners()[0][1], signal.SIGKILL)
        following = wait_for(lambda: [each for each in running.owners() if each[0] > at])[0]
        assert following[0] - at < 3.0


def test_no_visitor_decides_where_the_jobs_of_morepath_are_called(tmp_path: Path) -> None:
    """A first request that comes through a proxy, and one that lies."""
    port = free_port()
    row = Row('', [*GUNICORN, *BIND, 'shop_morepath:application'])
    lies = {'X-Forwarded-Proto': 'https', 'Host': 'evil.example:1', 'SCRIPT_NAME': '/evil'}
    with fleet(tmp_path, command_for(row, port)) as running:
        wait_for(lambda: is_listening(port))
        assert get(f'http://127.0.0.1:{port}/evil/', headers=lies)[0] == 200
        running.first_tick()
        assert 'evil' not in running.log()


def is_listening(port: int) -> bool:
    listening = f':{port:04X} 00000000:0000 0A'
    return listening in Path('/proc/net/tcp').read_text()


# -- what must not hang, or start --------------------------------------------------

UWSGI = ['uwsgi', '--http-socket', '127.0.0.1:{port}', '--master', '-p', '3', '--die-on-term']
HANGS = [
    Row('uWSGI with a master', [*UWSGI, '--module', WSGI]),
    Row('uWSGI with a master, started at load', [*UWSGI, '--module', 'shop_loaded:application']),
    Row("uWSGI's fork hooks",
        [*UWSGI, '--py-call-uwsgi-fork-hooks', '--module', 'shop_loaded:application']),
    Row('gunicorn gevent --preload',
        [*GUNICORN, '--preload', '-k', 'gevent', '-w', '3', *BIND, WSGI]),
    Row('gunicorn gevent --preload, Morepath',
        [*GUNICORN, '--preload', '-k', 'gevent', '-w', '3', *BIND, 'shop_morepath:application']),
]


@pytest.mark.parametrize('starts', [
    pytest.param(2, id='twice'), pytest.param(20, id='20 times', marks=pytest.mark.soak),
])
@pytest.mark.parametrize('row', HANGS, ids=lambda row: row.name)
def test_no_worker_hangs(row: Row, starts: int, tmp_path: Path) -> None:
    for number in range(starts):
        directory = tmp_path / str(number)
        directory.mkdir()
        port = free_port()
        with fleet(directory, command_for(row, port), PORT=str(port)) as running:
            wait_for(lambda: is_answered(running, port))   # noqa: B023 (called at once)
            for _ in range(12):
                assert get(f'http://127.0.0.1:{port}/')[0] == 200
            running.first_tick()
            # A worker of uWSGI that is still in its hooks misses the signal.
            time.sleep(1.0)


def is_answered(running: Fleet, port: int) -> bool:
    import urllib.error

    assert running.process.poll() is None, running.output()
    try:
        return get(f'http://127.0.0.1:{port}/')[0] == 200
    except (OSError, urllib.error.URLError):
        return False


def test_uwsgi_without_http_is_left_alone_and_says_what_to_write(tmp_path: Path) -> None:
    command = ['uwsgi', '--socket', f'127.0.0.1:{free_port()}', '--master', '-p', '2',
               '--die-on-term', '--module', WSGI]
    with fleet(tmp_path, command) as running:
        wait_for(lambda: 'spawned uWSGI worker 2' in running.output())
        time.sleep(2.5)
    assert 'invalid request block' not in running.output()
    assert not running.ticks()


def test_nothing_starts_where_nothing_listens(tmp_path: Path) -> None:
    command = ['python', '-c', 'import shop_wsgi, gunicorn.arbiter, time; time.sleep(3)']
    with fleet(tmp_path, command) as running:
        running.process.wait(20)
    assert not running.ticks()
    assert not running.lines('log')
