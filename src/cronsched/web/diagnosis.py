"""What the answer to a knock means, and what to write.

Example::

    found = diagnose('refused', 'http://127.0.0.1:8000/cronjobs/-', 403)
    words(found, 'shop', host.told(found))

Each answer that is not ours would have stopped a job later. Which setting of the
framework is responsible, the adapter knows: its text comes from `Host.told`.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import SplitResult, urlsplit

from cronsched.base.text import printable
from cronsched.web.host import Diagnosis

__all__ = ['WORDS', 'diagnose', 'words']

REDIRECTS: Final = (301, 302, 303, 307, 308)
LOGIN: Final = ('login', 'signin', 'sign-in', 'auth', 'sso')

#: By kind: what is wrong, and what to write.
WORDS: Final[dict[str, tuple[str, str]]] = {
    'redirect': (
        'is redirected to {location}',
        'let requests below its prefix through as they are, or write '
        "public_url='https://...', and have the framework trust X-Forwarded-Proto",
    ),
    'login': (
        'is asked to log in',
        'exempt its prefix from the login; the signature is the check',
    ),
    'host': (
        'refuses the host of {address}',
        "write public_url='https://shop.example', or allow that host",
    ),
    'refused': (
        'is refused with status {status}',
        'exempt its prefix from CSRF protection and the like; the signature is the check',
    ),
    'not_found': (
        'is not found',
        'mount it in the application that this server serves, or write another prefix',
    ),
    'method': ('may not be called by POST', 'let POST through below its prefix'),
    'error': (
        'is answered with status {status}',
        'see the log of the application; with a SCRIPT_NAME, check that it is that of '
        'the server',
    ),
    'elsewhere': (
        'is answered by something else, with status {status}',
        'mount it in the application that this server serves, as the outermost middleware',
    ),
    'application': (
        'is answered by another application id',
        'give each application its own name, prefix or port',
    ),
    'secret': (
        'is answered by a process with another secret',
        'have both use the same state directory, or write secret= for both',
    ),
    'no_answer': (
        'gets no answer: no worker was free',
        'wait, or give the server another worker; a single synchronous one that is busy '
        'runs no job either',
    ),
    'unreached': ('accepts no connection', 'wait, or write base_url='),
    'not_http': (
        'is closed without an answer: that socket speaks no HTTP',
        "write base_url='http://127.0.0.1:8000'",
    ),
}


def diagnose(
    kind: str, url: str, status: int = 0, location: str = '', outcome: str = ''
) -> Diagnosis:
    """What stood in the way; `kind` and the rest are those of `News`."""
    kinds = {'silent': 'no_answer', 'closed': 'not_http', 'unreached': 'unreached'}
    found = kinds.get(kind) or _kind_of(status, location, outcome)
    return Diagnosis(
        found,   # type: ignore[arg-type]  # one of WORDS
        url, status, printable(location), printable(outcome),
    )


def words(found: Diagnosis, application_id: str, told: str = '') -> str:
    """One line for a log or a terminal."""
    what, write = WORDS[found.kind]
    what = what.format(
        location=_place(found.location), address=_host(found.address), status=found.status
    )
    return f'{application_id} {what}, at {found.address}: {told or write}'


def _kind_of(status: int, location: str, outcome: str) -> str:
    if outcome in ('refused', 'other'):
        return 'secret' if outcome == 'refused' else 'application'
    if status in REDIRECTS:
        return 'login' if _is_login(location) else 'redirect'
    by_status = {
        400: 'host', 421: 'host', 401: 'login', 403: 'refused', 404: 'not_found', 405: 'method',
    }
    if status in by_status:
        return by_status[status]
    return 'error' if status >= 500 else 'elsewhere' if status < 300 else 'refused'


def _is_login(location: str) -> bool:
    parts = _parts(location)
    return parts is not None and any(part in parts.path.lower() for part in LOGIN)


def _place(location: str) -> str:
    parts = _parts(location)
    return f'{parts.scheme}://{parts.netloc}' if parts and parts.scheme else location or 'nowhere'


def _parts(location: str) -> SplitResult | None:
    """The answer may come from anywhere: it is made printable."""
    try:
        return urlsplit(location)
    except ValueError:
        return None


def _host(url: str) -> str:
    parts = urlsplit(url)
    return parts.netloc if parts.scheme != 'http+unix' else 'localhost'
