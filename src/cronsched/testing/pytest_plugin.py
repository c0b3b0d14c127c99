"""The fixture `virtual_clock`, wherever cronsched is installed.

Example::

    def test_it_cleans_up_at_eight(virtual_clock):
        clock = virtual_clock(App(), start=datetime(2026, 1, 1, tzinfo=UTC))
        clock.advance(days=1)

It takes what `cronsched.testing.VirtualClock` takes, and ends with the test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from cronsched.testing import VirtualClock


@pytest.fixture
def virtual_clock() -> Iterator[Callable[..., VirtualClock]]:
    """Make a `VirtualClock` that runs until the end of the test."""
    # Not before a test asks: whoever has no jobs pays nothing.
    from cronsched.testing import VirtualClock

    with ExitStack() as stack:

        def make(*arguments: Any, **options: Any) -> VirtualClock:
            return stack.enter_context(VirtualClock(*arguments, **options))

        yield make
