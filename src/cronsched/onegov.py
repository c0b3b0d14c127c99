"""The original's names, for OneGov's Framework.

Example, in `onegov/core/framework.py`::

    from cronsched.onegov import CronjobAction, CronjobDirective

    class Framework(...):
        cronjob = directive(CronjobDirective)
        _cronjob = directive(CronjobAction)

and the whole of `onegov/core/cronjobs.py`::

    from onegov.core.framework import Framework
    from onegov.core.security import Public
    from cronsched.onegov import *

    mount(Framework, permission=Public, logger=log)

The directives are in the class itself, so that a module may declare its jobs
before `onegov.core.cronjobs` is imported, or without it.

`mount` works with any `morepath.App` that has `application_id`, `sign(text,
salt)` and `unsign(text, salt)`. As in the original, jobs are called by GET at
the address of the first request (OneGov's server has checked its host). Only
signed requests are answered, but in tests; see `mount`.
"""

from __future__ import annotations

import logging
import re
import sys
from functools import partial
from typing import Any, Final

from cronsched._cronsched import parse_cron
from cronsched.base.extras import requires
from cronsched.base.logs import Hearing

with requires('morepath'):
    import dectate
    import morepath
    from morepath.core import excview_tween_factory

from cronsched.morepath.bound import ApplicationBoundCronjobs
from cronsched.morepath.decorator import cronjob_directive
from cronsched.morepath.directives import (
    CronjobAction,
    CronjobDirective,
    find_job,
    is_enabled,
    respond,
    start,
)
from cronsched.morepath.job import Job, register_cronjob
from cronsched.morepath.mounted import site_of_app
from cronsched.morepath.tween import make_tween
from cronsched.scheduler.reporter import CRONJOB_MAX_DURATION
from cronsched.scheduler.site import Site
from cronsched.web.facts import is_test
from cronsched.web.receive import CronRun

__all__ = [
    'CRONJOB_FORMAT',
    'CRONJOB_MAX_DURATION',
    'ApplicationBoundCronjobs',
    'CronRun',
    'CronjobAction',
    'CronjobDirective',
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


def mount(
    framework: Any,
    *,
    permission: Any = None,
    strict: bool | None = None,
    logger: logging.Logger | None = None,
) -> None:
    """Give `framework` the path and view of a job, the tween that starts the
    jobs of each application id, and the directive `cronjob` if it has none.

    strict: False answers whoever knows the address of a job, as the original
        did; the run is claimed like any other. None: in tests only.
    logger: where to log, instead of the logger 'cronsched'.
    """
    hear = Hearing(logger)
    hear()
    framework.cronjob = cronjob_directive()
    if _factory_of(framework, '_cronjob') is not CronjobAction:
        framework._cronjob = dectate.directive(CronjobAction)
    framework.cronjob_site = property(lambda app: _site_of(app, strict))
    framework.path(model=Job, path='/cronjobs/{id}')(get_job)
    framework.view(model=Job, permission=permission)(run_job)
    framework.tween_factory(over=_outermost(framework))(partial(_make_tween, hear))


def _factory_of(framework: Any, name: str) -> Any:
    return getattr(getattr(framework, name, None), 'action_factory', None)


def _site_of(app: Any, strict: bool | None) -> Site:
    return site_of_app(app, 'GET', not is_test() if strict is None else strict)


def _make_tween(hear: Hearing, app: Any, handler: Any) -> Any:
    def begin(request: Any) -> None:
        hear()
        if is_enabled(app):
            start(request.app, lambda: request)

    return make_tween(app, handler, begin)


def _outermost(framework: Any) -> Any:
    """A transaction that repeats a request is to repeat its run, and the run
    ends with the transaction; so the tween goes around it."""
    transaction = sys.modules.get('more.transaction.main')
    if transaction is not None and issubclass(framework, transaction.TransactionApp):
        return transaction.transaction_tween_factory
    return excview_tween_factory
