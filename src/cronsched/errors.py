"""What can go wrong, as exceptions that carry data.

Example::

    try:
        Schedule('60 * * * *')
    except ExpressionError as error:
        error.field, error.position, error.hint   # 'minute', 0, 'use 0-59'

All of them are a `CronError`, which is a `ValueError` and a `RuntimeError`:
callers of the original caught the latter, newer callers the former.
"""

from __future__ import annotations

from cronsched._cronsched import CronError, ExpressionError, SchedulerError, ZoneError

__all__ = [
    'ConfigurationError',
    'CronError',
    'CronWarning',
    'DuplicateJobError',
    'ExpressionError',
    'OptionError',
    'SchedulerError',
    'ZoneError',
]


class OptionError(CronError):
    """An option of a job that is unknown or out of range; `field` names it."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class DuplicateJobError(CronError):
    """Two functions of one name; the first would silently be replaced."""


class CronWarning(UserWarning):
    """An expression that may not mean what its author thinks; see `lint`."""


class ConfigurationError(CronError):
    """A setting that is missing or wrong; `field` names it."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field
