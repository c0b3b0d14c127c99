"""Who calls and who executes: the processes of all machines, what is executed at
this moment and since when, and what is paused.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from cronsched.dashboard.view import Page, View, only_timezone
from cronsched.ledger import Executing, Member, Owner
from cronsched.report.overview import executing_data

__all__ = ['page']

MOST_NAMED: Final = 20
MOST_PROCESSES: Final = 200
MOST_EXECUTING: Final = 500


def page(view: View) -> Page:
    owners = view.ledger.owners()
    applications = view.ledger.applications()
    executing = view.ledger.executing()
    return Page('machines.html', {
        'timezone': only_timezone(view.ledger),
        'processes': _processes(view.ledger.members(), owners, executing),
        'unowned': [
            {'application_id': each.application_id, 'address': each.base_url,
             'seen': each.seen, 'owner': _died(owners.get(each.application_id))}
            for each in applications
            if each.application_id not in owners or not owners[each.application_id].alive
        ],
        'executing': [
            {'application_id': each.run.application_id, 'job': each.run.job,
             'deadline': each.deadline, **executing_data(each, view.now)}
            for each in executing[:MOST_EXECUTING]
        ],
        'executing_in_all': len(executing),
        'pauses': [
            {'application_id': each.application_id, 'job': each.job, 'note': each.note,
             'at': each.at, 'by': each.by}
            for each in view.ledger.pauses()
        ],
    })


def _processes(
    members: Iterable[Member], owners: Mapping[str, Owner], executing: Iterable[Executing],
) -> list[dict[str, Any]]:
    """One line for each that is not known to be dead, with what it owns."""
    owned: dict[int, list[Owner]] = defaultdict(list)
    for owner in owners.values():
        owned[owner.member].append(owner)
    busy = Counter(each.member for each in executing)
    living = [each for each in members if each.alive is not False]
    return [
        {
            'host': each.host, 'pid': each.pid, 'machine': each.machine, 'since': each.since,
            'alive': each.alive, 'beat': each.beat, 'clock': each.offset,
            'applications': len(owned[each.id]), 'executing': busy[each.id],
            'addresses': sorted({one.address for one in owned[each.id]})[:MOST_NAMED],
            'code_roots': sorted({one.code_root for one in owned[each.id]})[:MOST_NAMED],
        }
        for each in sorted(living, key=lambda each: (each.host, each.pid))[:MOST_PROCESSES]
    ]


def _died(owner: Owner | None) -> dict[str, Any] | None:
    return None if owner is None else {
        'host': owner.host, 'pid': owner.pid, 'since': owner.since}
