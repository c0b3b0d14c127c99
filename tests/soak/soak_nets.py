"""Takes away what keeps a run from being executed twice, or from being
forgotten. A proof that still finds nothing then proves nothing.

Example::

    take_away('claim')      # whoever asks for a run gets it
    take_away('catch_up')   # a new owner looks at nothing that was due before
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cronsched.ledger.sqlite import SQLiteLedger
from cronsched.scheduler.ownership import Ownership


def take_away(net: str) -> None:
    {'': lambda: None, 'claim': grant_all, 'catch_up': forget_all}[net]()


def grant_all() -> None:
    claim = SQLiteLedger.claim

    def granting(self: Any, *arguments: Any, **options: Any) -> Any:
        found = claim(self, *arguments, **options)
        return found if found.granted else replace(found, verdict='granted')

    SQLiteLedger.claim = granting   # type: ignore[method-assign]


def forget_all() -> None:
    Ownership.catch_up = lambda self: self.waiting.clear()   # type: ignore[method-assign]
