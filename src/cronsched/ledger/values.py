"""The values of runs, that go into a ledger and come out of it.

Example::

    run = Run('org/zug', 'cleanup', 1792000000)
    row.state, row.late, row.next_attempt

Times are UTC seconds (floats where a fraction is meaningful).
"""

from __future__ import annotations

from dataclasses import dataclass
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
    the file, where there is one. `passing`: a server that is away, or another
    one than before; a file that is locked, or has no room. It will be there
    again, and who asked asks again."""

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


class Missed(NamedTuple):
    """Runs that nobody executed, from `run` to `until`."""

    run: Run
    until: int
    count: int = 1  # type: ignore[assignment]  # hides tuple.count
    detail: str | None = None


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
