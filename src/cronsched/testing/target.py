"""What a test can run the jobs of: an application of a framework.

Example::

    target = MorepathTarget(app)
    with target.isolated():
        found = target.found('/')
        target.send(found.url_of(job), method='POST', headers=...)

A framework brings one more `Target`, or is found by `cronsched.testing.targets`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol, TypeVar

from cronsched.base.keys import Secret
from cronsched.jobs.settings import Settings
from cronsched.scheduler.site import Site

__all__ = ['ANYWHERE', 'DJANGO', 'Answer', 'Found', 'Target', 'lend_all', 'settings_for']

#: Where a test reaches an application that does not say where it is.
ANYWHERE: Final = 'http://localhost'
SECRET: Final = Secret('of no use outside of this test')

#: In place of an application: the Django project of this process.
DJANGO: Final[Any] = None

T = TypeVar('T')

_lent: set[int] = set()   # the ids of those whose state is elsewhere


@dataclass(frozen=True, slots=True)
class Found:
    """One application id with its jobs."""

    application_id: str
    jobs: Mapping[str, Any]
    site: Site
    url_of: Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one request: a response, which has `status_code`, `headers`,
    and its bytes as `body` or `content`; and what the application raised."""

    response: Any = None
    error: Exception | None = None


class Target(Protocol):
    """See the module."""

    @property
    def settings(self) -> Settings: ...

    def isolated(self) -> AbstractContextManager[None]:
        """Its jobs as they are, its state elsewhere. Raises `SchedulerError`
        when the real scheduler calls them."""

    def found(self, path: str) -> Found:
        """What is mounted there."""

    def start(self, path: str) -> None:
        """Have the scheduler of this process call what is mounted there."""

    def end(self) -> None:
        """A process has ended: nothing is started."""

    def send(self, url: str, *, method: str, headers: dict[str, str]) -> Answer:
        """What the application answers to one request. What it raises without
        an answer may go through to the caller."""

    async def send_async(self, url: str, *, method: str, headers: dict[str, str]) -> Answer:
        """The same in the loop that runs."""


def settings_for(settings: Settings, directory: str) -> Settings:
    """With a secret and a state of its own."""
    return replace(
        settings,
        secret=settings.secret or SECRET,
        ledger=settings.ledger and 'sqlite',
        state_directory=directory,
        runtime_directory=directory,
    )


@contextmanager
def lend_all(
    owners: Iterable[T], lend: Callable[[T, str], AbstractContextManager[None]],
) -> Iterator[None]:
    """Each within `lend(owner, directory)`, a directory that is gone at the end;
    nothing changes for one that is lent already."""
    fresh = [each for each in owners if id(each) not in _lent]
    with ExitStack() as stack:
        if fresh:
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix='cronsched-'))
        for each in fresh:
            stack.enter_context(lend(each, directory))
            _lent.add(id(each))
            stack.callback(_lent.discard, id(each))
        yield
