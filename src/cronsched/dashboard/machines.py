"""Who calls and who executes: the processes that own application ids, what is
executed at this moment and since when, and what is paused.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

from cronsched.dashboard.view import Page, View
from cronsched.ledger import Owner
from cronsched.report.overview import executing_data

__all__ = ['page']

MOST_NAMED: Final = 20
MOST_EXECUTING: Final = 500


def page(view: View) -> Page:
    owners = view.ledger.owners()
    applications = view.ledger.applications()
    executing = view.ledger.executing()
    return Page('machines.html', {
        'processes': _processes(owners),
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


def _processes(owners: Mapping[str, Owner]) -> list[dict[str, Any]]:
    """One line for each that lives, with what it owns."""
    owned: dict[int, list[Owner]] = defaultdict(list)
    for owner in owners.values():
        if owner.alive:
            owned[owner.member].append(owner)
    return [
        {
            'host': ours[0].host, 'pid': ours[0].pid, 'machine': ours[0].machine,
            'since': min(each.since for each in ours),
            'addresses': sorted({each.address for each in ours})[:MOST_NAMED],
            'code_root': ours[0].code_root,
            'applications': len(ours),
            'named': sorted(each.application_id for each in ours)[:MOST_NAMED],
        }
        for ours in sorted(owned.values(), key=lambda each: (each[0].host, each[0].pid))
    ]


def _died(owner: Owner | None) -> dict[str, Any] | None:
    return None if owner is None else {
        'host': owner.host, 'pid': owner.pid, 'since': owner.since}
