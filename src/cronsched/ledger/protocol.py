"""What every ledger can do, and the values that go in and out.

Times are UTC seconds (floats where a fraction is meaningful); `scheduled` is
a whole number. Every method may be called from any thread and any process.
A store that cannot be used raises `LedgerError`; it never answers "granted".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

from cronsched.errors import CronError

OUTCOMES: Final = (
    'ok', 'failed', 'timed_out', 'unreachable', 'skipped_overlap',
    'skipped_paused', 'missed', 'lost',
)


class LedgerError(CronError):
    """The store of runs cannot be used; nothing was claimed. `path` names
    the file, where there is one."""

    path: Path | None = None


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
    requested: bool = False   # somebody asked for it by hand


@dataclass(frozen=True, slots=True)
class Plan:
    """When a job runs, as text: the arguments of a `Schedule`."""

    expression: str
    timezone: str = 'UTC'
    seed: str | None = None


@dataclass(frozen=True, slots=True)
class KnownJob:
    """A job that was seen, and what is kept of it for ever."""

    application_id: str
    job: str
    since: float                # when it was first seen
    newest: int | None          # the latest scheduled time recorded
    last_success: int | None    # the latest scheduled time that ended 'ok'
    plan: Plan | None


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
    ) -> Claim:
        """Ask to execute a run. A further attempt of one that failed is
        granted up to `retries`, to a newer `timestamp`; one whose process
        died, even to the attempt it had. 'skip' looks at what executes,
        'queue' and 'allow' leave it to the sender. After `timeout` seconds
        without an end the run counts as lost."""

    def finish(
        self, claim: Claim, outcome: str, *, took: float, detail: str | None = None,
    ) -> None:
        """End a run that was granted. The first end wins. A store that cannot
        be written to raises nothing here: the function has run. The end is
        logged, kept in memory, and written with the next use that works (each
        second, by `take_requests`, or at `close`); if the process dies before,
        the run is recorded as lost."""

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
        by 'timed_out', or as 'lost', whatever the outcome given, when its
        process is gone. `until` and `count`: all runs from `run` to then."""

    def last_runs(self, application_id: str) -> Mapping[str, int]:
        """The latest recorded scheduled time of each job, or the second in
        which the job was first seen when it has no run yet. A run asked for
        by hand does not count: it stands for no scheduled time."""

    def seen(
        self, application_id: str, base_url: str, jobs: Iterable[str], at: float,
    ) -> None:
        """Note an application id and its jobs; those that are new start now.
        `jobs` may be a mapping of names to `Plan`, which `status` shows."""

    def applications(self) -> Collection[Application]: ...
    def jobs(self, application_id: str | None = None) -> Collection[KnownJob]:
        """Sorted by application id and name."""

    def recover(self, now: float) -> Collection[Run]:
        """Record as lost what is running but whose process is gone or whose
        timeout has passed. Returns those runs."""

    def history(
        self,
        *,
        application_id: str | None = None,
        job: str | None = None,
        since: float | None = None,
        until: float | None = None,
        limit: int = 100,
        oldest_first: bool = False,
    ) -> list[Row]:
        """The newest first, by scheduled time; `since` and `until` included."""

    def find(self, run: Run) -> Row | None:
        """The row of a run: its own, or the 'missed' one it is part of."""

    def pause(
        self, application_id: str | None, job: str, *, note: str = '', at: float = 0.0,
    ) -> None:
        """From now on, until `resume`. None: for every application id."""

    def resume(self, application_id: str | None, job: str) -> None: ...
    def paused(self) -> Mapping[tuple[str | None, str], str]: ...
    def request_run(self, application_id: str, job: str, at: float) -> Run:
        """Ask the owner to run a job now. The run has a scheduled time of its
        own, `at` or the first free second after it."""

    def take_requests(self, application_ids: Collection[str], now: float) -> list[Run]:
        """What is asked for, each given to one caller only. Those nobody took
        within ten minutes are forgotten. Cheap: to be called each second."""

    def prune(self, before: float) -> int:
        """Forget rows that ended before; returns how many."""

    def close(self) -> None:
        """Close what this process opened. Another use opens it again."""
