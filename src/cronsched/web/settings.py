"""The settings of an application, and what its environment says instead.

Example::

    read({'base_url': 'http://127.0.0.1:8080', 'retries': 2})
    # CRONSCHED_BASE_URL=http://127.0.0.1:9000 in the environment wins

Staging and production may share their code: what differs is in `CRONSCHED_`
and BASE_URL, APPLICATION_ID, ENABLED, STATE_DIRECTORY or LEDGER.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, Final

from cronsched.errors import ConfigurationError
from cronsched.jobs.settings import Settings

__all__ = ['from_environment', 'read']

TEXTS: Final = ('base_url', 'state_directory', 'ledger')
FLAGS: Final = {
    **dict.fromkeys(('1', 'true', 'yes', 'on'), True),
    **dict.fromkeys(('0', 'false', 'no', 'off'), False),
}


def read(given: Mapping[str, Any], prefix: str = '') -> Settings:
    """The settings `given`, under those of the environment. `prefix` is how
    the framework's users write a setting. Raises `ConfigurationError`."""
    try:
        settings = Settings.read(SimpleNamespace(**{**given, **_overrides()}))
        settings.check_together()
        return settings
    except ConfigurationError as error:
        raise ConfigurationError(
            str(error).replace('cronjobs.', prefix), field=error.field
        ) from error


def from_environment(name: str) -> str | None:
    """The value of `CRONSCHED_<NAME>`; None if it is not set."""
    return os.environ.get(f'CRONSCHED_{name.upper()}') or None


def _overrides() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in TEXTS:
        value = from_environment(name)
        if value is not None:
            found[name] = value
    enabled = from_environment('enabled')
    if enabled is not None:
        found['enabled'] = FLAGS.get(enabled.lower(), enabled)
    return found
