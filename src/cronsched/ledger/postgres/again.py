"""The claims that this process was granted lately, to be said again.

Example::

    lately = Lately()
    lately.granted(run, attempt, told)      # `told`: as the claim was asked
    lately.ended(run, attempt, 'ok', took=0.2)
    for text in lately.as_json():           # for `say_again_v1`
        ...

A standby that is promoted without having heard of the latest commits has lost
claims whose runs execute, or have executed. It grants nothing for a while
(`quiet_v1`), in which everybody says what it was granted.
"""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from typing import Any, Final

from cronsched.base import clock
from cronsched.base.locks import Lock
from cronsched.base.pieces import pieces
from cronsched.ledger.values import Run

__all__ = ['Lately']

#: How far behind a standby may be, in seconds; what executes is kept in any case.
KEPT: Final = 600.0
MOST: Final = 20_000

#: That are said at once: the database has them looked up in some 10 ms.
PIECE: Final = 1000

# Where they are in a claim; between them, how long it took and the detail.
OUTCOME: Final = 15
FENCE: Final = 18


class Lately:
    """See the module. For any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._claims: OrderedDict[tuple[Run, int], tuple[float, list[Any]]] = OrderedDict()

    def granted(self, run: Run, attempt: int, told: tuple[Any, ...]) -> None:
        """`told`: stamp, epoch, token, member, host, pid, thread, retries,
        backoff and timeout, as they were asked with, and the fence."""
        stamp, epoch, token, member, host, pid, thread, retries, backoff, timeout, fence = told
        claim = [
            run.application_id, run.job, run.scheduled, attempt, stamp, epoch, token, member,
            host, pid, thread, clock.now(), retries, backoff, timeout, None, None, None, fence]
        with self._lock:
            self._claims[run, attempt] = time.monotonic(), claim
            self._forget()

    def ended(
        self, run: Run, attempt: int, outcome: str, *, took: float, detail: str | None = None,
    ) -> None:
        with self._lock:
            if (run, attempt) in self._claims:
                _, claim = self._claims.pop((run, attempt))
                claim[OUTCOME:FENCE] = outcome, took, detail
                # As new: it is kept from its end on.
                self._claims[run, attempt] = time.monotonic(), claim

    def as_json(self) -> list[str]:
        """In pieces, the newest first: those may be what was lost."""
        with self._lock:
            self._forget()
            claims = [claim for _, claim in reversed(self._claims.values())]
        return [json.dumps(piece) for piece in pieces(claims, PIECE)]

    def any(self) -> bool:
        with self._lock:
            self._forget()
            return bool(self._claims)

    def clear(self) -> None:
        with self._lock:
            self._claims.clear()

    def _forget(self) -> None:
        before = time.monotonic() - KEPT
        while self._claims:
            key, (at, claim) = next(iter(self._claims.items()))
            executes = claim[OUTCOME] is None
            if (at >= before or executes) and len(self._claims) <= MOST:
                return
            del self._claims[key]
