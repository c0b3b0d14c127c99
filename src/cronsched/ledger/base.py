"""What every ledger can do, and the values that go in and out.

Times are UTC seconds (floats where a fraction is meaningful); `scheduled` is
a whole number. Every method may be called from any thread and any process.
A store that cannot be used raises `LedgerError`; it never answers "granted".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from cronsched.errors import CronError

OUTCOMES: Final = (
    'ok', 'failed', 'timed_out', 'unreachable', 'skipped_overlap',
    'skipped_paused', 'missed', 'lost',
)


class LedgerError(CronError):
    """The store of runs cannot be used; nothing was claimed."""


@dataclass(frozen=True, slots=True)
class Run:
    """One (application id, job, scheduled)."""

    application_id: str
    job: str
    scheduled: int


@dataclass(frozen=True, slots=True)
class Claim:
    """The answer to a claim. Only `granted` allows the function to run."""

    run: Run
    verdict: Literal[
        'granted',           # run the function, then call finish()
        'duplicate',         # somebody has it, or had it
        'lost',              # its executing process died; recorded as lost
        'skipped_overlap',   # another run of the job still executes
        'skipped_paused',    # the job is paused; recorded
        'replayed',          # an attempt that is not newer than the last one
    ]
    attempt: int = 1
    previous: int | None = None       # scheduled time of the run before
    last_success: int | None = None   # scheduled time of the last `ok` run

    @property
    def granted(self) -> bool:
        return self.verdict == 'granted'


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the history. `state` is 'running' or one of OUTCOMES; a
    'missed' row may stand for all scheduled times up to `until`."""

    run: Run
    state: str
    attempt: int
    started: float | None
    ended: float | None
    until: int | None
    count: int
    status: int | None
    detail: str | None
    host: str | None
    pid: int | None


@dataclass(frozen=True, slots=True)
class Application:
    """An application id that was seen, and where it is reached."""

    application_id: str
    base_url: str
    seen: float


class Ledger(Protocol):
    """See the module."""

    def claim(
        self,
        run: Run,
        *,
        attempt: int = 1,
        timestamp: int | None = None,   # of the signed request
        retries: int = 0,
        overlap: Literal['skip', 'queue', 'allow'] = 'skip',
        timeout: float = 3600.0,
    ) -> Claim: ...

    def finish(self, claim: Claim, outcome: str, *, took: float, detail: str | None = None) -> None:
        """End a run that was granted. The first end wins."""

    def record(
        self,
        run: Run,
        outcome: str,
        *,
        at: float,
        attempt: int = 1,
        until: int | None = None,
        count: int = 1,
        status: int | None = None,
        detail: str | None = None,
    ) -> None:
        """End a run from the sender's side. A run that was never claimed gets
        a row; one that ended keeps its end; one that is running is ended only
        by 'timed_out', or 'lost' when its process is gone."""

    def last_runs(self, application_id: str) -> Mapping[str, int]:
        """The latest recorded scheduled time of each job, or the second in
        which the job was first seen when it has no run yet."""

    def seen(self, application_id: str, base_url: str, jobs: Iterable[str], at: float) -> None:
        """Note an application id and its jobs; those that are new start now."""

    def applications(self) -> Collection[Application]: ...

    def recover(self, now: float) -> Collection[Run]:
        """Record as lost what is running but whose process is gone or whose
        timeout has passed. Returns those runs."""

    def history(
        self,
        *,
        application_id: str | None = None,
        job: str | None = None,
        since: float | None = None,
        limit: int = 100,
    ) -> list[Row]:
        """The newest first."""

    def pause(self, application_id: str | None, job: str, *, note: str = '', at: float = 0.0) -> None: ...
    def resume(self, application_id: str | None, job: str) -> None: ...
    def paused(self) -> Mapping[tuple[str | None, str], str]: ...
    def prune(self, before: float) -> int:
        """Forget rows that ended before; returns how many."""

    def close(self) -> None: ...
