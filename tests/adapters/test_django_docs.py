"""docs/django.md, done as a newcomer would: a fresh project, and nothing but the
page. Each of its code blocks is used here."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest
from example_server import BIN, PATIENCE, Server, environment
from pages import ROOT, blocks_of
from servers import free_port, wait_for

PAGE = ROOT / 'docs' / 'django.md'
BLOCKS = blocks_of(PAGE)


def written(file: str) -> list[str]:
    """The blocks that begin with the name of this file."""
    return [block.text for block in BLOCKS if block.text.startswith(f'# {file}\n')]


def commands() -> list[str]:
    lines = [line for block in BLOCKS if block.language == 'console'
             for line in block.text.splitlines()]
    return [line.removeprefix('$ ') for line in lines]


@pytest.fixture
def project(tmp_path):
    """What `django-admin startproject` makes, and the first three blocks."""
    place = tmp_path / 'project'
    place.mkdir()
    subprocess.run(
        [sys.executable, '-m', 'django', 'startproject', 'shop', '.'], cwd=place, check=True
    )
    for file in ('shop/settings.py', 'shop/urls.py', 'shop/cron.py'):
        with (place / file).open('a') as target:
            target.write('\n' + written(file)[0])
    return place


def manage(project, *arguments):
    return subprocess.run(
        [sys.executable, 'manage.py', *arguments], cwd=project, env=environment(),
        capture_output=True, text=True, timeout=60,
    )


def test_every_block_is_one_that_is_used_here():
    files = {'shop/settings.py', 'shop/urls.py', 'shop/cron.py', 'shop/tests.py',
             'shop/asgi.py', 'gunicorn.conf.py', '/etc/systemd/system/shop.service', 'Dockerfile'}
    for block in BLOCKS:
        head = block.text.partition('\n')[0]
        assert block.language == 'console' or head.removeprefix('# ') in files, block


def test_the_lines_a_newcomer_writes_are_twelve_at_most():
    lines = [
        line for file in ('shop/settings.py', 'shop/urls.py', 'shop/cron.py')
        for line in written(file)[0].splitlines()[1:] if line.strip()
    ]
    assert len(lines) <= 12


def test_a_newcomer_sees_a_run_within_a_minute_or_so(project):
    begun = time.monotonic()
    server = Server('python manage.py runserver {port}', project)
    try:
        wait_for(lambda: 'invoices are on their way' in server.output.read_text(), 150)
        print(f'first run seen after {time.monotonic() - begun:.0f} s')
        wait_for(lambda: re.search(      # it is written down a moment later
            r'shop\s+send_invoices\s.*\bok\b', manage(project, 'cron', 'status').stdout))
    finally:
        server.stop()
    assert 'send_invoices' in manage(project, 'cron', 'history', 'send_invoices').stdout


def test_the_commands_of_the_page_are_commands(project):
    first, *others = commands()
    assert first == "pip install 'cronsched[django]'"
    checked = [command for command in others if ' check' in command]
    assert len(checked) == 2
    for command in checked:
        done = manage(project, *shlex.split(command)[2:])
        assert (done.returncode, done.stderr.replace(
            'System check identified no issues (0 silenced).\n', '')) == (0, '')
    for command in set(others) - set(checked):
        done = manage(project, *shlex.split(command)[2:])
        assert 'there is no ledger' in done.stderr   # nothing has run yet


def test_the_jobs_of_the_page_are_jobs(project):
    (project / 'shop' / 'cron.py').write_text(written('shop/cron.py')[1])
    with (project / 'shop' / 'settings.py').open('a') as file:
        file.write(written('shop/settings.py')[1])
    program = """
from cronsched.django.host import HOST
from cronsched.testing import run
print([(name, str(job.timezone), run(name).headers['Cronsched-Outcome'])
       for name, job in HOST.jobs.items()], HOST.headers, dict(HOST.settings.options))
"""
    done = manage(project, 'shell', '-c', program)
    assert done.stdout.splitlines()[-1] == (
        "[('remind', 'UTC', 'ok'), ('report', 'UTC', 'ok'), ('poll', 'UTC', 'ok')] "
        "{'Host': 'shop.example'} {'retries': 1}"
    ), done.stderr


def test_the_application_for_asgi_answers_the_lifespan(project):
    (project / 'shop' / 'asgi.py').write_text(written('shop/asgi.py')[0])
    program = """
import asyncio
from shop.asgi import application
messages = [{'type': 'lifespan.startup'}, {'type': 'lifespan.shutdown'}]
async def receive(): return messages.pop(0)
async def send(message): print(message['type'])
asyncio.run(application({'type': 'lifespan'}, receive, send))
"""
    done = manage(project, 'shell', '-c', program)
    assert done.stdout.split()[-2:] == [
        'lifespan.startup.complete', 'lifespan.shutdown.complete']


def test_the_tests_of_the_page_pass(project):
    (project / 'shop' / 'tests.py').write_text(written('shop/tests.py')[0])
    done = manage(project, 'test', 'shop')
    assert 'Ran 2 tests' in done.stderr
    assert done.returncode == 0, done.stderr


def test_the_command_of_the_unit_runs_the_jobs(project):
    text = written('/etc/systemd/system/shop.service')[0]
    unit = configparser.ConfigParser()
    unit.read_string(text)
    service = unit['Service']
    words = service['ExecStart'].split()
    assert Path(words[0]).parent == Path(service['WorkingDirectory']) / 'venv' / 'bin'
    assert service['StateDirectory'] == 'shop'
    serve(project, [Path(words[0]).name, *words[1:]])


def test_the_command_of_the_container_runs_the_jobs(project):
    said = dict(line.split(' ', 1) for line in written('Dockerfile')[0].splitlines()[1:])
    words, variable, volume = json.loads(said['CMD']), said['ENV'], said['VOLUME']
    name, _, directory = variable.partition('=')
    assert name == 'CRONSCHED_STATE_DIRECTORY'
    assert Path(directory).parent == Path(volume)
    serve(project, words, '0.0.0.0')


def serve(project, words, host='127.0.0.1'):
    """The command starts the jobs, with gunicorn.conf.py, and all is well."""
    port = free_port()
    conf = written('gunicorn.conf.py')[0]
    (project / 'gunicorn.conf.py').write_text(conf.replace(':8000', f':{port}'))
    with (project / 'shop' / 'settings.py').open('a') as file:
        file.write(
            "\nDEBUG = False\nALLOWED_HOSTS = ['shop.example']\n"
            "LOGGING = {'version': 1, 'formatters': {'f': {'format': '%(process)d %(name)s "
            "%(message)s'}}, 'handlers': {'h': {'class': 'logging.StreamHandler', 'formatter': "
            "'f'}}, 'root': {'handlers': ['h'], 'level': 'INFO'}}\n"
        )
    assert (BIN / words[0]).exists()
    command = ' '.join(words).replace(f'{host}:8000', f'{host}:{port}')
    server = Server(f'{command} --no-control-socket', project)
    try:
        wait_for(server.owners, PATIENCE)
    finally:
        server.stop()
    assert 'cronsched.W006' not in manage(project, 'check', '--deploy').stderr
