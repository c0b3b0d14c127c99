"""Two deployments never share an application id that nobody chose.

Example::

    check(bound)      # raises SchedulerError: shop is run from /srv/a ... by pid 12

An id that comes from the name of a class or a module is the same in two
projects, or in staging and production: one of them would get all runs. Another
address alone is another port of the same code, and another directory alone the
next release of it. Who chose an id may run it in two places (blue and green).
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable

from cronsched.base.text import printable
from cronsched.errors import SchedulerError
from cronsched.jobs.job import Job
from cronsched.scheduler.bound import BoundApplication

__all__ = ['check', 'code_root']


def check(bound: BoundApplication) -> None:
    """Raise `SchedulerError` if a living process runs this application id from
    another directory and at another address, and `LedgerError` if nobody can
    say."""
    ledger = bound.site.ledger
    if ledger is None:
        return
    owner = ledger.owners([bound.application_id]).get(bound.application_id)
    if owner is None or not owner.alive:
        return
    if owner.code_root != code_root(bound.registered) and owner.address != bound.base_url:
        raise SchedulerError(
            f'{printable(bound.application_id)} is run from {printable(owner.code_root)} at '
            f'{printable(owner.address)} by pid {owner.pid}: give one of the two another '
            'application id (CRONSCHED_APPLICATION_ID), or both the same by name'
        )


def code_root(jobs: Iterable[Job]) -> str:
    """The directory that all the code of these jobs is in; '' if there is none."""
    codes = (getattr(inspect.unwrap(job.function), '__code__', None) for job in jobs)
    files = {str(code.co_filename) for code in codes if code}
    try:
        return os.path.commonpath([os.path.dirname(os.path.abspath(each)) for each in files])
    except ValueError:
        return ''
