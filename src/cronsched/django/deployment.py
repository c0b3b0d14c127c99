"""What `check --deploy` looks at outside of the settings.

Example::

    for what, hint in faults_of_state(settings): ...
    is_gunicorn_timeout_unknown()
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from cronsched.base.directories import state_directory
from cronsched.errors import CronError
from cronsched.jobs.settings import Settings

__all__ = ['GUNICORN_TIMEOUT', 'faults_of_state', 'is_gunicorn_timeout_unknown', 'is_layer']

GUNICORN_TIMEOUT: Final = 30   # seconds; its default

MOUNTS: Final = Path('/proc/self/mounts')

# A worker whose thread of requests is not the one that tells gunicorn that it lives.
NOT_SYNC: Final = re.compile(
    r'(worker_class\s*=|-k|--worker-class|--threads|threads\s*=)(?!\s*[\'"]?sync)'
)
TIMEOUT: Final = re.compile(r'(?<![\w-])(-t[ =]?\d|--timeout|timeout\s*=)')


def faults_of_state(settings: Settings) -> Iterator[tuple[str, str]]:
    """What is wrong with the state directory, and what to write."""
    if settings.ledger != 'sqlite':
        return
    write = "Write CRONSCHED = {'STATE_DIRECTORY': '/var/lib/shop/cronsched'}, "
    try:
        directory = state_directory(settings.state_directory)
        if not os.access(directory, os.W_OK | os.X_OK):
            raise PermissionError(f'{directory} is not writable')
    except (CronError, OSError) as error:
        yield (
            f'The record of runs cannot be kept: {error}.',
            f'{write}a directory that belongs to this user.',
        )
        return
    if is_layer(directory, MOUNTS):
        yield (
            f'The record of runs is lost with the container: {directory} is in its layer.',
            f'{write}and mount a volume there.',
        )


def is_layer(directory: Path, mounts: Path) -> bool:
    """Whether that is in the writable layer of a container."""
    try:
        lines = [line.split() for line in mounts.read_text().splitlines()]
    except OSError:
        return False
    above = {str(each) for each in (directory, *directory.parents)}
    found = [(fields[1], fields[2]) for fields in lines if fields[1] in above]
    # Of several mounts at one place, the last one is seen.
    return bool(found) and max(found, key=lambda each: len(each[0]))[1] == 'overlay'


def is_gunicorn_timeout_unknown() -> bool:
    """Whether gunicorn is here, and nothing that we see sets its timeout."""
    if importlib.util.find_spec('gunicorn') is None:
        return False
    said = os.environ.get('GUNICORN_CMD_ARGS', '')
    with suppress(OSError):
        said += '\n' + Path('gunicorn.conf.py').read_text()
    return not TIMEOUT.search(said) and not NOT_SYNC.search(said)
