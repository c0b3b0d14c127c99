"""The settings section `cronjobs` of an application.

Example::

    @App.setting(section='cronjobs', name='base_url')
    def base_url():
        return 'http://127.0.0.1:8080'

Every setting has a default, `Settings`, and an unknown name is an error that
says which was meant.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any, Final
from urllib.parse import urlsplit

from cronsched.errors import ConfigurationError, OptionError
from cronsched.jobs.options import OPTIONS, check

__all__ = ['NAMES', 'Settings']


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings, checked.

    enabled: False starts nothing; the paths of the jobs stay.
    base_url: where this application is reached, instead of the host of the
        first request; with it, nothing waits for a first request.
    allowed_hosts: hosts besides the loopback a first request may name.
    secret, previous_secret: sign the requests; both are accepted. None: the
        application's own, or one that is made and kept.
    state_directory, runtime_directory: of the ledger and of the leases.
    ledger: 'sqlite' for a file in the state directory, or a URL; None for no
        record of runs (then a run is only as unique as its owner).
    max_concurrency, max_per_application: requests in flight.
    history_days: how long ended runs are kept.
    options: what jobs leave out; see `cronsched.jobs.options`.
    """

    enabled: bool = True
    base_url: str | None = None
    allowed_hosts: Collection[str] = ()
    secret: str | None = field(default=None, repr=False)
    previous_secret: str | None = field(default=None, repr=False)
    state_directory: str | None = None
    runtime_directory: str | None = None
    ledger: str | None = 'sqlite'
    max_concurrency: int = 32
    max_per_application: int = 4
    history_days: float = 30.0
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, section: object) -> Settings:
        """From the attributes of a Morepath settings section; None is an
        empty one. Raises `ConfigurationError`."""
        given = dict(vars(section)) if section is not None else {}
        for name in given:
            if name not in NAMES:
                raise _unknown(name)
        try:
            options = check({name: given.pop(name) for name in OPTIONS if name in given})
        except OptionError as error:
            raise ConfigurationError(f'cronjobs.{error}', field=error.field) from error
        settings = cls(**given, options=options)
        settings._check()
        return settings

    def _check(self) -> None:
        _check_flag('enabled', self.enabled)
        _check_url(self.base_url)
        if isinstance(self.allowed_hosts, str):
            raise _wrong('allowed_hosts', self.allowed_hosts, 'a list of host names')
        for name in ('secret', 'previous_secret'):
            secret = getattr(self, name)
            if secret is not None and (not isinstance(secret, str) or not secret):
                # The value stays out of the message.
                raise ConfigurationError(
                    f'cronjobs.{name} is empty or no text: write a secret, or leave it out',
                    field=name,
                )
        if self.ledger is not None and not isinstance(self.ledger, str):
            raise _wrong('ledger', self.ledger, "'sqlite', 'sqlite:///path/of/file', or None")
        for name in ('max_concurrency', 'max_per_application'):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 10_000:
                raise _wrong(name, value, 'a whole number, 1 to 10000')
        if isinstance(self.history_days, bool) or not self.history_days > 0:
            raise _wrong('history_days', self.history_days, 'a number of days')


NAMES: Final = (*(each.name for each in fields(Settings) if each.name != 'options'), *OPTIONS)


def _check_flag(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise _wrong(name, value, 'True or False')


def _check_url(url: str | None) -> None:
    if url is None:
        return
    try:
        parts = urlsplit(url)
        right = (
            parts.scheme in ('http', 'https', 'http+unix')
            and bool(parts.netloc)
            and not parts.query
            and not parts.fragment
            and parts.username is None
        )
    except (ValueError, AttributeError):
        right = False
    if not right:
        raise _wrong('base_url', url, "a URL like 'http://127.0.0.1:8080'")


def _wrong(name: str, value: object, write: str) -> ConfigurationError:
    return ConfigurationError(f'cronjobs.{name}={value!r}: write {write}', field=name)


def _unknown(name: str) -> ConfigurationError:
    close = get_close_matches(name, NAMES, n=1)
    hint = f'did you mean cronjobs.{close[0]}?' if close else f'there are {", ".join(NAMES)}'
    return ConfigurationError(f'no such setting: cronjobs.{name}; {hint}', field=name)
