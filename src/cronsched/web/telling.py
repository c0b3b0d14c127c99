"""What a process tells of a run that it executes.

Example::

    with around(execution) as part:        # 'executing', and what is open meanwhile
        part.error = call(job)
    ended(execution, took, detail, error)  # 'executed', after the ledger knows
"""

from __future__ import annotations

import logging
from typing import Any, Protocol

from cronsched.base import clock
from cronsched.jobs.job import Job
from cronsched.ledger import Claim
from cronsched.telemetry import events, listeners, sentry
from cronsched.telemetry.around import Around
from cronsched.telemetry.executed import Executed
from cronsched.telemetry.fields import fields

__all__ = ['around', 'ended']

log = logging.getLogger('cronsched.telemetry')


class Execution(Protocol):
    """What has to be known of one; `run` is its `CronRun`."""

    job: Job
    run: Any
    claim: Claim | None
    traceparent: str | None
    outcome: str | None


def around(execution: Execution) -> Around:
    """To be entered where the job is called. Never fails."""
    if listeners.listens():
        _tell('executing', execution)
    if not Around.is_wanted():
        return Around(None)
    run = execution.run
    return Around(Executed(
        execution.job, run.application_id, run.id, run.scheduled, run.attempt,
        _fields(execution), execution.traceparent))


def ended(
    execution: Execution, took: float, detail: str | None, error: BaseException | None,
) -> None:
    """The ledger knows. Never fails."""
    if error is not None and sentry.sdk() is not None:
        try:
            sentry.capture(error, _fields(execution))
        except Exception:
            log.warning('Sentry could not take what a job raised', exc_info=True)
    if listeners.listens():
        _tell('executed', execution, outcome=execution.outcome, took=took, error=detail)


def _tell(kind: events.Kind, execution: Execution, **said: Any) -> None:
    now, due, run = clock.now(), _due(execution), execution.run
    if _offset(execution) is not None:
        said['lateness'] = max(now - said.get('took', 0.0) - due, 0.0)
    listeners.tell(events.make(
        kind, run.application_id, execution.job, int(run.scheduled.timestamp()),
        due=due, at=now, attempt=run.attempt, **said))


def _due(execution: Execution) -> float:
    at: float = execution.run.scheduled.timestamp()
    return at + (_offset(execution) or 0.0)


def _offset(execution: Execution) -> float | None:
    """None where the ledger does not say it."""
    return None if execution.claim is None else execution.claim.offset


def _fields(execution: Execution) -> dict[str, Any]:
    run = execution.run
    return fields(
        run.application_id, run.job, int(run.scheduled.timestamp()), due=_due(execution),
        attempt=run.attempt, outcome=execution.outcome)
