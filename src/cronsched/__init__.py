"""Cron for web applications: decorate a view, and it is called on time.

Example::

    class App(cronsched.morepath.CronApp):
        pass

    @App.cronjob(hour=8, minute=0, timezone='Europe/Zurich')
    def cleanup_stuff(request):
        ...

Importing starts no thread and opens no file.
"""

from __future__ import annotations

from cronsched._cronsched import Scheduler, parse_cron, seeded_offset
from cronsched._version import __version__
from cronsched.errors import (
    ConfigurationError,
    CronError,
    CronWarning,
    DuplicateJobError,
    ExpressionError,
    OptionError,
    SchedulerError,
    ZoneError,
)
from cronsched.schedule import Schedule

TYPE_CHECKING = False    # as in typing, which is slow to load
if TYPE_CHECKING:
    from typing import Any

    from cronsched.web.cron import Cron

__all__ = [
    'ConfigurationError',
    'Cron',
    'CronError',
    'CronWarning',
    'DuplicateJobError',
    'ExpressionError',
    'OptionError',
    'Schedule',
    'Scheduler',
    'SchedulerError',
    'ZoneError',
    '__version__',
    'parse_cron',
    'seeded_offset',
]


def __getattr__(name: str) -> Any:
    # Who only reads expressions need not load the web.
    if name == 'Cron':
        from cronsched.web.cron import Cron

        return Cron
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
