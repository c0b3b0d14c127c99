"""An application lent to a test: its jobs as they are, its state elsewhere.

Example::

    with isolated(app):
        site_of(app).ledger         # one of its own, gone at the end
    found, request = reach(app, '/towns/zug')

Secret, ledger and leases of the application are not touched, and what was
started before is started again, in the test's scheduler.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from morepath.publish import resolve_model

from cronsched.errors import SchedulerError
from cronsched.morepath.blank import blank_at
from cronsched.scheduler.site import forget_ledger
from cronsched.testing.target import ANYWHERE, lend_all, settings_for

__all__ = ['base_of', 'isolated', 'reach', 'registries_of']


class StartsNothing(dict[str, Any]):
    """In place of what was started: a request finds everything started."""

    def __contains__(self, application_id: object) -> bool:
        return True


def registries_of(app: Any) -> list[Any]:
    """Of the application and of those that are mounted in it."""
    if not app.is_committed():
        type(app).commit()
    found = (
        getattr(each.config, 'cronjob_registry', None)
        for each in type(app).mounted_app_classes()
    )
    return [registry for registry in found if hasattr(registry, 'settings')]


def isolated(app: Any) -> AbstractContextManager[None]:
    """See the module. Nothing changes where it is already. Raises
    `SchedulerError` when the real scheduler calls its jobs."""
    return lend_all(registries_of(app), _lend)


@contextmanager
def _lend(registry: Any, directory: str) -> Iterator[None]:
    for bound in getattr(registry, 'cronjob_threads', {}).values():
        if bound.is_alive():
            raise SchedulerError(
                f'the cronjobs of {bound.application_id} are called by the real scheduler: '
                'write the setting cronjobs.enabled = False for tests'
            )
    before = dict(vars(registry))
    registry.settings = settings = settings_for(registry.settings, directory)
    vars(registry).pop('sites', None)
    registry.cronjob_threads = StartsNothing()
    try:
        yield
    finally:
        forget_ledger(settings)
        vars(registry).clear()
        vars(registry).update(before)


def base_of(app: Any) -> str:
    """Where the root application is reached: its addresses, and with them the
    offsets of its jobs, are those it has in production if that is known."""
    for registry in registries_of(app):
        if registry.settings.base_url is not None:
            return str(registry.settings.base_url).rstrip('/')
    return ANYWHERE


def reach(app: Any, path: str) -> tuple[Any, Any]:
    """The application mounted at `path`, and a request that links to it."""
    path = path.rstrip('/')
    request = app.request(blank_at(base_of(app), f'{path}/cronjobs/-').environ)
    if path:
        resolve_model(request)   # finds no job, but who would have it
    return request.app, request
