"""What each process has in flight, of what it may have at once: the runs of its
application ids that execute, and whose request it still waits for.

Example::

    in_flight(view.ledger, view.ledger.executing())
    # [{'host': 'web1', 'pid': 12, 'runs': 3, 'at_most': 32, ...}]

A request that no worker has begun has no claim, so the ledger knows nothing of
it, and here it is not counted.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

from cronsched.ledger import Executing, Ledger, Owner, Wanted

__all__ = ['in_flight']

MOST_PROCESSES: Final = 20


def in_flight(ledger: Ledger, executing: Iterable[Executing]) -> list[dict[str, Any]]:
    """For each process that calls jobs, the fullest first."""
    owned: dict[int, list[Owner]] = defaultdict(list)
    waits: dict[int, list[Executing]] = defaultdict(list)
    owners = ledger.owners()
    for owner in owners.values():
        if owner.alive:
            owned[owner.member].append(owner)
    for each in executing:
        if each.gave_up is None and each.run.application_id in owners:
            waits[owners[each.run.application_id].member].append(each)
    fullest = sorted(owned, key=lambda member: (-len(waits[member]), member))
    return [
        _process(ledger, owned[member], waits[member]) for member in fullest[:MOST_PROCESSES]
    ]


def _process(
    ledger: Ledger, owned: list[Owner], waits: list[Executing],
) -> dict[str, Any]:
    options = _options(ledger, owned[0])
    return {
        'host': owned[0].host, 'pid': owned[0].pid, 'applications': len(owned),
        'runs': len(waits), 'at_most': _limit(options, 'max_concurrency'),
        'at_most_of_one': _limit(options, 'max_per_application'),
        'since': min((each.started for each in waits), default=None),
    }


def _options(ledger: Ledger, owner: Owner) -> Any:
    """As a job of it was declared; a process has one limit for all."""
    found, _ = ledger.find_jobs(Wanted(application_id=owner.application_id, limit=1))
    try:
        return json.loads(found[0].known.options or '{}') if found else {}
    except ValueError:
        return {}    # of another version


def _limit(options: Any, name: str) -> int | None:
    """None where it is not written: by an older version."""
    said = options.get(name) if isinstance(options, dict) else None
    return said[0] if isinstance(said, list) and said and isinstance(said[0], int) else None
