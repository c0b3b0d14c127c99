"""What an application brings: its settings, its keys and its ledger.

Example::

    site = Site(settings, secrets=('the secret',), ledger=ledger_of(settings))
    site.keys('org/zug')           # current and previous, 32 bytes each
    site_of(request.app).ledger

An application object shows its site as the attribute `cronjob_site`. One
that has none (a bare framework, a test) gets `UNCONFIGURED`: no key and no ledger.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import quote

from cronsched.base.directories import find_state_directory, state_directory
from cronsched.base.keys import Key, Secret, derive_key, state_secret
from cronsched.base.locks import Lock
from cronsched.base.rates import Rate
from cronsched.jobs.options import Policy
from cronsched.jobs.settings import Settings
from cronsched.ledger import Ledger, open_ledger

__all__ = [
    'UNCONFIGURED', 'Site', 'close_ledgers', 'forget_ledger', 'ledger_of', 'ledger_url',
    'secrets_of', 'site_of',
]

_ledgers: dict[Any, Ledger] = {}
_lock = Lock()

LEDGER_FILE: Final = 'ledger.sqlite3'


@dataclass(frozen=True, slots=True)
class Site:
    """See the module. `strict` refuses requests that are not signed."""

    settings: Settings = field(default_factory=Settings)
    secrets: tuple[Secret, ...] = ()
    ledger: Ledger | None = None
    method: Literal['POST', 'GET'] = 'POST'
    strict: bool = True
    #: Requests that were refused; logged at a limited rate.
    refusals: Rate = field(default_factory=Rate, repr=False, compare=False)
    #: Of runs that wait for the ledger, which are sent again and again.
    waits: Rate = field(default_factory=Rate, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, 'secrets', tuple(map(Secret, self.secrets)))

    def keys(self, application_id: str) -> tuple[Key, ...]:
        """The keys that are accepted, the current one first."""
        return tuple(_key(secret, application_id) for secret in self.secrets)

    def key(self, application_id: str) -> Key | None:
        """The key that signs; None sends requests unsigned."""
        return _key(self.secrets[0], application_id) if self.secrets else None

    def policy(self, job: Any) -> Policy:
        """The options of `job`, over those of the settings."""
        return Policy.of(self.settings.options, job.options)


@functools.lru_cache(maxsize=1024)
def _key(secret: Secret, application_id: str) -> Key:
    return derive_key(secret, application_id)


UNCONFIGURED: Final = Site(strict=False)


def secrets_of(settings: Settings) -> tuple[Secret, ...]:
    """The one that signs, and the previous one, which only verifies: those of
    the settings, or the one that is kept in the state directory (made the
    first time). Where several machines share the ledger it must be given:
    raises `ConfigurationError`."""
    settings.check_together()
    current = settings.secret or state_secret(state_directory(settings.state_directory))
    return (current, settings.previous_secret) if settings.previous_secret else (current,)


def ledger_of(settings: Settings) -> Ledger | None:
    """The ledger that the settings name, opened once in this process."""
    if settings.ledger is None:
        return None
    if settings.ledger == 'sqlite':
        state_directory(settings.state_directory)
    url = ledger_url(settings)
    with _lock:
        if url not in _ledgers:
            _ledgers[url] = open_ledger(url)
        return _ledgers[url]


def ledger_url(settings: Settings) -> Any:
    """Where the ledger is that the settings name, as `open_ledger` takes it.
    Nothing is made."""
    if settings.ledger != 'sqlite':
        return settings.ledger or ''
    directory = find_state_directory(settings.state_directory)
    return f'sqlite://{quote(str(directory / LEDGER_FILE))}'


def close_ledgers() -> None:
    """Close the ledgers of this process. Another use opens them again."""
    with _lock:
        for ledger in _ledgers.values():
            ledger.close()


def forget_ledger(settings: Settings) -> None:
    """Close the ledger that `ledger_of` opened for these settings, for good:
    its file is about to be removed."""
    ledger = _ledgers.pop(ledger_url(settings), None) if settings.ledger else None
    if ledger is not None:
        ledger.close()


def site_of(app: Any) -> Site:
    site = getattr(app, 'cronjob_site', None)
    return site if isinstance(site, Site) else UNCONFIGURED
