"""What surrounds a job while it executes.

Example::

    with Around(executed) as around:
        around.error = call(function)      # or it raises
    # sentry's scope, a span, structlog's variables: all closed again

Nothing is imported for it: who uses Sentry, OpenTelemetry or structlog has
imported them. What they raise does not touch the job.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final, Protocol, Self

from cronsched.telemetry.executed import Executed

__all__ = ['Around']

log = logging.getLogger('cronsched.telemetry')


class Part(Protocol):
    """Open when it is made."""

    def close(self, error: BaseException | None) -> None: ...


def _sentry(executed: Executed) -> Part | None:
    from cronsched.telemetry.sentry import Scope, sdk

    return Scope(executed.said) if sdk().get_client().is_active() else None


def _opentelemetry(executed: Executed) -> Part:
    from cronsched.telemetry.opentelemetry import Span

    return Span(executed)


class _Structlog:
    """Every line that the job writes names it."""

    def __init__(self, executed: Executed) -> None:
        from structlog import contextvars

        said = executed.said
        self._tokens = contextvars.bind_contextvars(
            **{name: said[name] for name in ('cron_job', 'cron_run') if name in said})

    def close(self, error: BaseException | None) -> None:
        from structlog import contextvars

        contextvars.reset_contextvars(**self._tokens)


# By the module that whoever uses it has imported.
PARTS: Final[Mapping[str, Callable[[Executed], Part | None]]] = {
    'sentry_sdk': _sentry,
    'opentelemetry.trace': _opentelemetry,
    'structlog.contextvars': _Structlog,
}

# Those whose failure was told.
_failed: set[str] = set()


class Around:
    """See the module. `error`: what the job raised, where that does not leave
    the block. None of `executed`: nobody is told."""

    __slots__ = ('_executed', '_open', 'error')

    def __init__(self, executed: Executed | None) -> None:
        self._executed = executed
        self._open: list[tuple[str, Part]] = []
        self.error: BaseException | None = None

    @staticmethod
    def is_wanted() -> bool:
        return any(name in sys.modules for name in PARTS)

    def __enter__(self) -> Self:
        if self._executed is not None:
            for name, make in PARTS.items():
                if name in sys.modules:
                    self._enter(name, make, self._executed)
        return self

    def _enter(
        self, name: str, make: Callable[[Executed], Part | None], executed: Executed,
    ) -> None:
        try:
            part = make(executed)
        except Exception:
            return _complain(name)
        if part is not None:
            self._open.append((name, part))

    def __exit__(
        self, kind: object, error: BaseException | None, traceback: TracebackType | None,
    ) -> None:
        while self._open:
            name, part = self._open.pop()
            try:
                part.close(error or self.error)
            except Exception:
                _complain(name)


def _complain(name: str) -> None:
    if name not in _failed:
        _failed.add(name)
        log.warning('%s could not be told of a job, and is not complained of again', name,
                    exc_info=True)
