"""Checks of settings, one function for each kind of value.

Example::

    directory('state_directory', '~/cron')      # '/home/app/cron'
    base_url('base_url', 'http://x:99999')      # raises: the port is 1 to 65535

Each returns the value in its own type, or raises a `ConfigurationError` that
says what to write. A secret is never in a message.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from datetime import timedelta
from math import inf, isfinite
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from cronsched.base.hosts import name_of
from cronsched.base.keys import SHORTEST_SECRET, Secret
from cronsched.base.text import printable
from cronsched.errors import ConfigurationError

__all__ = [
    'allowed_hosts', 'base_url', 'beat_url', 'count', 'days', 'directory', 'enabled', 'flag',
    'is_shared', 'ledger', 'machine_lost_after', 'problem_of_url', 'public_url', 'secret',
    'takeover', 'wrong',
]

#: Those that several machines can share.
SHARED: Final = ('postgresql', 'postgres')
#: The ledgers that `cronsched.ledger.open_ledger` can open, by their scheme.
LEDGERS: Final = ('sqlite', *SHARED)
#: Seconds. Below two, a thread of Python is late too often.
TAKEOVER: Final = (2.0, 60.0)
LEAST_LOST: Final = 10.0
SCHEMES: Final = ('http', 'https', 'http+unix')
FOREIGN: Final = frozenset(' \\"<>^`{|}')    # to a URL; RFC 3986
LONGEST_SOCKET: Final = 107     # bytes; unix(7)


def wrong(name: str, value: object, write: str) -> ConfigurationError:
    return ConfigurationError(f'cronjobs.{name}={printable(repr(value))}: {write}', field=name)


def flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise wrong(name, value, 'write True or False')
    return value


def enabled(name: str, value: Any) -> bool | Literal['auto']:
    if value == 'auto':
        return 'auto'
    if not isinstance(value, bool):
        raise wrong(name, value, "write 'auto', True or False")
    return value


def count(name: str, value: Any, most: int = 10_000) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise wrong(name, value, f'write a whole number, 1 to {most}')
    return value


def days(name: str, value: Any) -> float:
    if isinstance(value, timedelta):
        value = value / timedelta(days=1)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not (
        isfinite(value) and value > 0
    ):
        raise wrong(name, value, 'write a number of days, like 30')
    return float(value)


def takeover(name: str, value: Any) -> float:
    least, most = TAKEOVER
    found = _seconds(value)
    if found is None or not least <= found <= most:
        raise wrong(name, value, f'write {least:g} to {most:g} seconds: 6 as a rule, 2 where the '
                    'database is near and machines have CPU to spare, 10 where it is far')
    return found


def machine_lost_after(name: str, value: Any) -> float | None:
    if value is None:
        return None
    found = _seconds(value)
    if found is None or not LEAST_LOST <= found < inf:
        raise wrong(name, value, f'write a number of seconds, {LEAST_LOST:g} or more, or None to '
                    'wait for the timeout of what a machine executes')
    return found


def _seconds(value: Any) -> float | None:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value)


def secret(name: str, value: Secret | None) -> Secret | None:
    problem = None if value is None else value.problem()
    if problem is not None:
        # The message does not contain the value.
        raise ConfigurationError(
            f'cronjobs.{name} {problem}: write {SHORTEST_SECRET} characters or more, made with '
            "python3 -c 'import secrets; print(secrets.token_urlsafe())', or omit it to have "
            'one made',
            field=name,
        )
    return value


def directory(name: str, value: Any) -> str | None:
    """An absolute path; `~` is the home of a user."""
    if value is None:
        return None
    if not isinstance(value, (str, os.PathLike)) or not isinstance(os.fspath(value), str):
        raise wrong(name, value, "write the path of a directory, like '/var/lib/app/cronsched'")
    path = os.path.expanduser(os.fspath(value))
    if not os.path.isabs(path):
        raise wrong(name, value, f'write an absolute path{_absolute(path)}')
    if not path.isprintable():
        raise wrong(name, value, 'write a path without control characters')
    return path


def _absolute(path: str) -> str:
    if not path or path.startswith('~'):
        return ", like '/var/lib/app/cronsched'"
    return f', like {str(Path.home() / path)!r} or {os.path.abspath(path)!r}'


def ledger(name: str, value: Any) -> Any:
    """'sqlite', None, a URL, or what makes connections to PostgreSQL: a
    function, or an engine of SQLAlchemy."""
    if value is None or value == 'sqlite' or _makes_connections(value):
        return value
    if not isinstance(value, str) or not _names_ledger(value):
        path = value if isinstance(value, str) and value.startswith('/') else '/path/of/ledger'
        raise wrong(
            # What is before a host may be a password.
            name, re.sub(r'[^/@]*@', '***@', value) if isinstance(value, str) else value,
            "write 'sqlite' for a file in the state directory, "
            f"'sqlite://{path}' for another, 'postgresql://user@host/database' (or a function "
            'that returns a connection of psycopg, or an engine of SQLAlchemy) where several '
            'machines share it, or None for no record of runs',
        )
    return value


def beat_url(name: str, value: Any) -> Any:
    if value is None or _makes_connections(value) or (
            isinstance(value, str) and is_shared(value) and _names_ledger(value)):
        return value
    raise wrong(
        name, re.sub(r'[^/@]*@', '***@', value) if isinstance(value, str) else value,
        "write 'postgresql://user@host/database' (or a function that returns a connection of "
        'psycopg, or an engine of SQLAlchemy): the database of the ledger, past the pooler')


def is_shared(ledger: Any) -> bool:
    """Whether several machines share the ledger that a setting names."""
    if isinstance(ledger, str):
        return ledger.partition(':')[0].partition('+')[0] in SHARED
    return ledger is not None


def _makes_connections(value: Any) -> bool:
    return not isinstance(value, type) and (
        callable(value) or hasattr(value, 'raw_connection'))


def _names_ledger(url: str) -> bool:
    try:
        parts = urlsplit(url)
        options = parse_qs(parts.query, keep_blank_values=True)
        parts.port  # noqa: B018 (it is read to be checked)
    except ValueError:
        return False
    if is_shared(url):
        return url.partition(':')[2].startswith('//') and url.isprintable()
    return (
        parts.scheme in LEDGERS
        and not parts.netloc
        and parts.path.strip('/') != ''
        and url.isprintable()
        and all(
            (option, value.upper()) in {('synchronous', 'NORMAL'), ('synchronous', 'FULL')}
            for option, values in options.items() for value in values
        )
    )


def allowed_hosts(name: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise wrong(name, value, "write a list of hosts, like ['app.example', 'app.example:8080']")
    hosts = tuple(value)
    for host in hosts:
        if not isinstance(host, str) or name_of(host) is None:
            raise wrong(
                name, value,
                f"{printable(repr(host))} is not a host: write 'app.example', or "
                "'app.example:8080' where the port is not the default one",
            )
    return tuple(host.lower() for host in hosts)


def base_url(name: str, value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise wrong(name, value, "write a URL like 'http://127.0.0.1:8080'")
    problem = problem_of_url(value)
    if problem is not None:
        raise wrong(name, value, f"{problem}: write a URL like 'http://127.0.0.1:8080'")
    return value


def public_url(name: str, value: Any) -> str | None:
    try:
        found = base_url(name, value)
    except ConfigurationError as error:
        raise ConfigurationError(
            str(error).replace('http://127.0.0.1:8080', 'https://shop.example'), field=name
        ) from None
    if found is not None and found.startswith('http+unix:'):
        raise wrong(name, value, "visitors cannot use a socket: write a URL like 'https://shop.example'")
    return found


def problem_of_url(url: str) -> str | None:
    """What is wrong with a URL that requests are sent to."""
    if not url.isascii() or not url.isprintable() or not FOREIGN.isdisjoint(url):
        return 'it contains a character that is not allowed in a URL'
    try:
        parts = urlsplit(url)
    except ValueError:
        return 'its host is not valid'
    if parts.scheme not in SCHEMES:
        return 'it does not begin with http://, https:// or http+unix://'
    if parts.query or parts.fragment or url.endswith(('?', '#')):
        return 'it has a query or a fragment'
    if any(unquote(part) in ('.', '..') for part in parts.path.split('/')):
        return 'its path contains . or ..'
    return _problem_of_socket(parts.netloc, parts.path) if parts.scheme == 'http+unix' else (
        _problem_of_host(parts.netloc))


def _problem_of_host(netloc: str) -> str | None:
    if '@' in netloc:
        return 'it has a user or a password'
    host, colon, port = netloc.rpartition(':') if not netloc.endswith(']') else (netloc, '', '')
    if not (host if colon else netloc):
        return 'it has no host'
    if colon and not (port.isdigit() and 1 <= int(port[:6]) <= 65_535):
        return f'its port {printable(port, 20)} is not 1 to 65535'
    return None if name_of(netloc) else 'its host is not valid'


def _problem_of_socket(netloc: str, path: str) -> str | None:
    socket = unquote(netloc)
    if not socket.startswith('/'):
        return "the path of the socket is written like 'http+unix://%2Frun%2Fapp.sock'"
    if len(os.fsencode(socket)) > LONGEST_SOCKET or '\0' in socket:
        return f'the path of the socket is longer than {LONGEST_SOCKET} bytes'
    return None
