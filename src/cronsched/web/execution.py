"""A run that was granted to a request: executed here, and ended once.

Example::

    with execution as run:
        call(execution.job, run)      # whatever it raises ends the run as failed
    return execution.answer

A transaction around the request may still fail, or repeat the request, after
the function has returned. A middleware outside of the transaction calls
`expect(environ)` before the request and `settle(environ, status, error)` after;
then the arguments of `settle` decide how the run ended, and a repeated request
finds the execution it began. Without that, the end of the `with` block is the end of the run.

This module alone calls the ledger.
"""

from __future__ import annotations

import time
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import TracebackType
from typing import Any, Final

from cronsched.jobs.job import Job
from cronsched.jobs.options import Policy
from cronsched.ledger.protocol import Claim, Ledger
from cronsched.telemetry.around import Around
from cronsched.web import telling
from cronsched.web.host import OUTCOME_HEADER, Answer
from cronsched.web.signing import Signed
from cronsched.web.threads import in_thread

__all__ = [
    'CronRun', 'Execution', 'TimedOut', 'attend', 'claim', 'expect', 'settle', 'unfinished',
]

DETAIL_SIZE: Final = 1024

EXECUTION: Final = 'cronsched.execution'
EXPECTED: Final = 'cronsched.expected'


@dataclass(frozen=True, slots=True)
class CronRun:
    """What a job may know of its run: its argument, or `request.cron_run`
    under Morepath.

    id: the same for every attempt of this run.
    scheduled: the instant the schedule names, in the job's zone.
    previous: the same of the run before, None for the first.
    last_success: the same of the last run that ended well.
    attempt: from 1.
    fence: a number that grows with each claim of the job that is granted, whichever
        machine it is granted to. A store of your own that keeps the greatest one it
        has seen can refuse an execution that others have given up.
    job, application_id: their names.
    request: the request that executes it: the framework's, the environ of WSGI, the
        scope of ASGI; None under Morepath, where it is the argument.
    """

    id: str
    scheduled: datetime
    previous: datetime | None = None
    last_success: datetime | None = None
    attempt: int = 1
    job: str = ''
    application_id: str = ''
    request: Any = field(default=None, repr=False, compare=False)
    fence: int = 0
    _asks: Callable[[], bool] | None = field(default=None, repr=False, compare=False)

    def is_current(self) -> bool:
        """Whether nobody has given this execution up, which a machine that was
        cut off does not hear: to be asked before a step that cannot be taken
        back. True where runs are not recorded. Raises `LedgerError` when the
        ledger cannot be asked."""
        return self._asks is None or self._asks()

    async def ais_current(self) -> bool:
        """The same for `async def` jobs, in a thread of ours."""
        return await in_thread(self.is_current)


class TimedOut(Exception):
    """The job was ended at its timeout and no longer executes."""


