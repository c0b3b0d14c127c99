"""What every ledger can do.

Times are UTC seconds (floats where a fraction is meaningful); `scheduled` is
a whole number. Every method may be called from any thread and any process.
A store that cannot be used raises `LedgerError`; it never answers "granted".

Where a method takes `now`, None is the store's own clock: that of the
database, where several machines share one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal, Protocol

from cronsched.ledger.history import History
from cronsched.ledger.known import (
    Application,
    Declared,
    KnownJob,
    Owner,
    PastJob,
    Pause,
    Plan,
    Seen,
)
from cronsched.ledger.pages import Found, Planned, Standing, Tally, Wanted
from cronsched.ledger.seats import Fleet, Member, Seats
from cronsched.ledger.values import (
    OUTCOMES,
    Claim,
    Due,
    Executing,
    LedgerError,
    Missed,
    Row,
    Run,
    Total,
)

__all__ = [
    'OUTCOMES', 'Application', 'Claim', 'Declared', 'Due', 'Executing', 'Fleet', 'Found',
    'KnownJob', 'Ledger', 'LedgerError', 'Member', 'Missed', 'Owner', 'PastJob', 'Pause', 'Plan',
    'Planned', 'Row', 'Run', 'Seats', 'Seen', 'Standing', 'Tally', 'Total', 'Wanted',
]


class Ledger(History, Protocol):
    """See the module; what it tells of runs is in `History`."""

    # -- a run ---------------------------------------------------------------

    def claim(
        self,
        run: Run,
        *,
        attempt: int = 1,
        timestamp: int | None = None,   # of the signed request
        epoch: int = 0,                 # of the sender's ownership, if signed
        retries: int = 0,
        backoff: float = 1.0,
        overlap: Literal['skip', 'queue', 'allow'] = 'skip',
        timeout: float = 3600.0,
    ) -> Claim:
        """Ask to execute a run. A further attempt of one that failed is
        granted up to `retries`, to a newer (`epoch`, `timestamp`); one whose
        process died, even to the attempt it had. While another run of the job
        executes, 'skip' ends this one, 'queue' lets it wait in the ledger
        (one at most, else it is skipped), 'allow' grants it.

        `retries` and `backoff` (seconds) stay with the run: when an attempt
        fails, is lost or timed out, the ledger says when the next one is due
        (`attempts_due`). After `timeout` seconds its sender has given up; a
        process of which nothing can be known is then taken for dead."""

    def is_current(self, claim: Claim) -> bool:
        """Whether the run is still executed by this claim: it did not end,
        was not given up as lost, and nobody was granted it since."""

    def finish(
        self, claim: Claim, outcome: str, *, took: float, detail: str | None = None,
    ) -> None:
        """End a run that was granted. The first end wins. What ends after its
        sender gave up ends as what it was, and `Row.late` says so; with
        attempts left it is 'timed_out', and the next one becomes due. A store
        that cannot be written to raises nothing here: the function has run.
        The end is logged, kept in memory, and written with the next use that
        works (each second, by `take_requests`, or at `close`); if the process
        dies before, the run is recorded as lost."""

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
        retry_at: float | None = None,
        attempts_left: int = 0,
    ) -> Executing | None:
        """End a run from the sender's side. A run that was never claimed gets
        a row; one that ended keeps its end; one that is running is ended only
        as 'lost', when its process is gone. 'timed_out' of a run that executes
        notes that its sender gave up, and answers with who executes it.
        `until` and `count`: all runs from `run` to then.

        Of `attempt` the sender knows best whether another one follows, and
        when: at `retry_at`, or (None) not at all."""

    def miss(self, missed: Iterable[Missed], at: float) -> None:
        """`record(..., 'missed')` for many at once."""

    def recover(self, now: float | None = None) -> Collection[Run]:
        """Record as lost what is running but whose process is gone. Returns
        those runs."""

    # -- further attempts ----------------------------------------------------

    def attempts_due(
        self, application_ids: Collection[str], now: float | None = None,
    ) -> list[Due]:
        """The further attempts, and the runs that waited for another one to
        end, whose time has come. They stay due until they are claimed or
        `drop_attempt`. Cheap: to be called each second."""

    def drop_attempt(self, due: Due) -> None:
        """The attempt is not made any more; the run keeps the end it has. One
        that waited was never executed: it is 'skipped_overlap'."""

    def executing(self, application_id: str | None = None) -> list[Executing]:
        """Who executes what at this moment, the longest first."""

    # -- jobs and application ids --------------------------------------------

    def seen(
        self, application_id: str, base_url: str,
        jobs: Iterable[str] | Mapping[str, Plan | Declared | None], at: float,
    ) -> None:
        """Note an application id and its jobs; those that are new start now,
        as do those whose plan changed. Jobs that it does not name are no
        longer in its code (`KnownJob.declared`). A mapping of names to `Plan`
        or `Declared` says more of them."""

    def see(self, seen: Iterable[Seen]) -> None:
        """The same for many at once."""

    def applications(self) -> Collection[Application]: ...
    def jobs(self, application_id: str | None = None) -> Collection[KnownJob]:
        """Sorted by application id and name."""

    def last_runs(self, application_id: str) -> Mapping[str, int]:
        """The latest recorded scheduled time of each job, or the second in
        which the job was first seen when it has no run yet. A run asked for
        by hand does not count: it stands for no scheduled time."""

    def past(
        self, at: Mapping[str, float], reach: float,
    ) -> dict[str, list[PastJob]]:
        """What catching up needs, for many application ids at once: their
        jobs, and what is recorded of them in the `reach` seconds before the
        instant that `at` names, or before the newest record if that is older;
        and what is recorded last before that."""

    # -- who owns what -------------------------------------------------------

    def own(self, owners: Iterable[Owner]) -> None:
        """This process fires the calls of these application ids from now on."""

    def disown(self, application_ids: Iterable[str]) -> None:
        """No longer; where another process owns it by now, nothing changes."""

    def owners(self, application_ids: Collection[str] | None = None) -> Mapping[str, Owner]:
        """The last owner of each application id; `Owner.alive` says whether
        it still lives. None: of all."""

    def seats(self, place: str, source: Any = None) -> Seats | None:
        """How this process is one of several that fire, on several machines;
        those of one `place` share a lease. `source` is another way to the
        same store. None: this machine has it alone."""

    def members(self) -> list[Member]:
        """The processes that fire calls, or may execute runs; the oldest
        first."""

    def fleet(self) -> Fleet | None:
        """What happens among the members; None where there is one machine."""

    def give_up(self, members: Collection[int]) -> Collection[Run]:
        """These will never be heard again, as somebody knows: what they
        execute is recorded as lost, and returned; what they fire is free.
        Raises `LedgerError` where there is one machine, which looks for its
        processes itself."""

    # -- what is old ----------------------------------------------------------

    def prune(self, before: float) -> int:
        """Forget rows that ended before; returns how many."""

    # -- what people ask for -------------------------------------------------

    def pause(
        self, application_id: str | None, job: str, *, note: str = '', at: float = 0.0,
        by: str = '',
    ) -> None:
        """From now on, until `resume`. None: for every application id. `by`:
        who wants it."""

    def resume(self, application_id: str | None, job: str) -> None: ...
    def paused(self) -> Mapping[tuple[str | None, str], str]:
        """The notes."""

    def pauses(self) -> list[Pause]: ...
    def request_run(self, application_id: str, job: str, at: float, *, by: str = '') -> Run:
        """Ask the owner to run a job now. The run has a scheduled time of its
        own, `at` or the first free second after it."""

    def take_requests(
        self, application_ids: Collection[str], now: float | None = None,
    ) -> list[Run]:
        """What is asked for, each given to one caller only. Those nobody took
        within ten minutes are forgotten. Cheap: to be called each second."""

    def close(self) -> None:
        """Close what this process opened. Another use opens it again."""
