"""The values that go into a ledger, and come out of it.

Example::

    run = Run('org/zug', 'cleanup', 1792000000)
    row.state, row.late, row.next_attempt

Times are UTC seconds (floats where a fraction is meaningful).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal, NamedTuple

from cronsched.errors import CronError

#: How a run may end. Until then its state is 'running', or 'queued' while it
#: waits for another run of its job to end.
OUTCOMES: Final = (
    'ok', 'failed', 'timed_out', 'unreachable', 'skipped_overlap',
    'skipped_paused', 'missed', 'lost',
)

#: The upper bounds of the buckets of `Total`, in seconds; one more for what
#: is longer.
BUCKETS: Final = (0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)


class LedgerError(CronError):
    """The store of runs cannot be used; nothing was claimed. `path` names
    the file, where there is one. `passing`: it is a server that is away, or
    another one than before, and will be there again."""

    path: Path | None = None
    passing = False


def check_outcome(outcome: str) -> None:
    """Raises `LedgerError` for what a run cannot end as."""
    if outcome not in OUTCOMES:
        raise LedgerError(f'{outcome!r} is not an outcome: there are {", ".join(OUTCOMES)}')


class Run(NamedTuple):
    """One (application id, job, scheduled)."""

    application_id: str
    job: str
    scheduled: int


class Claim(NamedTuple):
    """The answer to a claim. Only `granted` allows the function to run."""

    run: Run
    verdict: Literal[
        'granted',           # run the function, then call finish()
        'duplicate',         # somebody has it, or had it
        'executing',         # its last attempt still executes: the next one
                             # is made when that has ended
        'queued',            # another run of the job executes: this one is
                             # made when that has ended
        'lost',              # its executing process died; recorded as lost
        'skipped_overlap',   # another run of the job still executes
        'skipped_paused',    # the job is paused; recorded
        'replayed',          # an attempt that is not newer than the last one
    ]
    attempt: int = 1
    previous: int | None = None       # scheduled time of the run before
    last_success: int | None = None   # scheduled time of the last `ok` run
    offset: float | None = None       # seconds that the job is due after it, if known
    fence: int = 0                    # of a job, each that is granted has a greater one

    @property
    def granted(self) -> bool:
        return self.verdict == 'granted'


class Row(NamedTuple):
    """One line of the history: a tuple, as there may be a million. `state` is
    'running', 'queued' or one of OUTCOMES; a 'missed' row may stand for all
    scheduled times up to `until`.

    gave_up: when its sender stopped waiting, though it executed.
    next_attempt: when the next attempt is due; attempts_left: how many.
    machine, member: where it was executed, and by which process there.
    by: who asked for it by hand.
    """

    run: Run
    state: str
    attempt: int
    started: float | None
    ended: float | None
    until: int | None
    count: int  # type: ignore[assignment]  # hides tuple.count
    status: int | None
    detail: str | None
    host: str | None
    pid: int | None
    requested: bool = False
    gave_up: float | None = None
    next_attempt: float | None = None
    attempts_left: int = 0
    machine: str | None = None
    member: int | None = None
    by: str | None = None

    @property
    def late(self) -> bool:
        """Whether it ended after its sender gave up."""
        return self.gave_up is not None and self.state in ('ok', 'failed')


@dataclass(frozen=True, slots=True)
class Executing:
    """A run that is executed at this moment. `thread` is its name and the
    system's number; `deadline` is when its sender gives up, `gave_up` when it
    did."""

    run: Run
    attempt: int
    started: float
    deadline: float
    gave_up: float | None
    host: str
    pid: int
    thread: str
    member: int

    def is_overdue(self, now: float) -> bool:
        return self.gave_up is not None or self.deadline < now


@dataclass(frozen=True, slots=True)
class Due:
    """An attempt to be made now. `since` is when it became due; `waited`: an
    execution had to end before. `overlaps`: another run of the job executes,
    so only a job that allows it may run."""

    run: Run
    attempt: int
    since: float
    state: str
    waited: bool
    overlaps: bool


class Plan(NamedTuple):
    """When a job runs, as text: the arguments of a `Schedule`."""

    expression: str
    timezone: str = 'UTC'
    seed: str | None = None


@lru_cache(maxsize=4096)
def known_plan(expression: str | None, timezone: str, seed: str | None) -> Plan | None:
    """As a store has it: one value for the many jobs that share it."""
    return None if expression is None else Plan(expression, timezone, seed)


@dataclass(frozen=True, slots=True)
class Declared:
    """A job as its code has it. `options` is JSON, `place` 'file.py:12',
    `words` the plan in plain English, `offset` the delay of its calls."""

    plan: Plan | None
    offset: float = 0.0
    options: str | None = None
    place: str | None = None
    words: str | None = None


class KnownJob(NamedTuple):
    """A job that was seen, and what is kept of it for ever: a tuple, as there
    may be hundreds of thousands."""

    application_id: str
    job: str
    since: float                # when it was first seen
    newest: int | None          # the latest scheduled time recorded
    last_success: int | None    # the latest scheduled time that ended 'ok'
    plan: Plan | None
    planned: float | None = None    # since when it has this plan
    declared: bool = True           # it is in the code of its application
    offset: float = 0.0
    options: str | None = None
    place: str | None = None
    words: str | None = None


class PastJob(NamedTuple):
    """What is recorded of a job since `floor`: scheduled times, and the ranges
    of those missed; `before` is the last one before."""

    known: KnownJob
    floor: int
    before: int | None
    single: frozenset[int]
    ranges: tuple[tuple[int, int], ...] = ()


class Missed(NamedTuple):
    """Runs that nobody executed, from `run` to `until`."""

    run: Run
    until: int
    count: int = 1  # type: ignore[assignment]  # hides tuple.count
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """An application id with its jobs; None: they are those known."""

    application_id: str
    base_url: str
    jobs: Mapping[str, Plan | Declared | None] | None
    at: float


@dataclass(frozen=True, slots=True)
class Application:
    """An application id that was seen, and where it is reached."""

    application_id: str
    base_url: str
    seen: float


@dataclass(frozen=True, slots=True)
class Owner:
    """Who fires the calls of an application id.

    address: where it sends them; code_root: the directory of its code. One
    that differs in both is another deployment.
    implicit: nobody chose the application id; it comes from a class's name.
    The rest is filled in by the ledger.
    """

    application_id: str
    address: str
    code_root: str
    since: float
    implicit: bool = False
    member: int = 0
    machine: str = ''
    host: str = ''
    pid: int = 0
    alive: bool = True


@dataclass(frozen=True, slots=True)
class Pause:
    """A job that is paused; without an application id, for all of them."""

    application_id: str | None
    job: str
    note: str
    at: float
    by: str


@dataclass(frozen=True, slots=True)
class Total:
    """How many runs of a job ended with `outcome`. `buckets` counts those
    that took up to each of BUCKETS, and longer; `late_buckets` those that
    began so long after they were due."""

    application_id: str
    job: str
    outcome: str
    count: int
    seconds: float
    late_seconds: float
    buckets: tuple[int, ...]
    late_buckets: tuple[int, ...]


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
