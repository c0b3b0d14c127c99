"""What the reporter asks the ledger about a run, and writes into it.

Example::

    recording = Recording(housekeeping.late.write)
    recording.record(about)       # who executes the run still, or None
    recording.executing(about)    # the other runs of its job
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from cronsched._cronsched import Event
from cronsched.ledger import Executing, Ledger, LedgerError
from cronsched.scheduler.about import About

__all__ = ['MOST_COUNTED', 'Recording', 'counted']

T = TypeVar('T')

# Missed runs; the native side counts no further and says -1.
MOST_COUNTED: Final = 100_000


class Recording:
    """See the module. `write` does it now, or when the ledger can be used."""

    def __init__(self, write: Callable[[Callable[[], object]], None]) -> None:
        self._write = write

    def executing(self, about: About) -> list[Executing]:
        """The other runs of the job that are executed now."""
        run = about.run
        found = self.ask(about, lambda ledger: ledger.executing(run.application_id)) or []
        return [each for each in found if each.run.job == run.job and each.run != run]

    def ask(self, about: About, question: Callable[[Ledger], T]) -> T | None:
        """None where the ledger cannot be used, which is said elsewhere."""
        ledger = about.app.site.ledger
        if ledger is None:
            return None
        try:
            return question(ledger)
        except LedgerError:
            return None

    def record(self, about: About) -> Executing | None:
        """To the ledger; it keeps what the view has written. Who executes the
        run still, as far as is known now."""
        site, event = about.app.site, about.event
        answers: list[Executing | None] = []
        if site.ledger is None:
            return None
        write = partial(
            site.ledger.record,
            about.run,
            event.outcome or 'missed',
            at=event.at,
            attempt=max(event.attempt, 1),
            until=event.until if event.kind == 'missed' else None,
            count=counted(event),
            status=event.status or None,
            detail=event.detail,
            retry_at=event.retry_at or None,
            attempts_left=_attempts_left(about),
        )
        self._write(lambda: answers.append(write()))
        return answers[0] if answers else None


def _attempts_left(about: About) -> int:
    event, index = about.event, about.app.index_of(about.job.name)
    if not event.retry_at or index is None:
        return 0
    return max(about.app.policy(index).retries + 1 - event.attempt, 0)


def counted(event: Event) -> int:
    return MOST_COUNTED + 1 if event.count < 0 else max(event.count, 1)
