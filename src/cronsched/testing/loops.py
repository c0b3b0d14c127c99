"""Event loops that are in the way of a test.

Example::

    if is_in_a_loop():
        return in_another_thread(lambda: asyncio.run(request))
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ['in_another_thread', 'is_in_a_loop']

T = TypeVar('T')


def is_in_a_loop() -> bool:
    """Whether a loop runs in this thread: it cannot run another one."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def in_another_thread(function: Callable[[], T]) -> T:
    """What it returns or raises; this thread waits."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()
