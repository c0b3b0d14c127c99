"""The examples of Flask, FastAPI and Pyramid under their usual servers: each
second is run once, without a visitor, also when who fires is killed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from example_server import check_each_second_is_run_once, check_one_process_of_a_reloader_starts

EXAMPLES = Path(__file__).parents[2] / 'examples'
GUNICORN = 'gunicorn -w 4 --no-control-socket --graceful-timeout 2 -b 127.0.0.1:{port}'

SERVERS = {
    'flask, gunicorn': f'{GUNICORN} shop:create_app()',
    'flask, run': 'flask --app shop run --port {port}',
    'flask, gunicorn --preload': f'{GUNICORN} --preload shop:create_app()',
    'flask, gunicorn gthread': f'{GUNICORN} -k gthread --threads 4 shop:create_app()',
    'fastapi, uvicorn': 'uvicorn --port {port} shop:app',
    'fastapi, uvicorn x 4': 'uvicorn --workers 4 --port {port} shop:app',
    'pyramid, gunicorn': f'{GUNICORN} shop:main()',
    'pyramid, waitress': 'waitress-serve --listen 127.0.0.1:{port} --call shop:main',
}
ALWAYS = ('flask, gunicorn', 'fastapi, uvicorn', 'pyramid, gunicorn')


RELOADERS = {
    'flask': 'flask --app shop --debug run --port {port}',
    'fastapi': 'uvicorn --reload --port {port} shop:app',
    'pyramid': 'python -m pyramid.scripts.pserve --reload shop.ini port={port}',
}
# As a project of Pyramid has it.
INI = """
[app:main]
paste.app_factory = shop:main
[server:main]
use = egg:waitress#main
listen = 127.0.0.1:%(port)s
[loggers]
keys = root
[logger_root]
level = INFO
handlers = console
[handlers]
keys = console
[handler_console]
class = StreamHandler
formatter = short
[formatters]
keys = short
[formatter_short]
format = %(process)d %(name)s %(message)s
"""


def copied(framework, tmp_path):
    """The example, so that what it writes is elsewhere."""
    project = tmp_path / 'project'
    shutil.copytree(
        EXAMPLES / framework, project, ignore=shutil.ignore_patterns('__pycache__')
    )
    return project


@pytest.mark.parametrize('framework', [
    'flask', *(pytest.param(name, marks=pytest.mark.soak) for name in ('fastapi', 'pyramid')),
])
def test_only_one_process_of_a_reloader_starts(framework, tmp_path):
    project = copied(framework, tmp_path)
    (project / 'shop.ini').write_text(INI)
    check_one_process_of_a_reloader_starts(RELOADERS[framework], project, 'shop.py')


@pytest.mark.parametrize('name', [
    pytest.param(name, marks=() if name in ALWAYS else pytest.mark.soak) for name in SERVERS
])
def test_each_second_is_run_once_also_when_who_fires_is_killed(name, tmp_path):
    framework = name.partition(',')[0]
    project = copied(framework, tmp_path)
    jobs = ('tick', 'poll') if framework == 'fastapi' else ('tick',)
    check_each_second_is_run_once(SERVERS[name], project, jobs)
