"""Our threads end before a fork, and start again after it.

Example::

    watch(Companion())      # pause() before, resume() after, renew() in the child

Python warns about a fork with threads, and a child would have none of them;
so none of ours runs meanwhile. They start again at the next step of
Python code in the main thread, when `os.fork` has counted the threads and has
returned. A server that forks in C and runs Python's hooks (uWSGI with
`--py-call-uwsgi-fork-hooks`) takes no such step and does not count: there they
start again at once.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from typing import Final, Protocol

from cronsched import _cronsched
from cronsched.base.locks import ReentrantLock

__all__ = ['Companion', 'lock', 'prepare', 'watch']

#: Held over a fork, so that nobody starts a thread meanwhile.
lock: Final = ReentrantLock()


class Companion(Protocol):
    """All three do nothing where nothing is to be done."""

    def pause(self) -> None:
        """No thread of it runs when this returns."""

    def resume(self) -> None:
        """It goes on, in the process that it was paused in, or in the child."""

    def renew(self) -> None:
        """In the child: what is here is the parent's."""


_companions: list[Companion] = []


def watch(companion: Companion) -> None:
    """From now on, pause it for each fork. The last one is paused first."""
    with lock:
        if not _companions:
            _hook()
        if companion not in _companions:
            _companions.append(companion)


def prepare() -> None:
    """Load what the hooks need: its own go inside of ours, for the reporter
    uses the ledger. Before a fork, so that no worker has to."""
    importlib.import_module('cronsched.ledger.sqlite')


def _hook() -> None:
    prepare()
    _cronsched.set_fork_resume(_resume)
    os.register_at_fork(
        before=_before,
        after_in_parent=_after_in_parent,
        after_in_child=_after_in_child,
    )
    # The last ones, and in C: what they ask for happens at the next step of
    # Python code in the main thread, which must not be in such a hook.
    os.register_at_fork(
        after_in_parent=_cronsched.resume_after_fork,
        after_in_child=_cronsched.resume_after_fork,
    )


def _before() -> None:
    lock.__enter__()
    for companion in reversed(_companions):
        companion.pause()


def _after_in_parent() -> None:
    # After a fork by the main thread, Python counts the threads; then only
    # may ours be there. With a fork by another there are two in any case, and
    # the main thread, which would resume us, may be waiting for long. Without
    # Python code that forks, nobody counts, and there may be no next step.
    if threading.current_thread() is not threading.main_thread() or _forks_in_c():
        _resume()
    lock.__exit__()


def _after_in_child() -> None:
    # The lock has been made anew.
    for companion in _companions:
        companion.renew()
    _cronsched.set_fork_resume(_resume)


def _forks_in_c() -> bool:
    """Whether the hook that asks was called by no Python code."""
    return sys._getframe(1).f_back is None


def _resume() -> None:
    # Another thread may be about to fork: it waits for us, or we for it.
    with lock:
        for companion in _companions:
            companion.resume()
