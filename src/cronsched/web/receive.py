"""A run inside of the view: who asks, may it run, how did it end.

Example::

    outcome = run_job(job, request, application_id='org/zug', site=site)
    response.headers[OUTCOME_HEADER] = outcome

The request is any object with `headers` and a WSGI `environ`. It gets the
attribute `cron_run` before the function is called.

How a run ended is written when the framework has answered (`settle`, called
by a tween around everything), as a transaction may still fail, or repeat the
request, after the view is done. Without that tween, the view writes it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from cronsched._cronsched import run_id
from cronsched.base import clock
from cronsched.jobs.job import Job
from cronsched.ledger.protocol import Claim, LedgerError, Run
from cronsched.scheduler.site import Site
from cronsched.web.signing import Refused, Signed, verify

__all__ = ['OUTCOME_HEADER', 'CronRun', 'Unclaimed', 'expect', 'run_job', 'settle']

log = logging.getLogger('cronsched')

OUTCOME_HEADER: Final = 'Cronsched-Outcome'
DETAIL_SIZE: Final = 1024

EXECUTION: Final = 'cronsched.execution'
EXPECTED: Final = 'cronsched.expected'


@dataclass(frozen=True, slots=True)
class CronRun:
    """What a view may know of its run, as `request.cron_run`.

    id: the same for every attempt of this run.
    scheduled: the instant the schedule names, in the job's zone.
    previous: the same of the run before, None for the first.
    last_success: the same of the last run that ended well.
    attempt: from 1.
    """

    id: str
    scheduled: datetime
    previous: datetime | None = None
    last_success: datetime | None = None
    attempt: int = 1


class Unclaimed(LedgerError):
    """The ledger cannot be used now. The function did not run; the same
    request may be sent again."""


@dataclass(slots=True)
class Execution:
    """A run that was granted to this request."""

    site: Site
    claim: Claim
    cron_run: CronRun
    started: float
    error: BaseException | None = None

    def finish(self, outcome: str, detail: str | None) -> None:
        assert self.site.ledger is not None
        took = time.perf_counter() - self.started
        self.site.ledger.finish(self.claim, outcome, took=took, detail=detail)


def run_job(job: Job, request: Any, *, application_id: str, site: Site) -> str:
    """Run the job for this request, or say why not: 'ok', 'duplicate' or
    another outcome. Raises `Refused` for a request that may start nothing,
    `Unclaimed` when nobody can say whether it may, and whatever the function
    raises."""
    execution: Execution | None = request.environ.get(EXECUTION)
    if execution is None:
        signed = _signed(request.headers, job, application_id, site)
        if signed is None or site.ledger is None:
            request.cron_run = _unrecorded(job, application_id, signed)
            job.function(request)
            return 'ok'
        try:
            claim = _claim(job, signed, site)
        except LedgerError as error:
            raise Unclaimed(str(error)) from error
        if not claim.granted:
            return 'duplicate' if claim.verdict == 'replayed' else claim.verdict
        execution = Execution(site, claim, _recorded(job, claim), time.perf_counter())
        request.environ[EXECUTION] = execution
    return _execute(execution, job, request)


def _execute(execution: Execution, job: Job, request: Any) -> str:
    request.cron_run = execution.cron_run
    try:
        job.function(request)
    except BaseException as error:
        execution.error = error
        raise
    else:
        execution.error = None
    finally:
        if not request.environ.get(EXPECTED):
            settle(request.environ, 200, execution.error)
    return 'ok'


def expect(environ: MutableMapping[str, Any]) -> None:
    """Tell the view that `settle` will be called."""
    environ[EXPECTED] = True


def settle(
    environ: MutableMapping[str, Any], status: int, error: BaseException | None = None
) -> str | None:
    """Write how the run of this request ended, if there was one: 'ok' or
    'failed'."""
    execution: Execution | None = environ.pop(EXECUTION, None)
    if execution is None:
        return None
    error = error or execution.error
    if error is None and status < 400:
        execution.finish('ok', None)
        return 'ok'
    detail = f'answered with status {status}' if error is None else _detail(error)
    execution.finish('failed', detail)
    return 'failed'


def _signed(
    headers: Mapping[str, str], job: Job, application_id: str, site: Site
) -> Signed | None:
    """Who asks; None for an unsigned request where that is allowed."""
    now = clock.now()
    if not site.strict and (not site.secrets or not headers.get('webhook-id')):
        return None
    # A test that froze Python's clock would call every request outdated.
    if not site.strict and clock.is_frozen():
        return None
    try:
        return verify(
            headers,
            application_id=application_id,
            job=job.name,
            keys=site.keys(application_id),
            now=now,
        )
    except Refused as refused:
        log.warning('refused to run %s of %s: %s', job.name, application_id, refused.reason)
        raise


def _claim(job: Job, signed: Signed, site: Site) -> Claim:
    assert site.ledger is not None
    policy = site.policy(job)
    return site.ledger.claim(
        signed.run,
        attempt=signed.attempt,
        timestamp=signed.timestamp,
        retries=policy.retries,
        overlap=policy.overlap,
        timeout=policy.timeout,
    )


def _recorded(job: Job, claim: Claim) -> CronRun:
    return CronRun(
        id=_id(claim.run),
        scheduled=_local(job, claim.run.scheduled),
        previous=None if claim.previous is None else _local(job, claim.previous),
        last_success=None if claim.last_success is None else _local(job, claim.last_success),
        attempt=claim.attempt,
    )


def _unrecorded(job: Job, application_id: str, signed: Signed | None) -> CronRun:
    run = signed.run if signed else Run(application_id, job.name, int(clock.now()))
    return CronRun(_id(run), _local(job, run.scheduled), attempt=signed.attempt if signed else 1)


def _id(run: Run) -> str:
    return run_id(run.application_id, run.job, run.scheduled)


def _local(job: Job, epoch: int) -> datetime:
    return datetime.fromtimestamp(epoch, UTC).astimezone(job.timezone)


def _detail(error: BaseException) -> str:
    """The last line of the traceback, at most a KiB. Never fails: a run that
    has no end would keep its job from running."""
    text = type(error).__name__
    with suppress(Exception):
        text += f': {error}'
    return text.encode(errors='backslashreplace')[:DETAIL_SIZE].decode(errors='ignore')
