"""What an application has from those that it is mounted in.

Example::

    site_of_app(app, method='POST', strict=True)

A setting that an application class does not write itself is that of the one
it is mounted in, and so on to the outermost: one ledger and one secret for
all, unless somebody says otherwise. Jobs run where each of them is enabled.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from cronsched.jobs.settings import Settings
from cronsched.scheduler.site import Site, ledger_of, secrets_of
from cronsched.web import facts

__all__ = ['enabled_of', 'is_enabled', 'settings_of', 'site_of_app']


def settings_of(app: Any) -> Settings:
    """Those of the application, over those of the ones it is mounted in."""
    own: Settings = app.config.cronjob_registry.settings
    for outer in _outside(app):
        own = own.under(outer.config.cronjob_registry.settings)
    return own


def site_of_app(app: Any, method: Literal['POST', 'GET'], strict: bool) -> Site:
    """One for each application class, in each class that it is mounted in."""
    registry = app.config.cronjob_registry
    sites: dict[tuple[Any, ...], Site] = vars(registry).setdefault('sites', {})
    key = tuple(type(outer) for outer in _outside(app))
    site = sites.get(key)
    if site is None:
        settings = settings_of(app)
        ledger = ledger_of(settings)
        # Who accepts unsigned requests and keeps no record needs no secret.
        secrets = secrets_of(settings) if strict or ledger or settings.secret else ()
        # Whoever else made one meanwhile made an equal one.
        site = sites.setdefault(key, Site(settings, secrets, ledger, method, strict))
    return site


def is_enabled(app: Any) -> bool:
    """Whether nobody has switched it off; see `enabled_of`."""
    return bool(enabled_of(app))


def enabled_of(app: Any) -> facts.Enabled:
    """As the settings say now, here and outside: a test may switch it off
    after the commit. False anywhere is False; then the nearest counts."""
    said = [_enabled_of(each) for each in (app, *_outside(app, jobs=False))]
    if False in said:
        return False
    return next((each for each in said if each != 'auto'), 'auto')


def _enabled_of(app: Any) -> facts.Enabled:
    section = getattr(getattr(app, 'settings', None), 'cronjobs', None)
    found: facts.Enabled = getattr(section, 'enabled', 'auto')
    return found


def _outside(app: Any, *, jobs: bool = True) -> Iterator[Any]:
    """Those that it is mounted in, the nearest first; with `jobs` only those
    that know the directive."""
    outer = getattr(app, 'parent', None)
    while outer is not None:
        if not jobs or hasattr(getattr(outer.config, 'cronjob_registry', None), 'settings'):
            yield outer
        outer = outer.parent
