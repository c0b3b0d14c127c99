"""What an adapter needs and cronsched does not: the framework it is for.

Example, at the top of an adapter::

    with requires('morepath'):
        import morepath
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ['requires']


@contextmanager
def requires(extra: str) -> Iterator[None]:
    """Where an import in the block finds no module, the `ImportError` says
    which extra of cronsched to install. A module of our own that is not found
    is a fault of ours, and raised as it is."""
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or 'a module').partition('.')[0]
        if missing == 'cronsched':
            raise
        raise ImportError(
            f"{missing} is not installed: pip install 'cronsched[{extra}]'", name=error.name
        ) from error
