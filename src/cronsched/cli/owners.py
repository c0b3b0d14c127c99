"""Who makes the calls of application ids, in sentences.

Example::

    owners = Owners(ledger, Zones(ledger.jobs()), time.time())
    owners.alive('org/zug')
    owners.sentences(['org/zug', 'org/bern'], terminal)
    # org/bern and org/zug: process 4121 on web1 since 14:40:02, at http://127.0.0.1:8000
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import Any, Final

from cronsched.base.text import printable
from cronsched.cli.terminal import Terminal
from cronsched.cli.times import clock_text
from cronsched.cli.zones import Zones
from cronsched.ledger import Ledger, Owner

__all__ = ['Owners']

MOST_NAMED: Final = 3   # application ids in one sentence


class Owners:
    """See the module. What the ledger knows at the moment it is made."""

    def __init__(self, ledger: Ledger, zones: Zones, now: float) -> None:
        self._zones = zones
        self._owners = dict(ledger.owners())
        self._seen = {each.application_id: each.seen for each in ledger.applications()}
        self._now = now

    def alive(self, application_id: str) -> bool:
        owner = self._owners.get(application_id)
        return owner is not None and owner.alive

    def data(self, application_id: str) -> dict[str, Any] | None:
        """For JSON; None where nobody makes the calls."""
        owner = self._owners.get(application_id)
        if owner is None or not owner.alive:
            return None
        return {'pid': owner.pid, 'host': owner.host, 'since': owner.since,
                'address': owner.address, 'code': owner.code_root}

    def nobody(self, application_id: str) -> str:
        """Why an application id is not run, from what is known."""
        owner = self._owners.get(application_id)
        if owner is not None:
            return (f'no process runs it: process {owner.pid} on {printable(owner.host)}, '
                    f'which ran it since {self._clock(owner.since, application_id)}, has ended')
        seen = self._seen.get(application_id)
        return 'no process runs it' + (
            '' if seen is None else
            f'; it was last started at {self._clock(seen, application_id)}')

    def sentences(self, application_ids: Collection[str], terminal: Terminal) -> Iterator[str]:
        """One for each process, and for each application id without one."""
        of_process: dict[tuple[int, str, str, int], list[Owner]] = defaultdict(list)
        for application_id in application_ids:
            owner = self._owners.get(application_id)
            if owner is None or not owner.alive:
                yield (f'{terminal.name(application_id)}: '
                       f'{terminal.bad(self.nobody(application_id))}')
            else:
                key = owner.member, owner.host, owner.address, owner.pid
                of_process[key].append(owner)
        for (_, host, address, pid), owned in of_process.items():
            first = min(owned, key=lambda each: each.since)
            since = self._clock(first.since, first.application_id)
            yield (f'{_names(owned, terminal)}: process {pid} on {printable(host)} since '
                   f'{since}, at {printable(address)}')

    def _clock(self, at: float, application_id: str) -> str:
        return clock_text(at, self._zones.of_application(application_id), self._now)


def _names(owned: list[Owner], terminal: Terminal) -> str:
    names = [terminal.name(each.application_id) for each in owned[:MOST_NAMED]]
    more = len(owned) - len(names)
    if more:
        names.append(f'{more} more')
    return ' and '.join([*([', '.join(names[:-1])] if names[1:] else []), names[-1]])
