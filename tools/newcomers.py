"""What somebody sees who has a page of docs/ and nothing else: a bare virtual
environment, the commands and the files of the page, word for word.

    python tools/newcomers.py dist/cronsched-0.1.0-....whl [flask fastapi ...]

Prints the lines that are written beside the framework's own hello world, how
long the installation takes, and after how long the first run of a job of each
minute is seen. The wheel stands for the package index.
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / 'tests'))

from pages import ROOT, blocks_of

SEEN = {
    'flask': 'the digest is on its way', 'fastapi': 'refreshed for', 'starlette': 'refreshed for',
    'pyramid': 'cleaned up for', 'django': 'invoices are on their way',
}
# What is there before: of each framework's own first page, or startproject.
HELLO = {
    'from flask import Flask', 'app = Flask(__name__)', 'from fastapi import FastAPI',
    'app = FastAPI()', 'from starlette.applications import Starlette', 'app = Starlette()',
    'from pyramid.config import Configurator',
    'with Configurator(settings=settings) as config:', 'return config.make_wsgi_app()',
    'def main(global_config=None, **settings):', 'return app', 'def create_app():',
}
PATIENCE = 240.0   # seconds; a minute, its offset, and a machine that is busy


def main(wheel: str, frameworks: list[str]) -> None:
    print('| framework | lines | installed after | first run seen after |\n|---|---|---|---|')
    for framework in frameworks or SEEN:
        with tempfile.TemporaryDirectory() as directory:
            print(tried(framework, Path(directory), Path(wheel).resolve()), flush=True)


def tried(framework: str, place: Path, wheel: Path) -> str:
    install, *_ = written(framework, 'console')
    begun = time.monotonic()
    subprocess.run([sys.executable, '-m', 'venv', place / 'venv'], check=True)
    run(place, install.replace('cronsched[', f'{wheel}[').replace('pip ', 'pip -q '))
    installed = time.monotonic() - begun
    lines, command = files(framework, place)
    seen = first_run(place, command, SEEN[framework])
    return f'| {framework} | {lines} | {installed:.0f} s | {seen:.0f} s |'


def written(framework: str, language: str) -> list[str]:
    texts = [block.text for block in blocks_of(ROOT / 'docs' / f'{framework}.md')
             if block.language == language]
    return [text.removeprefix('$ ').strip() if language == 'console' else text for text in texts]


def files(framework: str, place: Path) -> tuple[int, str]:
    """Writes what the page shows first. How many lines that were, and what
    starts the server."""
    (place / 'project').mkdir()
    names = ['shop.py']
    if framework == 'django':
        names = ['shop/settings.py', 'shop/urls.py', 'shop/cron.py']
        run(place, 'django-admin startproject shop .')
    lines = 0
    for name in names:
        text = next(text for text in written(framework, 'python')
                    if text.startswith(f'# {name}\n'))
        with (place / 'project' / name).open('a') as file:
            file.write(f'\n{text}')
        lines += sum(1 for line in text.splitlines()[1:]
                     if line.strip() and line.strip() not in HELLO)
    if framework == 'django':
        return lines, f'python manage.py runserver {free_port()}'
    return lines, written(framework, 'console')[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return int(probe.getsockname()[1])


def environment(place: Path) -> dict[str, str]:
    """That of a user of this virtual environment, with a state of its own. The
    servers take their port from it."""
    port = str(free_port())
    bare = {name: os.environ[name] for name in ('PATH', 'HOME', 'LANG') if name in os.environ}
    return {
        **bare, 'PATH': f'{place / "venv" / "bin"}:{bare["PATH"]}', 'PYTHONUNBUFFERED': '1',
        'XDG_STATE_HOME': str(place / 'state'), 'XDG_RUNTIME_DIR': str(place / 'run'),
        'FLASK_RUN_PORT': port, 'UVICORN_PORT': port,
        'GUNICORN_CMD_ARGS': f'--bind 127.0.0.1:{port}',
    }


def run(place: Path, command: str) -> None:
    cwd = place / 'project'
    subprocess.run(
        shlex.split(command), cwd=cwd if cwd.exists() else place, env=environment(place),
        check=True,
    )


def first_run(place: Path, command: str, words: str) -> float:
    """Seconds from the start of the server."""
    for name in ('state', 'run'):
        (place / name).mkdir(mode=0o700)
    output = place / 'output'
    begun = time.monotonic()
    with output.open('wb') as file:
        server = subprocess.Popen(
            shlex.split(command), cwd=place / 'project', env=environment(place), stdout=file,
            stderr=subprocess.STDOUT, start_new_session=True,
        )
    try:
        while words not in output.read_text(errors='replace'):
            if server.poll() is not None or time.monotonic() - begun > PATIENCE:
                raise SystemExit(f'{command}: no run\n{output.read_text()}')
            time.sleep(0.1)
        return time.monotonic() - begun
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


if __name__ == '__main__':
    main(sys.argv[1], sys.argv[2:])
