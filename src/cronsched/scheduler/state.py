"""What the scheduler of a process holds, for its reporter and housekeeping.

Example::

    state.apps[event.app].application_id, state.jobs[event.job].name
"""

from __future__ import annotations

from cronsched._cronsched import Scheduler
from cronsched.base.locks import ReentrantLock
from cronsched.jobs.job import Job
from cronsched.scheduler.bound import BoundApplication
from cronsched.scheduler.telling import Telling

__all__ = ['State']


class State:
    """See the module."""

    def __init__(self, native: Scheduler) -> None:
        self.native = native
        #: The objects behind the handles in events.
        self.apps: dict[int, BoundApplication] = {}
        self.jobs: dict[int, Job] = {}
        #: Held while an application id and its calls are added.
        self.opening = ReentrantLock()
        #: Who hears of runs, outside of the ledger and the log.
        self.telling = Telling()
