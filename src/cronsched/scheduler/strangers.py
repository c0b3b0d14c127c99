"""Finds an owner of an application id that uses another ledger.

Example::

    strangers.look()     # each minute

Two processes that share the leases and not the ledger do not see what the
other executes. That happens when the state directory is removed while it is in
use: a process that starts then makes a new ledger and a new secret, while the
others go on with the old ones.
"""

from __future__ import annotations

from typing import Final

from cronsched.base import clock
from cronsched.base.text import printable
from cronsched.scheduler.bound import BoundApplication
from cronsched.scheduler.ownership import Ownership
from cronsched.scheduler.safe_log import alarm
from cronsched.scheduler.state import State
from cronsched.telemetry.fields import fields

__all__ = ['Strangers']

# A new owner writes that it is within seconds.
PATIENCE: Final = 30.0
MOST_ASKED: Final = 100


class Strangers:
    """See the module."""

    def __init__(self, state: State, ownership: Ownership) -> None:
        self._state = state
        self._ownership = ownership
        self._told: set[str] = set()
        self._doubted: set[str] = set()

    def look(self) -> None:
        doubted = set()
        for app in self._on_standby()[:MOST_ASKED]:
            assert app.site.ledger is not None
            owner = app.site.ledger.owners([app.application_id]).get(app.application_id)
            if owner is None or not owner.alive:
                doubted.add(app.application_id)
                if app.application_id in self._doubted:   # once, it may be a takeover
                    self._tell(app)
        self._doubted = doubted

    def _on_standby(self) -> list[BoundApplication]:
        owned = self._state.native.owned()
        before = clock.now() - PATIENCE
        return [
            app for handle, app in list(self._state.apps.items())
            if handle not in owned and app.site.ledger is not None and app.is_alive()
            and app.planned_from < before and app.application_id not in self._told
        ]

    def _tell(self, app: BoundApplication) -> None:
        self._told.add(app.application_id)
        alarm(
            'Another process calls the cronjobs of %s, but the ledger here does not know it: '
            'either the ledger was removed and made anew while that process uses the old one, or '
            'that process names another ledger, or it runs an earlier version. Stop all '
            'processes of the application, then start them',
            printable(app.application_id), extra=fields(app.application_id))
