"""Whether the server is still the one that heard of our claims.

Example::

    ledger.is_current(claim)
    seats = ledger.seats(place)     # says the claims again when it finds another

A standby that was promoted may have lost the latest claims: who was granted
them says them again, at once when it finds that the server is another one.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from cronsched.base.locks import Lock
from cronsched.ledger.postgres.again import Lately
from cronsched.ledger.postgres.attention import Attention
from cronsched.ledger.postgres.connections import Source
from cronsched.ledger.postgres.members import PostgresSeats
from cronsched.ledger.postgres.session import Session
from cronsched.ledger.postgres.writing import Writing
from cronsched.ledger.values import Claim, LedgerError

__all__ = ['Lineage']

CURRENT: Final = (
    'SELECT EXISTS (SELECT FROM cronsched.jobs AS j JOIN cronsched.runs AS r ON r.job_id = j.id '
    'WHERE j.application_id = %s AND j.job = %s AND r.scheduled = %s AND r.fence = %s '
    "AND r.state = 'running')")


class Lineage(Writing):
    """See the module."""

    def __init__(self, session: Session, *, looking: bool) -> None:
        super().__init__(session, looking=looking)
        self._lately = Lately()
        self._lineage: int | None = None
        self._heeding = Lock()
        self._attention = Attention(self._attend)

    def is_current(self, claim: Claim) -> bool:
        self._look_at_lineage()
        if self._heeding.acquire(timeout=self._session.patience):
            self._heeding.release()     # another thread may be at it
        run = claim.run
        return bool(self._session.ask(
            CURRENT, (run.application_id, run.job, run.scheduled, claim.fence))[0][0])

    def seats(self, place: str, source: Any = None) -> PostgresSeats:
        way = self._session.source if source is None else Source(source)
        return PostgresSeats(self._session, place, self._say_again, way)

    def _say_again(self, session: Session) -> int:
        """How many were lost. There may be thousands that were not."""
        return sum(int(session.ask('SELECT cronsched.say_again_v1(%s::jsonb)', (claims,))[0][0])
                   for claims in self._lately.as_json())

    def _heed(self, lineage: int) -> None:
        """The server may be another than before; whoever executes says its
        claims again, be it a member or not. One thread does it for all."""
        if self._lineage == lineage or not self._heeding.acquire(timeout=0.0):
            return
        try:
            # Also at first: it may be another since the first claim.
            self._say_again(self._session)
            self._lineage = lineage
        finally:
            self._heeding.release()

    def _look_at_lineage(self) -> None:
        self._heed(self._session.ask('SELECT cronsched.timeline_v1()')[0][0])

    def _attend(self) -> bool:
        with suppress(LedgerError):   # it is asked again in a second
            self._look_at_lineage()
        return self._lately.any()
