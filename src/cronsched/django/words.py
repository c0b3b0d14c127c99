"""What stood in the way of a knock, in the words of Django's settings.

Example::

    told(Diagnosis('redirect', address, 301, 'https://shop.example/'), '/cronjobs')
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.conf import settings as project

from cronsched.web.host import Diagnosis

__all__ = ['told']

INCLUDE: Final = "path('', include('cronsched.django.urls'))"


def told(diagnosis: Diagnosis, prefix: str) -> str:
    """What to write; '' for nothing better than the scheduler's own words."""
    found = WORDS.get(diagnosis.kind)
    return found(diagnosis, prefix) if found else ''


def _redirect(diagnosis: Diagnosis, prefix: str) -> str:
    if project.PREPEND_WWW and '//www.' in diagnosis.location:
        return "PREPEND_WWW: write CRONSCHED = {'PUBLIC_URL': 'https://www.shop.example'}"
    if not diagnosis.location.startswith('https://'):
        return f'a middleware redirects {prefix}/: leave that path out'
    if diagnosis.address.startswith('http+unix:') and not project.SECURE_PROXY_SSL_HEADER:
        return (
            "behind a Unix socket start uvicorn with --forwarded-allow-ips '*', or set "
            'SECURE_PROXY_SSL_HEADER'
        )
    pattern = prefix.strip('/')
    return (
        'set SECURE_PROXY_SSL_HEADER if a proxy speaks https, or write '
        f"SECURE_REDIRECT_EXEMPT = [r'(^|/){pattern}/']"
    )


def _login(diagnosis: Diagnosis, prefix: str) -> str:
    return (
        f'a middleware asks {prefix}/ to log in: leave views out that have '
        'login_required = False; the signature is the check'
    )


def _host(diagnosis: Diagnosis, prefix: str) -> str:
    return 'write a host into ALLOWED_HOSTS, that of PUBLIC_URL if there is one'


def _refused(diagnosis: Diagnosis, prefix: str) -> str:
    return (
        f'a middleware refuses POST at {prefix}/: leave views out that are csrf_exempt; the '
        'signature is the check'
    )


def _not_found(diagnosis: Diagnosis, prefix: str) -> str:
    return (
        f'add {INCLUDE} to {project.ROOT_URLCONF}, before what matches everything; where it is '
        "included below a path, write CRONSCHED = {'PREFIX': '/that/path/cronjobs'}"
    )


def _error(diagnosis: Diagnosis, prefix: str) -> str:
    if project.FORCE_SCRIPT_NAME:
        return 'FORCE_SCRIPT_NAME and the server disagree: set SCRIPT_NAME in its environment'
    return ''


def _application(diagnosis: Diagnosis, prefix: str) -> str:
    return "write CRONSCHED = {'APPLICATION_ID': ...} in one of the two projects"


def _secret(diagnosis: Diagnosis, prefix: str) -> str:
    return "write the same CRONSCHED = {'STATE_DIRECTORY': ...} for both, or the same 'SECRET'"


def _unreached(diagnosis: Diagnosis, prefix: str) -> str:
    return "write CRONSCHED = {'BASE_URL': 'http://127.0.0.1:8000'}"


WORDS: Final[dict[str, Callable[[Diagnosis, str], str]]] = {
    'redirect': _redirect,
    'login': _login,
    'host': _host,
    'refused': _refused,
    'not_found': _not_found,
    'elsewhere': _not_found,
    'method': _not_found,
    'application': _application,
    'secret': _secret,
    'unreached': _unreached,
    'not_http': _unreached,
    'error': _error,
}
