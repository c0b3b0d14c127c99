"""The examples of Flask, FastAPI and Pyramid under their usual servers: each
second is run once, without a visitor, also when who fires is killed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from example_server import check_each_second_is_run_once

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


@pytest.mark.parametrize('name', [
    pytest.param(name, marks=() if name in ALWAYS else pytest.mark.soak) for name in SERVERS
])
def test_each_second_is_run_once_also_when_who_fires_is_killed(name, tmp_path):
    framework = name.partition(',')[0]
    project = tmp_path / 'project'
    shutil.copytree(
        EXAMPLES / framework, project, ignore=shutil.ignore_patterns('__pycache__')
    )
    jobs = ('tick', 'poll') if framework == 'fastapi' else ('tick',)
    check_each_second_is_run_once(SERVERS[name], project, jobs)
