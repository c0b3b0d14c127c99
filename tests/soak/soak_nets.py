"""Takes away what keeps a run from being executed twice, or from being
forgotten. A proof that still finds nothing then proves nothing.

Example::

    take_away('claim')      # whoever asks for a run gets it
    take_away('catch_up')   # a new owner looks at nothing that was due before
    take_away('attempts')   # what the ledger keeps of a run is never sent
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cronsched.ledger.sqlite import SQLiteLedger
from cronsched.scheduler.housekeeping import Housekeeping
from cronsched.scheduler.ownership import Ownership


def take_away(net: str, put: Callable[[type, str, object], None] = setattr) -> None:
    """For good, or as long as `put` says."""
    match net:
        case 'claim':
            put(SQLiteLedger, 'claim', granting(SQLiteLedger.claim))
        case 'catch_up':
            put(Ownership, 'catch_up', lambda self: self.waiting.clear())
        case 'attempts':
            put(Housekeeping, 'fire_attempts', lambda self: None)


def granting(claim: Callable[..., Any]) -> Callable[..., Any]:
    def granted(*arguments: Any, **options: Any) -> Any:
        return claim(*arguments, **options)._replace(verdict='granted')

    return granted
