"""An expression that somebody has written, and where.

Example::

    Written('crontab:3', '0 8 * * *').schedule()    # or a CronError
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cronsched.errors import ConfigurationError, CronError
from cronsched.schedule import Schedule, expression_of

__all__ = ['ODD', 'Written', 'reason_of']

# What reading a source of others may raise beside what is meant for it:
# nesting without end, a set of lists, a number of a million digits.
ODD = (RecursionError, MemoryError, TypeError, ValueError, ArithmeticError)


@dataclass(frozen=True, slots=True)
class Written:
    """An expression and its place. `unread` says why it is not looked at,
    `error` what is wrong at the place itself."""

    place: str
    expression: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    timezone: str = 'UTC'
    seed: str = 'check'
    unread: str | None = None
    error: CronError | None = None

    def schedule(self) -> Schedule:
        """Raises a `CronError` when it is wrong."""
        if self.error is not None:
            raise self.error
        try:
            expression = self.expression
            if expression is None:
                expression = expression_of(**self.fields)
            return Schedule(expression, self.timezone, seed=self.seed)
        except CronError:
            raise
        except ODD as error:
            raise ConfigurationError(f'cannot be read: {error}') from error


def reason_of(error: Exception) -> str:
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return text or 'it is nested too deeply'