@dataclass(slots=True, eq=False)
class Execution:
    """See the module. Without a claim (a request that need not be signed, no
    ledger) nothing is written."""

    job: Job
    run: CronRun
    policy: Policy
    ledger: Ledger | None = None
    claim: Claim | None = None
    environ: MutableMapping[str, Any] | None = None
    traceparent: str | None = None
    outcome: str | None = None
    error: BaseException | None = None
    started: float = field(default_factory=time.perf_counter)
    _deferred: bool = False
    _around: Around | None = None

    def __post_init__(self) -> None:
        if self.environ is not None and self.claim is not None:
            self.environ[EXECUTION] = self
            self._deferred = bool(self.environ.get(EXPECTED))

    def set_request(self, request: Any) -> None:
        """The framework's own, for `run.request`."""
        self.run = replace(self.run, request=request)

    def defer(self) -> None:
        """The end of the `with` block is not the end of the run: `end` is
        called later."""
        self._deferred = True

    def around(self) -> Around:
        """What surrounds the job while it executes, for those who do not use
        the `with` block: they use this one."""
        return telling.around(self)

    def __enter__(self) -> CronRun:
        self._around = self.around()
        self._around.__enter__()
        return self.run

    def __exit__(
        self, kind: object, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave(kind, error, traceback)
        if not self._deferred:
            self.end(error)

    async def __aenter__(self) -> CronRun:
        return self.__enter__()

    async def __aexit__(
        self, kind: object, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave(kind, error, traceback)
        if not self._deferred:
            await self.aend(error)

    def _leave(
        self, kind: object, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._around is not None:
            self._around.__exit__(kind, error, traceback)
        self.error = error

    def end(self, error: BaseException | None = None, status: int = 200) -> str:
        """Write how the run ended: with an error, or an answer of that status
        (400 and above is a failure). The first end counts. Returns the
        outcome: 'ok', 'failed' or 'timed_out'."""
        if self.outcome is None:
            error = error or self.error
            self.outcome = _outcome(error, status)
            if self.environ is not None:
                self.environ.pop(EXECUTION, None)
            took, detail = time.perf_counter() - self.started, _detail(error, status)
            self._finish(self.outcome, took, detail)
            telling.ended(self, took, detail, error)
        return self.outcome

    async def aend(self, error: BaseException | None = None, status: int = 200) -> str:
        """The same in a thread of ours, as it may have to wait for the ledger."""
        return await in_thread(self.end, error, status)

    def _finish(self, outcome: str, took: float, detail: str | None) -> None:
        if self.ledger is not None and self.claim is not None:
            self.ledger.finish(self.claim, outcome, took=took, detail=detail)

    @property
    def answer(self) -> Answer:
        """For the sender: a run is well only if its function returned, so that
        no error handler can make a success of a failure."""
        outcome = self.outcome or ('failed' if self.error else 'ok')
        return Answer(200 if outcome == 'ok' else 500, {OUTCOME_HEADER: outcome})


def claim(ledger: Ledger, signed: Signed, policy: Policy) -> Claim:
    """Ask to execute what was signed. Raises `LedgerError`."""
    return ledger.claim(
        signed.run,
        attempt=signed.attempt,
        timestamp=signed.timestamp,
        epoch=signed.epoch,
        retries=policy.retries,
        backoff=policy.backoff,
        overlap=policy.overlap,
        timeout=policy.timeout,
    )


def expect(environ: MutableMapping[str, Any]) -> None:
    """Announce that `settle` will be called for this request."""
    environ[EXPECTED] = True


def unfinished(environ: MutableMapping[str, Any]) -> Execution | None:
    """The execution that this request began, if it is repeated."""
    execution: Execution | None = environ.get(EXECUTION)
    return execution


def settle(
    environ: MutableMapping[str, Any], status: int, error: BaseException | None = None
) -> str | None:
    """End the run of this request, if there was one: 'ok' or 'failed'."""
    execution = unfinished(environ)
    return None if execution is None else execution.end(error, status)


def attend(request: Any, handler: Callable[[Any], Any]) -> Any:
    """Handle the request of a job from outside of everything, and end its run
    as it ended. Request and response are WebOb's, or as they are."""
    expect(request.environ)
    try:
        response = handler(request)
    except BaseException as error:
        settle(request.environ, 500, error)
        raise
    outcome = settle(request.environ, response.status_code)
    if outcome is not None:
        # The sender is to know that the run was claimed, and spent; and what
        # an error handler made of an error is still a failure.
        response.headers[OUTCOME_HEADER] = outcome
        if outcome != 'ok' and response.status_code < 500:
            response.status_code = 500
    return response


def _outcome(error: BaseException | None, status: int) -> str:
    if isinstance(error, TimedOut):
        return 'timed_out'
    return 'ok' if error is None and status < 400 else 'failed'


def _detail(error: BaseException | None, status: int) -> str | None:
    """The last line of the traceback, at most a KiB. Never fails: a run that
    has no end would keep its job from running."""
    if error is None:
        return f'answered with status {status}' if status >= 400 else None
    text = type(error).__name__
    with suppress(Exception):
        text = str(error) if isinstance(error, TimedOut) else f'{text}: {error}'
    return text.encode(errors='backslashreplace')[:DETAIL_SIZE].decode(errors='ignore')
