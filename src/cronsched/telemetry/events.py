"""What is told of a run, as one value.

Example::

    event.kind, event.outcome, event.run_id       # 'ended', 'ok', '5b1c...'
    event.scheduled, event.lateness, event.took   # aware datetime, seconds

The kinds, and in which process each is told:

    sent        owner    an attempt was sent
    retrying    owner    an attempt did not end well, another one follows
    overdue     owner    its sender waits no longer, and it executes still
    ended       owner    the run has its outcome
    executing   worker   a request was granted the run; the job is called
    executed    worker   the job has ended, and the ledger knows it

The owner is the process that makes the calls of an application id; it tells
of the runs that nobody executed as well. A worker tells of what it executes
itself. Every run that ends is told as 'ended' at least once; twice only where
the process died that told it first, so `run_id` is what to count by.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, get_args

from cronsched._cronsched import run_id
from cronsched.jobs.job import Job

__all__ = ['KINDS', 'Kind', 'RunEvent', 'make']

Kind = Literal['sent', 'retrying', 'overdue', 'ended', 'executing', 'executed']
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class RunEvent:
    """See the module.

    kind: one of `KINDS`.
    application_id, job: whose run it is.
    run_id: 32 hexadecimal digits, the same for all attempts of a run, in
        every process.
    scheduled: the instant the schedule names; due: with the job's offset,
        where a worker knows it.
        Both, as `at` and `until`, are aware, in the time zone of the job.
    at: when it happened.
    attempt: from 1; 0 where there was none.
    outcome: one of `cronsched.ledger.OUTCOMES`; None while it goes on.
    took: seconds that the attempt took, as far as the teller knows.
    lateness: seconds after `due` that the job was called ('executing',
        'executed') or sent ('sent'); None where that is not known.
    status: of the answer, in HTTP.
    error: what went wrong, in at most a KiB.
    missed: how many scheduled times it stands for, from `scheduled` to
        `until`, where the outcome is 'missed'. stood: a later run stands
        for them.
    """

    kind: Kind
    application_id: str
    job: str
    run_id: str
    scheduled: datetime
    due: datetime
    at: datetime
    attempt: int = 1
    outcome: str | None = None
    took: float | None = None
    lateness: float | None = None
    status: int | None = None
    error: str | None = None
    missed: int = 0
    until: datetime | None = None
    stood: bool = False


def make(
    kind: Kind,
    application_id: str,
    job: Job,
    scheduled: int,
    *,
    due: float,
    at: float,
    until: int | None = None,
    **said: object,
) -> RunEvent:
    """One whose instants are given in UTC seconds."""
    zone = job.timezone

    def local(epoch: float) -> datetime:
        return datetime.fromtimestamp(epoch, UTC).astimezone(zone)

    return RunEvent(
        kind,
        application_id,
        job.name,
        run_id(application_id, job.name, scheduled),
        local(scheduled),
        local(due),
        local(at),
        until=None if until is None else local(until),
        **said,  # type: ignore[arg-type]
    )
