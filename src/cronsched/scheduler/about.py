"""What an event of the native thread is about, and how it is told outside.

Example::

    about = About(state, event)
    say(logging.INFO, 'Executing %s', about.title, extra=about.fields())
    about.tell('sent')
"""

from __future__ import annotations

from typing import Any

from cronsched._cronsched import Event
from cronsched.base.text import printable
from cronsched.ledger import Run
from cronsched.scheduler import words
from cronsched.scheduler.state import State
from cronsched.telemetry.events import Kind
from cronsched.telemetry.fields import fields

__all__ = ['About']


class About:
    """See the module."""

    __slots__ = ('_telling', 'app', 'event', 'job', 'run')

    def __init__(self, state: State, event: Event) -> None:
        self.event = event
        self.app = state.apps[event.app]
        self.job = state.jobs[event.job]
        self.run = Run(self.app.application_id, self.job.name, event.scheduled)
        self._telling = state.telling

    @property
    def title(self) -> str:
        return words.title(self.app, self.job, self.event.due)

    @property
    def is_told(self) -> bool:
        """Whether the end of the run was told before."""
        return self._telling.is_told(self.app, self.job, self.event.scheduled)

    def fields(self, outcome: str | None = None) -> dict[str, Any]:
        """Of the line that tells it."""
        event, ended = self.event, self.event.kind in ('ended', 'retry')
        return fields(
            self.run.application_id, self.run.job, self.run.scheduled, due=event.due,
            attempt=event.attempt, outcome=outcome or event.outcome,
            took=event.took if ended else None,
            lateness=max(event.at - event.due, 0.0) if event.kind == 'started' else None)

    def tell(self, kind: Kind, outcome: str | None = None, **said: Any) -> None:
        event, error = self.event, self.event.detail
        outcome = outcome or event.outcome
        if kind == 'sent':
            said['lateness'] = max(event.at - event.due, 0.0)
        elif event.kind == 'ended':
            said.setdefault('took', event.took)
        self._telling.tell(
            kind, self.app, self.job, event.scheduled, due=event.due, at=event.at,
            attempt=event.attempt, outcome=outcome, status=event.status or None,
            error=None if outcome == 'ok' or not error else printable(error, 1024), **said)
