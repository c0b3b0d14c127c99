"""Threads of our own, for what would block an event loop.

Example::

    execution = await in_thread(accept, host, name, headers)
    await in_worker(call, job, run)

The threads of the loop's own executor belong to the application: a locked
ledger, or jobs that take an hour, must not use them up. Few of ours
wait for the ledger; a `def` job has a thread for as long as it takes, and the
sender bounds how many there are. They are made when first used, so a process
that only forks others has none, and a child makes its own.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Final, ParamSpec, TypeVar

__all__ = ['in_thread', 'in_worker']

P = ParamSpec('P')
T = TypeVar('T')

LEDGER_THREADS: Final = 4
JOB_THREADS: Final = 256

_pools: dict[tuple[int, str], ThreadPoolExecutor] = {}


def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
    """For short calls: the ledger. Needs a running asyncio loop."""
    return _submit('cronsched-ledger', LEDGER_THREADS, function, *args, **kwargs)


def in_worker(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
    """For long calls: a job."""
    return _submit('cronsched-job', JOB_THREADS, function, *args, **kwargs)


def _submit(
    name: str, most: int, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> Awaitable[T]:
    import asyncio  # whoever awaits has it; others need not load it

    context = copy_context()
    return asyncio.get_running_loop().run_in_executor(
        _pool(name, most), lambda: context.run(function, *args, **kwargs)
    )


def _pool(name: str, most: int) -> ThreadPoolExecutor:
    # Two that make one at once: setdefault keeps one, the other has no thread.
    key = os.getpid(), name
    return _pools.get(key) or _pools.setdefault(
        key, ThreadPoolExecutor(most, thread_name_prefix=name)
    )
