"""Something done as another user of this machine; needs root."""

from __future__ import annotations

import codecs
import importlib
import os
import pickle
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

import cronsched

# Of nobody; the numbers need no names.
APPLICATION, COLLEAGUE, STRANGER = 51_001, 51_002, 51_003
GROUP, OTHER_GROUP = 51_100, 51_101

# Another user may not be able to read this checkout, nor this Python: what a
# command loads when it needs it is loaded before.
codecs.lookup('ascii')
codecs.lookup('idna')
for _package in ('cli', 'jobs', 'ledger', 'schedule', 'scheduler'):
    for _found in pkgutil.walk_packages(
        [f'{cronsched.__path__[0]}/{_package}'], f'cronsched.{_package}.'
    ):
        importlib.import_module(_found.name)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason='other users are for root only')


def as_user(uid: int, gid: int, function: Callable[..., Any], *words: Any) -> Any:
    """What `function` returns in a child of that user, or raises there."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        _answer(writing, uid, gid, function, words)
    os.close(writing)
    with open(reading, 'rb') as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    result = pickle.loads(answer)
    if isinstance(result, BaseException):
        raise result
    return result


def _answer(
    writing: int, uid: int, gid: int, function: Callable[..., Any], words: Sequence[Any],
) -> None:
    try:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
        result = function(*words)
    except BaseException as error:
        result = RuntimeError(f'{type(error).__name__}: {error}')
    with open(writing, 'wb') as pipe:
        pickle.dump(result, pipe)
    os._exit(0)


@contextmanager
def directory_for_all() -> Iterator[Path]:
    """Not below pytest's directory, which another user may not enter."""
    with TemporaryDirectory(prefix='cronsched-') as directory:
        os.chmod(directory, 0o755)
        yield Path(directory)
