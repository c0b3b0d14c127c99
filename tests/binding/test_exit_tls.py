"""The interpreter ends while the thread is in the middle of TLS handshakes."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any

import pytest
from processes import HERE, command

# Used directly, so nothing of ours in Python stops it. Calls come due all the
# time, so one is always shaking hands.
SCRIPT = """
    import sys, time
    from cronsched import Schedule
    from cronsched._cronsched import Scheduler

    base, pause = sys.argv[1], float(sys.argv[2])
    native = Scheduler(max_concurrency=40, max_per_application=40)
    app = native.open('org/zug')
    job = native.define('job', Schedule('0 0 1 1 *'), overlap='allow')
    now = time.time()
    for number in range(2000):
        native.add(app, job, base, due=now + number / 1000)
    native.start()
    time.sleep(pause)
"""


class Handshake(BaseRequestHandler):
    def handle(self) -> None:
        with suppress(OSError):
            self.server.context.wrap_socket(self.request, server_side=True).close()


class Server(ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 512

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(('127.0.0.1', 0), Handshake)
        self.context = context


@pytest.fixture
def base(tmp_path: Path) -> Iterator[str]:
    if shutil.which('openssl') is None:
        pytest.skip('there is no openssl to make a certificate with')
    subprocess.run(
        ['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=localhost',
         '-keyout', 'key.pem', '-out', 'certificate.pem'],
        cwd=tmp_path, check=True, capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / 'certificate.pem', tmp_path / 'key.pem')
    with Server(context) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f'https://127.0.0.1:{server.server_address[1]}/'
        server.shutdown()


def test_an_exit_during_tls_handshakes_crashes_never(base: str) -> None:
    def end(number: int) -> Any:
        return subprocess.run(
            [*command(SCRIPT), base, str(0.05 + number % 7 / 50)],
            cwd=HERE, capture_output=True, text=True, timeout=60, check=False,
        )

    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(end, range(8)))
    assert [each.returncode for each in ended] == [0] * 8, ended[0].stderr
