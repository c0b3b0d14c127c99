"""What every ledger tells of runs and of the jobs that they are of.

Example::

    for row in ledger.history(job='cleanup', since=monday, states=('failed', 'lost')):
        row.run.application_id, row.detail

Nothing here changes anything. Times are UTC seconds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Protocol

from cronsched.ledger.pages import Found, Planned, Standing, Tally, Wanted
from cronsched.ledger.values import Row, Run, Total

__all__ = ['History']


class History(Protocol):
    """See the module. Raises `LedgerError` when the store cannot be used."""

    def find_jobs(self, wanted: Wanted) -> tuple[list[Found], int]:
        """A page of the jobs, and how many there are in all."""

    def standings(self) -> list[Standing]:
        """How the jobs of each name stand, by name: a few rows for a job of
        a thousand application ids."""

    def states(self) -> Mapping[str, int]:
        """How many jobs stand how, of all names."""

    def planned(self) -> list[Planned]:
        """When the jobs in the code run, those that run alike as one."""

    def timezones(self) -> list[str]:
        """Those of the jobs in the code, each once."""

    def history(
        self,
        *,
        application_id: str | None = None,
        job: str | None = None,
        since: float | None = None,
        until: float | None = None,
        limit: int = 100,
        oldest_first: bool = False,
        states: Collection[str] = (),
        requested: bool | None = None,
        skip: int = 0,
    ) -> list[Row]:
        """The newest first, by scheduled time; `since` and `until` included.
        Only those in `states`, if any are named, and with `requested` only
        those asked for by hand (False: only the others); without the first
        `skip` of them."""

    def histories(
        self,
        jobs: Collection[tuple[str, str]],
        *,
        since: float | None = None,
        until: float | None = None,
        limit: int = 100,
    ) -> Mapping[tuple[str, str], list[Row]]:
        """The history of each of these (application id, job) at once, with at
        most `limit` rows of each."""

    def tally(
        self, application_id: str, job: str, *, since: int, until: int, step: int,
    ) -> list[Tally]:
        """The runs of a job from `since` to before `until`, counted by state
        in steps of so many seconds; a range of missed ones where it begins."""

    def walk(
        self,
        *,
        application_id: str | None = None,
        job: str | None = None,
        since: float | None = None,
        until: float | None = None,
    ) -> Iterator[Row]:
        """As `history`, without a limit, in pieces: for a million rows."""

    def latest(self, application_id: str | None = None) -> Mapping[tuple[str, str], Row]:
        """The newest row of each (application id, job)."""

    def find(self, run: Run) -> Row | None:
        """The row of a run: its own, or the 'missed' one it is part of."""

    def totals(self) -> list[Total]:
        """How many runs ended how, since the ledger exists: pruning takes
        nothing away."""
