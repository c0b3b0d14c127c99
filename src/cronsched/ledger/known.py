"""What a ledger knows besides runs: jobs, application ids, who owns them, pauses.

Example::

    job.application_id, job.job, job.plan.expression
    owner.address, owner.alive

Times are UTC seconds (floats where a fraction is meaningful).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple


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
    single: Sequence[int]
    ranges: tuple[tuple[int, int], ...] = ()


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
