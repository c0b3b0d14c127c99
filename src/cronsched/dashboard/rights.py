"""Who may see the dashboard, and who may act.

Example::

    def auth(request):
        user = current_user(request)
        if not user.is_authenticated:
            return None                      # nobody gets in
        return ('operate' if user.is_admin else 'read'), user.name

    cron.dashboard(auth=auth)
    cron.dashboard(auth=BasicAuth({'ann': secret}, operate=['ann']))

Nobody gets in by default, and never by address: behind a proxy everybody is
local. What is neither a right nor None is taken for a mistake, and lets nobody
in. Who reads sees names, times and outcomes; who operates sees what an error
said too, runs jobs now, pauses and resumes them.

A POST needs no token: it counts only from a page of the same origin, which the
browser says (`Sec-Fetch-Site`, or else `Origin`) and no other page can forge.
"""

from __future__ import annotations

import logging
from base64 import b64decode
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from hmac import compare_digest
from typing import Any, Final, Literal, TypeAlias, cast
from urllib.parse import urlsplit

from cronsched.base.text import printable
from cronsched.errors import ConfigurationError

__all__ = ['Auth', 'BasicAuth', 'Rights', 'check_auth', 'foreign', 'rights_of']

log = logging.getLogger('cronsched')

Level: TypeAlias = Literal['read', 'operate']
Answer: TypeAlias = Level | tuple[Level, str] | None

#: Takes the request of the framework (the environ of WSGI, the scope of ASGI).
Auth: TypeAlias = Callable[[Any], 'Answer | Awaitable[Answer]']

LEVELS: Final = ('read', 'operate')

WRITE: Final = (
    'write cron.dashboard(auth=...), a function that takes the request and returns None, '
    "'read' or 'operate', or such a level with the user's name: ('operate', 'ann')"
)


@dataclass(frozen=True, slots=True)
class Rights:
    """Of whoever asks: 'read' or 'operate', and a name for what they do."""

    level: Level
    name: str = ''

    @property
    def may_operate(self) -> bool:
        return self.level == 'operate'


def check_auth(auth: object) -> Auth:
    """Raises `ConfigurationError` for what is no function."""
    if auth is None:
        raise ConfigurationError(f'a dashboard without auth would be open to everybody: {WRITE}')
    if not callable(auth):
        raise ConfigurationError(f'auth={auth!r} is not a function: {WRITE}', field='auth')
    return auth


def rights_of(answer: object) -> Rights | None:
    """What the answer of `auth` means; None lets nobody in."""
    level, name = answer if isinstance(answer, tuple) and len(answer) == 2 else (answer, '')
    if level in LEVELS and isinstance(level, str) and isinstance(name, str):
        return Rights(cast(Level, level), name)
    if answer is not None:
        log.error(
            'nobody gets into the dashboard: auth returned %s; %s',
            printable(repr(answer)), WRITE,
        )
    return None


class BasicAuth:
    """Names and passwords, asked for by the browser; over https only.

    operate: those who may act; the others read.
    """

    #: Sent with a refusal, so that the browser asks.
    challenge = 'Basic realm="cronsched", charset="UTF-8"'

    def __init__(self, passwords: Mapping[str, str], *, operate: Collection[str] = ()) -> None:
        if not passwords or not all(passwords.values()):
            raise ConfigurationError(
                "BasicAuth needs passwords that are not empty: BasicAuth({'ann': secret})"
            )
        if isinstance(operate, str) or not set(operate) <= set(passwords):
            raise ConfigurationError(
                f"operate={operate!r}: write names that have a password, like ['ann']"
            )
        self._passwords = {name: word.encode() for name, word in passwords.items()}
        self._operate = frozenset(operate)

    def __call__(self, request: Any) -> Answer:
        name, password = _credentials(_authorization(request))
        known = self._passwords.get(name)
        # Who does not exist takes as long as who has another password.
        same = compare_digest(known if known is not None else b'\0', password)
        if known is None or not same:
            return None
        return 'operate' if name in self._operate else 'read', name


def foreign(method: str, headers: Mapping[str, str]) -> str | None:
    """Why a request is not believed to come from a page of ours; None if it is."""
    if method in ('GET', 'HEAD'):
        return None
    site = headers.get('sec-fetch-site')
    if site is not None:
        return None if site == 'same-origin' else f'the browser says it comes from {site}'
    origin, host = headers.get('origin'), headers.get('host')
    if origin is None or host is None:
        return 'neither Sec-Fetch-Site nor Origin says that it comes from this page'
    if _host(origin) != host.lower():
        return 'its Origin is another host than the one it was sent to (a proxy in front must ' \
               'pass on the Host)'
    return None


def _host(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None


def _authorization(request: Any) -> str:
    if isinstance(request, dict):
        if 'wsgi.version' in request:
            return str(request.get('HTTP_AUTHORIZATION', ''))
        found = [value for name, value in request['headers'] if name == b'authorization']
        return found[0].decode('latin-1') if len(found) == 1 else ''
    return str(request.headers.get('Authorization') or '')


def _credentials(header: str) -> tuple[str, bytes]:
    scheme, _, encoded = header.partition(' ')
    if scheme.lower() != 'basic':
        return '', b''
    try:
        name, _, password = b64decode(encoded.strip(), validate=True).partition(b':')
        return name.decode(), password
    except ValueError:
        return '', b''
