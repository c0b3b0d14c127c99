"""The ledger in a database of the project.

Example, in settings.py::

    CRONSCHED = {'LEDGER': 'default', 'SECRET': ...}     # an alias in DATABASES

Its tables are in a schema of their own, `cronsched`, which `cronsched ledger
migrate` makes. The connection is another one than that of the requests: what a
request takes back takes back no claim.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings as project
from django.db import connections

from cronsched.errors import ConfigurationError

__all__ = ['Alias', 'of_alias']


@dataclass(frozen=True, slots=True)
class Alias:
    """Connections to the database of an alias, made as Django makes them."""

    alias: str

    def __call__(self) -> Any:
        database = connections[self.alias]
        options = database.get_connection_params()
        if getattr(database, 'pool', None) is None:
            return database.get_new_connection(options)
        # The pool is for requests, and would miss what it never gets back.
        return database.Database.connect(**options)


def of_alias(given: Any, name: str = 'ledger') -> Any:
    """The value of that setting, with an alias replaced by what makes
    connections. Raises `ConfigurationError`."""
    if given == 'sqlite' or not isinstance(given, str) or given not in project.DATABASES:
        return given
    if connections[given].vendor != 'postgresql':
        raise ConfigurationError(
            f'cronjobs.{name}={given!r}: DATABASES[{given!r}] is not PostgreSQL: write the alias '
            "of a database that is, or 'sqlite' for a file in the state directory",
            field=name)
    return Alias(given)
