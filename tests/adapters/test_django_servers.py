"""The example of docs/django.md under its usual servers, and the commands that
are none."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import pytest
from servers import get, wait_for

EXAMPLE = Path(__file__).parent.parent.parent / 'examples' / 'django'
BIN = Path(sys.executable).parent
# A loaded machine is slow; nothing takes this long unless it fails.
PATIENCE = 60.0

GUNICORN = 'gunicorn -w 4 --no-control-socket --graceful-timeout 2 -b 127.0.0.1:{port}'
SERVERS = {
    'gunicorn': f'{GUNICORN} shop.wsgi',
    'uvicorn': 'uvicorn --port {port} shop.asgi:application',
    'runserver': 'python manage.py runserver {port}',
    'gunicorn --preload': f'{GUNICORN} --preload shop.wsgi',
    'gunicorn gthread': f'{GUNICORN} -k gthread --threads 4 shop.wsgi',
    'uvicorn x 4': 'uvicorn --workers 4 --port {port} shop.asgi:application',
    'runserver --noreload': 'python manage.py runserver --noreload {port}',
}
ALWAYS = ('gunicorn', 'uvicorn', 'runserver')


@pytest.fixture
def project(tmp_path):
    """A copy of the example, so that what it writes is elsewhere."""
    place = tmp_path / 'project'
    shutil.copytree(EXAMPLE, place, ignore=shutil.ignore_patterns('__pycache__', '*.sqlite3'))
    return place


class Server:
    """A server that is started again when all of it was killed."""

    def __init__(self, command: str, project: Path) -> None:
        self.port = free_port()
        self.words = command.format(port=self.port).split()
        self.project = project
        self.output = project / 'output'
        self.start()

    def start(self) -> None:
        with self.output.open('ab') as output:
            self.process = subprocess.Popen(
                [str(BIN / self.words[0]), *self.words[1:]], cwd=self.project, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True, env=environment(),
            )

    def runs(self, job: str) -> list[int]:
        """The seconds that the job ran for, as it wrote them itself."""
        text = self.output.read_text(errors='replace')
        return [
            int(datetime.fromisoformat(each).timestamp())
            for each in re.findall(rf'shop {job} (\S+)', text)
        ]

    def owners(self) -> list[int]:
        found = re.findall(r'(\d+) cronsched Started cronjob thread', self.output.read_text())
        return [int(each) for each in found]

    def kill(self) -> None:
        """The one that fires: as the machine does when memory is short."""
        owner = self.owners()[-1]
        os.kill(owner, signal.SIGKILL)
        if owner != self.process.pid and 'runserver' not in self.words:
            return   # there are others
        self.process.wait(PATIENCE)
        self.start()

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        finally:
            kill_session(self.process)


def kill_session(process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != 'CRONSCHED_ENABLED'}
    return {**kept, 'PYTHONUNBUFFERED': '1', 'PYTHONWARNINGS': 'error', **more}


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(command: str, project: Path):
    server = Server(command, project)
    try:
        yield server
    finally:
        server.stop()


@pytest.mark.parametrize('name', [
    pytest.param(name, marks=() if name in ALWAYS else pytest.mark.soak) for name in SERVERS
])
def test_each_second_is_run_once_also_when_who_fires_is_killed(name, project):
    with serving(SERVERS[name], project) as server:
        wait_for(lambda: len(server.runs('tick')) >= 3, PATIENCE)     # without a visitor
        assert get(f'http://127.0.0.1:{server.port}/') == (200, 'Welcome to the shop.\n')
        before = len(server.runs('tick'))
        server.kill()
        wait_for(lambda: len(server.owners()) >= 2, PATIENCE)
        wait_for(lambda: len(server.runs('tick')) >= before + 5, PATIENCE)
        time.sleep(0.5)     # so that what is caught up has ended as well
    for job in ('tick', 'poll'):
        counted = Counter(server.runs(job))
        assert [second for second, count in counted.items() if count > 1] == []
        missing = set(range(min(counted), max(counted))) - set(counted)
        # The one that it was executing when it was killed is lost, not run again.
        assert len(missing) <= 1
    assert 'Traceback' not in server.output.read_text()


def test_only_one_process_of_a_reloader_starts(project):
    with serving(SERVERS['runserver'], project) as server:
        wait_for(lambda: len(server.runs('tick')) >= 3, PATIENCE)
        first = server.owners()
        with (project / 'shop' / 'urls.py').open('a') as file:
            file.write('\n# changed\n')
        wait_for(lambda: len(server.owners()) == 2, PATIENCE)
        wait_for(lambda: len(server.runs('tick')) >= 6, PATIENCE)
    assert len(first) == 1
    assert server.process.pid not in server.owners()    # the parent serves nobody
    assert max(Counter(server.runs('tick')).values()) == 1


# -- commands -----------------------------------------------------------------------


LIVE = """
import time
import urllib.request

from django.test import LiveServerTestCase


class Live(LiveServerTestCase):
    def test_a_page(self):
        with urllib.request.urlopen(self.live_server_url) as page:
            assert page.status == 200
        time.sleep(2)
"""


@pytest.mark.parametrize('arguments', [
    'migrate', 'check', 'test', 'cron check', 'showmigrations', 'makemigrations --check',
    'shell -c "import time; time.sleep(1)"',
])
def test_a_command_that_serves_nobody_starts_nothing(arguments, project, tmp_path):
    (project / 'shop' / 'tests.py').write_text(LIVE)
    done = manage(project, arguments)
    assert done.returncode == 0, done.stderr
    assert 'Started' not in done.stdout + done.stderr
    assert not [*tmp_path.glob('state/**/*.sqlite3')]


def test_there_are_no_models_and_no_migrations(project):
    assert 'cronsched' not in manage(project, 'showmigrations').stdout
    assert 'No changes' in manage(project, 'makemigrations --dry-run').stdout


@pytest.mark.parametrize('place', ['cron {} check', 'cron check {}'])
def test_the_options_of_django_may_stand_anywhere(place, project):
    options = '-v 2 --settings=shop.settings --no-color --pythonpath=. --traceback'
    done = manage(project, place.format(options))
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout.count('shop/cron.py:') == 3


def manage(project, arguments):
    import shlex

    return subprocess.run(
        [sys.executable, 'manage.py', *shlex.split(arguments)], cwd=project, env=environment(),
        capture_output=True, text=True, timeout=60,
    )
