"""What pages of jobs and runs are asked with, and made of.

Example::

    found, count = ledger.find_jobs(Wanted(text='clean', states=('failed',)))
    found[0].known.job, found[0].state

Times are UTC seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from cronsched.ledger.known import KnownJob, Plan

#: The standing of a job whose last run has no row, and of one that its code
#: no longer has.
NO_RUN: Final = 'none'
GONE: Final = 'gone'


@dataclass(frozen=True, slots=True)
class Standing:
    """Jobs of one name, over all application ids, that stand alike: `state` is
    that of their last run (those asked for by hand count if they were
    executed), NO_RUN or GONE. `application_id` is one of `count`; `words` is
    None where they are not planned alike."""

    job: str
    state: str
    count: int
    application_id: str
    newest: int | None
    words: str | None


class Planned(NamedTuple):
    """So many jobs of one name and plan, over all application ids, whose calls
    are due so many whole seconds after their scheduled times."""

    job: str
    plan: Plan | None
    delay: int
    jobs: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which jobs, in what order. `text` is part of a name, in any case;
    `states` are those of `Standing`. In the order 'rank' those come first
    whose plan has the lowest `rank`, and those last whose plan has none or that
    are no longer in the code; it is asked once for each plan."""

    text: str = ''
    application_id: str | None = None
    job: str | None = None
    states: tuple[str, ...] = ()
    order: Literal['application_id', 'job', 'newest', 'state', 'rank'] = 'application_id'
    descending: bool = False
    limit: int = 50
    skip: int = 0
    rank: Callable[[Plan], int | None] | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A job with its standing."""

    known: KnownJob
    state: str


@dataclass(frozen=True, slots=True)
class Tally:
    """So many runs scheduled in the step that begins at `at` ended with, or
    are in, `state`."""

    at: int
    state: str
    count: int
