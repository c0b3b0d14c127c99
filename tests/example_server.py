"""An example application under a real server, killed and looked at.

Example::

    with serving('gunicorn -w 4 -b 127.0.0.1:{port} shop:app', project) as server:
        wait_for(lambda: len(server.runs('tick')) >= 3, PATIENCE)
        server.kill()
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from servers import free_port, get, wait_for

BIN = Path(sys.executable).parent
# A loaded machine is slow; nothing takes this long unless it fails.
PATIENCE = 60.0
# Pyramid imports pkg_resources, and WebOb cgi.
WARNINGS = ','.join((
    'error', 'ignore:pkg_resources is deprecated:UserWarning',
    'ignore:Deprecated call to:DeprecationWarning',
    "ignore:'cgi' is deprecated:DeprecationWarning",
))


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
        found = re.findall(r'(\d+) cronsched \d+ jobs? of ', self.output.read_text())
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
    return {**kept, 'PYTHONUNBUFFERED': '1', 'PYTHONWARNINGS': WARNINGS, **more}


@contextmanager
def serving(command: str, project: Path):
    server = Server(command, project)
    try:
        yield server
    finally:
        server.stop()


def check_one_process_of_a_reloader_starts(command: str, project: Path, file: str) -> None:
    """Its child does, also the next one, when that file has changed."""
    with serving(command, project) as server:
        wait_for(lambda: len(server.runs('tick')) >= 3, PATIENCE)
        first = server.owners()
        with (project / file).open('a') as source:
            source.write('\n# changed\n')
        wait_for(lambda: len(server.owners()) == 2, PATIENCE)
        wait_for(lambda: len(server.runs('tick')) >= 6, PATIENCE)
    assert len(first) == 1
    assert server.process.pid not in server.owners()    # the parent serves nobody
    assert max(Counter(server.runs('tick')).values()) == 1


def check_each_second_is_run_once(command: str, project: Path, jobs: tuple[str, ...]) -> None:
    """Without a visitor, and also when the process that fires is killed."""
    with serving(command, project) as server:
        wait_for(lambda: len(server.runs('tick')) >= 3, PATIENCE)     # without a visitor
        assert get(f'http://127.0.0.1:{server.port}/') == (200, 'Welcome to the shop.\n')
        before = len(server.runs('tick'))
        server.kill()
        wait_for(lambda: len(server.owners()) >= 2, PATIENCE)
        wait_for(lambda: len(server.runs('tick')) >= before + 5, PATIENCE)
        time.sleep(0.5)     # so that what is caught up has ended as well
    for job in jobs:
        counted = Counter(server.runs(job))
        assert [second for second, count in counted.items() if count > 1] == []
        missing = set(range(min(counted), max(counted))) - set(counted)
        # The one that it was executing when it was killed is lost, not run again.
        assert len(missing) <= 1
    assert 'Traceback' not in server.output.read_text()
