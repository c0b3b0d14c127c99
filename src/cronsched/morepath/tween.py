"""The tween around everything: it starts the jobs when the first visitors
were answered, and settles the runs.

Example::

    @CronApp.tween_factory(over=excview_tween_factory)
    def cronjob_tween_factory(app, handler):
        return make_tween(app, handler, begin)
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final

from cronsched.jobs.registry import here, jobs_of
from cronsched.web.execution import attend

__all__ = ['make_tween']

# In the path of every job.
JOBS: Final = '/cronjobs/'

# Of a class that was not found by its mounts.
UNKNOWN: Final = SimpleNamespace(cronjob_threads={})


def make_tween(
    app: Any, handler: Callable[[Any], Any], begin: Callable[[Any], None]
) -> Callable[[Any], Any]:
    """Calls `begin` with the first requests of an application, when they were
    handled: by then it is known which mounted application has answered. What
    all others pay is measured in nanoseconds; see bench/visitor.py."""
    registries = _registries(app)
    if not any(registries.values()):
        return handler
    own = registries[type(app)] or UNKNOWN

    def cronjob_tween(request: Any) -> Any:
        if JOBS in request.environ['PATH_INFO']:
            return run(request)
        response = None
        try:
            response = handler(request)
            return response
        finally:
            # `get`, as it is the only look-up that costs no call of Python's.
            if not (
                request.app is app
                and here[0]
                and own.cronjob_threads.get(app.application_id) is not None
            ):
                look(request, response)

    def look(request: Any, response: Any) -> None:
        found = request.app
        registry = registries.get(found.__class__, UNKNOWN)
        if registry is None or _is_missing(response):
            return
        if not here[0] or registry.cronjob_threads.get(found.application_id) is None:
            begin(request)

    def run(request: Any) -> Any:
        response = attend(request, handler)
        if not _is_missing(response):
            begin(request)
        return response

    return cronjob_tween


def _registries(app: Any) -> dict[type, Any]:
    """Of the application classes that may answer; None for one without jobs."""
    registries: dict[type, Any] = {}
    for each in type(app).mounted_app_classes():
        registry = getattr(each.config, 'cronjob_registry', None)
        registries[each] = registry if jobs_of(registry) else None
    return registries


def _is_missing(response: Any) -> bool:
    """A visitor may ask for any path; where there is nothing, none begins."""
    return response is not None and response.status_code == 404
