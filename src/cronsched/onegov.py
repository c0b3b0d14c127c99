"""The original's names, for OneGov's Framework.

Example (the whole of `onegov/core/cronjobs.py`)::

    from onegov.core.framework import Framework
    from onegov.core.security import Public
    from cronsched.onegov import *

    mount(Framework, permission=Public)

`mount` works with any `morepath.App` that has `application_id`, `sign(text,
salt)` and `unsign(text, salt)`. As in the original, jobs are called by GET at
the address of the first request (OneGov's server has checked its host), and
a job's URL may be opened by whoever knows it; with `strict=True` only signed
requests are answered.
"""

from __future__ import annotations

import re
import sys
from typing import Any, Final

from cronsched._cronsched import parse_cron
from cronsched.base.extras import requires

with requires('morepath'):
    import dectate
    import morepath
    from morepath.core import excview_tween_factory

from cronsched.morepath.bound import ApplicationBoundCronjobs
from cronsched.morepath.decorator import cronjob_directive
from cronsched.morepath.directives import (
    CronjobAction,
    find_job,
    is_enabled,
    make_tween,
    respond,
    start,
)
from cronsched.morepath.job import Job, register_cronjob
from cronsched.morepath.mounted import site_of_app
from cronsched.scheduler.reporter import CRONJOB_MAX_DURATION
from cronsched.web.receive import CronRun

__all__ = [
    'CRONJOB_FORMAT',
    'CRONJOB_MAX_DURATION',
    'ApplicationBoundCronjobs',
    'CronRun',
    'Job',
    'get_job',
    'mount',
    'parse_cron',
    'register_cronjob',
    'run_job',
]

#: What the original took for an interval.
CRONJOB_FORMAT: Final = re.compile(r'\*/[0-9]+')


def get_job(app: Any, id: str) -> Job | None:
    """The job behind a path; nobody can guess its id."""
    return find_job(app, id)


def run_job(self: Job, request: Any) -> Any:
    """Executes the job."""
    return respond(self, request, morepath.Response())


def mount(framework: Any, *, permission: Any = None, strict: bool = False) -> None:
    """Give `framework` the directive `cronjob`, the path and view of a job,
    and the tween that starts the jobs of each application id."""
    framework.cronjob = cronjob_directive()
    framework._cronjob = dectate.directive(CronjobAction)
    framework.cronjob_site = property(lambda app: site_of_app(app, 'GET', strict))
    framework.path(model=Job, path='/cronjobs/{id}')(get_job)
    framework.view(model=Job, permission=permission)(run_job)
    framework.tween_factory(over=_outermost(framework))(_tween_factory)


def _tween_factory(app: Any, handler: Any) -> Any:
    def begin(request: Any) -> None:
        if is_enabled(app):
            start(request.app, lambda: request)

    return make_tween(handler, begin)


def _outermost(framework: Any) -> Any:
    """A transaction that repeats a request is to repeat its run, and the run
    ends with the transaction; so the tween goes around it."""
    transaction = sys.modules.get('more.transaction.main')
    if transaction is not None and issubclass(framework, transaction.TransactionApp):
        return transaction.transaction_tween_factory
    return excview_tween_factory
