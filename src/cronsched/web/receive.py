"""Receives a request: verify it, look up the job, claim the run.

Example::

    try:
        execution = accept(host, name, request.headers, method=request.method)
    except Answered as answered:
        return Response(answered.text, answered.status, answered.headers)
    with execution as run:
        call(execution.job, run)
    return Response('', execution.answer.status, execution.answer.headers)

The signature is checked before the name is looked up, so a sender that cannot
sign learns nothing. A signed request is for one run and brings nothing else: a
query or a body, chosen by whoever sends it first, is refused.

It may wait for the ledger: in an event loop, `await in_thread(accept, ...)`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, NoReturn

from cronsched._cronsched import run_id
from cronsched.base import clock
from cronsched.base.text import printable
from cronsched.jobs.job import Job
from cronsched.jobs.options import Policy
from cronsched.ledger.protocol import Claim, LedgerError, Run
from cronsched.telemetry.fields import fields
from cronsched.web import knock
from cronsched.web.execution import (
    CronRun,
    Execution,
    TimedOut,
    claim,
    expect,
    settle,
    unfinished,
)
from cronsched.web.host import KNOCK, OUTCOME_HEADER, Answer, Answered, Host
from cronsched.web.signing import TOLERANCE, Refused, Signed, check_bare, verify
from cronsched.web.unsigned import claim_unsigned
from cronsched.web.window import Window

__all__ = [
    'OUTCOME_HEADER', 'Answer', 'Answered', 'CronRun', 'Execution', 'TimedOut', 'accept',
    'expect', 'settle',
]

log = logging.getLogger('cronsched')

_window = Window()

RETRY_AFTER: Final = '1'   # seconds


def accept(
    host: Host,
    name: str,
    headers: Mapping[str, str],
    *,
    method: str | None = None,
    query: str | bytes = '',
    body: bool = False,
    environ: MutableMapping[str, Any] | None = None,
    request: Any = None,
) -> Execution:
    """The run that this request is granted. Raises `Answered` with the answer
    when there is none: 401 404 503, 200 for one that somebody has or had, 204
    for a knock.

    method: None where routing has checked it.
    query: the query string. body: there is one that `headers` do not tell of.
    environ: keeps the execution for `settle`, and for a repeated request.
    request: becomes `run.request`.
    """
    begun = unfinished(environ) if environ is not None else None
    if begun is not None:
        return begun
    signed = _signed(host, name, headers, method, query, body)
    job = host.jobs.get(name)
    if job is None:
        raise Answered(404)
    policy, ledger = host.site.policy(job), host.site.ledger
    traceparent = headers.get('traceparent')
    if ledger is None or (signed is None and clock.is_frozen()):
        return Execution(
            job, _cron_run(job, _unrecorded(host, name, signed), request), policy,
            traceparent=traceparent)
    try:
        if signed is None:
            granted = claim_unsigned(ledger, host.application_id, job, policy)
        else:
            granted = claim(ledger, signed, policy)
    except LedgerError as error:
        _refuse_for_now(host, name, error, _may_wait(signed, policy))
    if not granted.granted:
        # What waits for an execution to end is sent again by whoever owns the
        # application id, when the ledger says so: for this sender it is done.
        waits = granted.verdict in ('executing', 'queued', 'replayed')
        raise Answered(200, {OUTCOME_HEADER: 'duplicate' if waits else granted.verdict})
    return Execution(
        job, _cron_run(job, granted, request, partial(ledger.is_current, granted)), policy, ledger,
        granted, environ, traceparent)


def _unrecorded(host: Host, name: str, signed: Signed | None) -> Claim:
    """What is not claimed: nobody else knows of it."""
    if signed is None:
        return Claim(Run(host.application_id, name, int(clock.now())), 'granted')
    if not _window.is_first(signed, clock.now()):
        raise Answered(200, {OUTCOME_HEADER: 'duplicate'})
    return Claim(signed.run, 'granted', signed.attempt)


def _signed(
    host: Host,
    name: str,
    headers: Mapping[str, str],
    method: str | None,
    query: str | bytes,
    body: bool,
) -> Signed | None:
    """Who asks; None for an unsigned request where that is allowed."""
    site = host.site
    if name != KNOCK and not site.strict and _is_free(host, headers):
        return None
    try:
        if method not in (None, site.method):
            raise Refused(f'the method is {method!r}, not {site.method}')
        check_bare(headers, query, body)
        if name == KNOCK:
            raise knock.answer(host, headers)
        return verify(
            headers,
            application_id=host.application_id,
            job=name,
            keys=site.keys(host.application_id),
            now=clock.now(),
            tolerance=_tolerance(host, name),
        )
    except Refused as refused:
        _tell_refused(host, name, refused.reason)
        raise Answered(401) from refused


def _tell_refused(host: Host, name: str, reason: str) -> None:
    # Anyone who knows the address may send many: the log is limited.
    count = host.site.refusals.count()
    if count:
        more = f', as {count - 1} other request(s) before it' if count > 1 else ''
        log.warning(
            'refused to run %s of %s: %s%s',
            printable(repr(name)), printable(host.application_id), printable(reason), more,
            extra=fields(host.application_id),   # no more of it is known to be true
        )


def _is_free(host: Host, headers: Mapping[str, str]) -> bool:
    # If a test froze Python's clock, every request would look outdated.
    return not host.site.secrets or not headers.get('webhook-id') or clock.is_frozen()


def _tolerance(host: Host, name: str) -> float:
    """A request may wait for a worker as long as its attempt may take; where
    the run is claimed, a replay is harmless."""
    job = host.jobs.get(name)
    if job is None or host.site.ledger is None:
        return TOLERANCE
    return max(TOLERANCE, host.site.policy(job).timeout)


def _may_wait(signed: Signed | None, policy: Policy) -> bool:
    """Whether the run is not too late yet."""
    return signed is not None and (
        policy.catch_up is None or clock.now() < signed.run.scheduled + policy.catch_up)


def _refuse_for_now(
    host: Host, name: str, error: LedgerError, may_wait: bool,
) -> NoReturn:
    headers, count = {'Retry-After': RETRY_AFTER}, 1
    if error.passing and may_wait:
        headers[OUTCOME_HEADER] = 'waiting'   # the same attempt comes again
        count = host.site.waits.count()
    if count:
        more = f', as {count - 1} other request(s) before it' if count > 1 else ''
        log.error('%s of %s did not run: %s%s', name, host.application_id, error, more,
                  extra=fields(host.application_id, name))
    raise Answered(503, headers, 'the ledger cannot be used, see the log') from error


def _cron_run(
    job: Job, granted: Claim, request: Any, asks: Callable[[], bool] | None = None,
) -> CronRun:
    run = granted.run
    return CronRun(
        id=run_id(run.application_id, run.job, run.scheduled),
        scheduled=_local(job, run.scheduled),
        previous=None if granted.previous is None else _local(job, granted.previous),
        last_success=None if granted.last_success is None else _local(job, granted.last_success),
        attempt=granted.attempt,
        job=run.job,
        application_id=run.application_id,
        request=request,
        fence=granted.fence,
        _asks=asks,
    )


def _local(job: Job, epoch: int) -> datetime:
    return datetime.fromtimestamp(epoch, UTC).astimezone(job.timezone)
