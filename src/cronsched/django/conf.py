"""The setting `CRONSCHED`, and what the environment says instead.

Example, in settings.py::

    CRONSCHED = {'PUBLIC_URL': 'https://shop.example', 'RETRIES': 2}

The names are those of `cronsched.jobs.settings`, in capitals, and three more:

    APPLICATION_ID  who the jobs run for; the root package of ROOT_URLCONF
    PREFIX          where the jobs are, '/cronjobs'; another one where our URLs
                    are included below a path
    TIMEZONE        of jobs that name none; TIME_ZONE
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from django.conf import settings as project

from cronsched.django.ledger import of_alias
from cronsched.errors import ConfigurationError
from cronsched.jobs.settings import NAMES, Settings
from cronsched.web import settings as web

__all__ = ['PREFIX', 'Configuration', 'configuration', 'forget', 'use']

OWN: Final = ('application_id', 'prefix', 'timezone')
PREFIX: Final = '/cronjobs'


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the project says."""

    application_id: str
    #: Nobody chose it.
    implicit_id: bool
    prefix: str
    timezone: Any
    settings: Settings


_read: Configuration | None = None


def configuration() -> Configuration:
    """Read once. Raises `ConfigurationError`."""
    global _read
    if _read is None:
        _read = _configuration(getattr(project, 'CRONSCHED', {}))
    return _read


def forget() -> None:
    """It is read anew: a test has changed the settings."""
    global _read
    _read = None


def use(given: Configuration) -> None:
    """Another one, for a test of the jobs."""
    global _read
    _read = given


def _configuration(given: Any) -> Configuration:
    if not isinstance(given, Mapping):
        raise ConfigurationError("CRONSCHED: write a dict, like {'RETRIES': 2}")
    written = {_lower(name): value for name, value in given.items()}
    own = {name: written.pop(name, None) for name in OWN}
    chosen = web.from_environment('application_id') or own['application_id']
    return Configuration(
        _application_id(chosen),
        chosen is None,
        _prefix(own['prefix']),
        own['timezone'] or project.TIME_ZONE,
        _settings(written),
    )


def _lower(name: Any) -> str:
    known = {each.upper(): each for each in (*NAMES, *OWN)}
    if name not in known:
        close = get_close_matches(str(name).upper(), known, n=1)
        hint = f'write {close[0]!r}' if close else f'there are {", ".join(known)}'
        raise ConfigurationError(f'CRONSCHED has no {name!r}: {hint}', field=str(name))
    return known[name]


def _settings(written: dict[str, Any]) -> Settings:
    try:
        if 'ledger' in written:
            written['ledger'] = of_alias(written['ledger'])
        if 'beat_url' in written:
            written['beat_url'] = of_alias(written['beat_url'], 'beat_url')
        return web.read(written, 'CRONSCHED.')
    except ConfigurationError as error:
        text, field = str(error).replace('cronjobs.', 'CRONSCHED.'), str(error.field)
        text = text.replace(f'CRONSCHED.{field}', f'CRONSCHED[{field.upper()!r}]')
        raise ConfigurationError(text, field=error.field) from error


def _application_id(chosen: Any) -> str:
    found = str(project.ROOT_URLCONF).partition('.')[0] if chosen is None else chosen
    if not isinstance(found, str) or not found or '\0' in found:
        raise ConfigurationError(
            f"CRONSCHED['APPLICATION_ID']={found!r}: write a text like 'shop'",
            field='application_id',
        )
    return found


def _prefix(given: Any) -> str:
    if given is None:
        return PREFIX
    if not isinstance(given, str) or not given.startswith('/') or not given.rstrip('/'):
        raise ConfigurationError(
            f"CRONSCHED['PREFIX']={given!r}: write a path like '/internal/cronjobs'",
            field='prefix',
        )
    return given.rstrip('/')
