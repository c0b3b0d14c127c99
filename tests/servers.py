"""Real WSGI servers on loopback ports, for tests."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from waitress import create_server

# A loaded machine is slow; nothing waits this long unless it fails.
PATIENCE = 20.0

SERVE = """
import sys
sys.path.insert(0, {directory!r})
from waitress import create_server
from {module} import make
app = make()
server = create_server(app, host='127.0.0.1', port={port})
print(server.effective_port, flush=True)
server.run()
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return int(probe.getsockname()[1])


def command_of(server: str) -> str:
    """The path of a server's command; skips where it is not installed."""
    path = Path(sys.executable).parent / server
    if not path.exists():
        pytest.skip(f'{server} is not installed')
    return str(path)


@contextmanager
def served(app: Any, unix_socket: str | None = None) -> Iterator[str]:
    """The URL of `app`, served by threads of this process; none at a socket."""
    place: Any = {'unix_socket': unix_socket} if unix_socket else {'host': '127.0.0.1', 'port': 0}
    server: Any = create_server(app, threads=4, **place)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield '' if unix_socket else f'http://127.0.0.1:{server.effective_port}'
    finally:
        # Closed by its own thread, which then has nothing more to wait for; where a
        # task that has just ended woke that thread first, it is closed already.
        with suppress(OSError):
            server.trigger.pull_trigger(lambda: server.asyncore.close_all(server._map))
        thread.join(5)
        server.task_dispatcher.shutdown()


@contextmanager
def serving_process(source: str, directory: Path, port: int = 0) -> Iterator[tuple[str, Any]]:
    """The URL and the process of what `make()` in `source` returns."""
    (directory / 'served.py').write_text(textwrap.dedent(source))
    command = SERVE.format(directory=str(directory), module='served', port=port)
    process = subprocess.Popen(
        [sys.executable, '-c', command], stdout=subprocess.PIPE, env=dict(os.environ)
    )
    assert process.stdout is not None
    try:
        yield f'http://127.0.0.1:{int(process.stdout.readline())}', process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def get(url: str, method: str = 'GET', headers: dict[str, str] | None = None) -> tuple[int, str]:
    """Status and text."""
    data = b'' if method == 'POST' else None
    request = urllib.request.Request(url, data=data, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def wait_for(condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """What `condition` returns once it is true; fails when it never is."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, 'waited in vain'
        time.sleep(0.01)
    return found
