"""The settings section `cronjobs` of an application.

Example::

    @App.setting(section='cronjobs', name='base_url')
    def base_url():
        return 'http://127.0.0.1:8080'

Every setting has a default, `Settings`. An unknown name is an error that says
which was probably meant, and an invalid value one that says what to write.

An application that is mounted in another takes each setting that it does not
write itself from the one it is mounted in: see `Settings.under`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from functools import partial
from typing import Any, Final, Literal

from cronsched.base.keys import SHORTEST_SECRET, Secret
from cronsched.errors import ConfigurationError, OptionError
from cronsched.jobs import checks
from cronsched.jobs.monitoring import check_site
from cronsched.jobs.options import OPTIONS, check

__all__ = ['NAMES', 'Settings']

SECRETS: Final = ('secret', 'previous_secret')

# Each machine would make one of its own, and refuse what the others sign.
NO_SECRET: Final = (
    'cronjobs.secret is not set, and several machines share the ledger: write the same text on '
    f'each of them, {SHORTEST_SECRET} characters or more, made with '
    "python3 -c 'import secrets; print(secrets.token_urlsafe())'")


NOT_SHARED: Final = (
    'cronjobs.beat_url is another way to the ledger that several machines share, and '
    "cronjobs.ledger is not one: write ledger='postgresql://...' too, or leave it out")


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings, checked.

    enabled: 'auto' starts nothing under a test runner, in an interactive
        session, and in a process that does not serve requests; True starts
        there as well, False nowhere. The paths of the jobs stay.
    base_url: where this application is reached, instead of the host of the
        first request; with it, nothing waits for a first request.
    public_url: where visitors reach it, with the path in front of it: the name
        that links in mails have.
    allowed_hosts: hosts besides the loopback that a first request may name,
        exactly: with a port where it is not the default one.
    secret: signs the requests. None: one that is made, and kept in the state
        directory.
    previous_secret: still accepted, no longer used to sign.
    state_directory, runtime_directory: of the ledger and of the leases.
    ledger: 'sqlite' for a file in the state directory, or a URL; None for no
        record of runs (then a run is only as unique as its owner). Where
        several machines share it: the URL of a PostgreSQL database, a function
        that returns a connection of psycopg, or an engine of SQLAlchemy.
    max_concurrency, max_per_application: requests in flight.
    max_applications: application ids that one application class starts.
    beat_url: the same database by another way, for what must not wait for a
        pool that has run dry: a process that fires says twice a second there
        that it lives. None: as `ledger`.
    takeover: where several machines share the ledger, within how many seconds
        the others take over from one that died.
    machine_lost_after: and after how many seconds without a word of a machine
        what it executes is given up as lost; None: at its timeout.
    history_days: how long ended runs are kept.
    options: the defaults of jobs; see `cronsched.jobs.options`.
    given: the names of the settings that were written.
    """

    enabled: bool | Literal['auto'] = 'auto'
    base_url: str | None = None
    public_url: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    secret: Secret | None = None
    previous_secret: Secret | None = None
    state_directory: str | None = None
    runtime_directory: str | None = None
    ledger: Any = 'sqlite'
    max_concurrency: int = 32
    max_per_application: int = 4
    max_applications: int = 10_000
    beat_url: Any = None
    takeover: float = 6.0
    machine_lost_after: float | None = 60.0
    history_days: float = 30.0
    options: Mapping[str, Any] = field(default_factory=dict)
    given: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for name in SECRETS:
            if getattr(self, name) is not None:
                object.__setattr__(self, name, Secret(getattr(self, name)))

    @classmethod
    def read(cls, section: object) -> Settings:
        """From the attributes of a Morepath settings section; None is an
        empty one. Raises `ConfigurationError`."""
        given = _written_in(section)
        del section     # its repr may show its contents
        for name in given:
            if name not in NAMES:
                raise _unknown(name)
        try:
            options = check({name: given.pop(name) for name in OPTIONS if name in given})
            check_site(options)
        except OptionError as error:
            raise ConfigurationError(f'cronjobs.{error}', field=error.field) from error
        values = {name: CHECKS[name](name, value) for name, value in given.items()}
        return cls(**values, options=options, given=frozenset(values))

    def check_together(self) -> None:
        """What no setting says alone, once it is known where the application
        is mounted. Raises `ConfigurationError`."""
        if self.secret is None and checks.is_shared(self.ledger):
            raise ConfigurationError(NO_SECRET, field='secret')
        if self.beat_url is not None and not checks.is_shared(self.ledger):
            raise ConfigurationError(NOT_SHARED, field='beat_url')

    def under(self, outer: Settings) -> Settings:
        """These of an application that is mounted in one with `outer`: what it
        does not write is as there. Where one is switched off, both are."""
        written = {name: getattr(self, name) for name in self.given}
        written['enabled'] = self._enabled_under(outer)
        return replace(
            outer, **written,
            options={**outer.options, **self.options}, given=self.given | outer.given,
        )

    def _enabled_under(self, outer: Settings) -> bool | Literal['auto']:
        if self.enabled is False or outer.enabled is False:
            return False
        return outer.enabled if self.enabled == 'auto' else self.enabled


CHECKS: Final[dict[str, Callable[[str, Any], Any]]] = {
    'enabled': checks.enabled,
    'base_url': checks.base_url,
    'public_url': checks.public_url,
    'allowed_hosts': checks.allowed_hosts,
    'secret': checks.secret,
    'previous_secret': checks.secret,
    'state_directory': checks.directory,
    'runtime_directory': checks.directory,
    'ledger': checks.ledger,
    'max_concurrency': checks.count,
    'max_per_application': checks.count,
    'max_applications': partial(checks.count, most=1_000_000),
    'beat_url': checks.beat_url,
    'takeover': checks.takeover,
    'machine_lost_after': checks.machine_lost_after,
    'history_days': checks.days,
}

NAMES: Final = (*CHECKS, *OPTIONS)
assert {*CHECKS, 'options', 'given'} == {each.name for each in fields(Settings)}


def _written_in(section: object) -> dict[str, Any]:
    # Secrets are wrapped first, so that no variable holds one in plain text.
    return {
        name: Secret(value) if name in SECRETS and value is not None else value
        for name, value in (vars(section) if section is not None else {}).items()
    }


def _unknown(name: str) -> ConfigurationError:
    close = get_close_matches(name, NAMES, n=1)
    hint = f'did you mean cronjobs.{close[0]}?' if close else f'there are {", ".join(NAMES)}'
    return ConfigurationError(f'no such setting: cronjobs.{name}; {hint}', field=name)
