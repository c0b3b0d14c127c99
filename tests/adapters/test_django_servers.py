"""The example of docs/django.md under its usual servers, and the commands that
are none."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from example_server import (
    check_each_second_is_run_once,
    check_one_process_of_a_reloader_starts,
    environment,
)

EXAMPLE = Path(__file__).parent.parent.parent / 'examples' / 'django'

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


@pytest.mark.parametrize('name', [
    pytest.param(name, marks=() if name in ALWAYS else pytest.mark.soak) for name in SERVERS
])
def test_each_second_is_run_once_also_when_who_fires_is_killed(name, project):
    check_each_second_is_run_once(SERVERS[name], project, ('tick', 'poll'))


def test_only_one_process_of_a_reloader_starts(project):
    check_one_process_of_a_reloader_starts(SERVERS['runserver'], project, 'shop/urls.py')


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
    assert 'jobs of shop' not in done.stdout + done.stderr
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
