"""The fixtures `virtual_clock` and `cron_run`, wherever cronsched is installed.

Example::

    def test_it_cleans_up_at_eight(virtual_clock):
        clock = virtual_clock(App(), start=datetime(2026, 1, 1, tzinfo=UTC))
        clock.advance(days=1)

    def test_the_second_goes_on_where_the_first_ended(cron_run):
        cron_run(App(), 'import_orders')
        cron_run(App(), 'import_orders')

They take what `VirtualClock` and `run` of `cronsched.testing` take, and end
with the test. The runs of a test know of each other.
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


@pytest.fixture
def cron_run() -> Iterator[Callable[..., Any]]:
    """Run a job, with a ledger that lasts until the end of the test."""
    from cronsched.testing import run
    from cronsched.testing.target import DJANGO
    from cronsched.testing.targets import target_of

    with ExitStack() as stack:

        def cron_run(app: Any, job: Any = '', **options: Any) -> Any:
            stack.enter_context(target_of(app if job else DJANGO).isolated())
            return run(app, job, **options)

        yield cron_run
