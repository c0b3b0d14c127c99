"""Two deployments never share an application id that nobody chose.

Example::

    check(bound)      # raises SchedulerError: shop is run from /srv/a ... by pid 12

An id that comes from the name of a class or a module is the same in two
projects, or in staging and production: one of them would get all runs. Another
address alone is another port of the same code, and another directory alone the
next release of it. Who chose an id may run it in two places (blue and green).
"""

from __future__ import annotations

from cronsched.base.text import printable
from cronsched.errors import SchedulerError
from cronsched.scheduler.bound import BoundApplication
from cronsched.scheduler.takeover import code_root

__all__ = ['check']


def check(bound: BoundApplication) -> None:
    """Raise `SchedulerError` if a living process runs this application id from
    another directory and at another address, and `LedgerError` if that cannot
    be found out."""
    ledger = bound.site.ledger
    if ledger is None or not bound.implicit:
        return
    owner = ledger.owners([bound.application_id]).get(bound.application_id)
    if owner is None or not owner.alive:
        return
    if owner.code_root != code_root(bound.registered) and owner.address != bound.base_url:
        raise SchedulerError(
            f'{printable(bound.application_id)} is run from {printable(owner.code_root)} at '
            f'{printable(owner.address)} by pid {owner.pid}: give one of the two another '
            'application id (CRONSCHED_APPLICATION_ID), or both the same one explicitly'
        )
