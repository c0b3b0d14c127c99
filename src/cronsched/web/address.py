"""Where an application is reached, and as whom.

Example::

    paths('/cronjobs/-', {'SCRIPT_NAME': '/shop'})      # /shop/cronjobs/-, /cronjobs/-
    address_of('http://127.0.0.1:8000/shop/cronjobs/-', '/cronjobs/-')
    name_headers('https://shop.example')                # Host, X-Forwarded-Proto
    is_trusted('127.0.0.1:8080', allowed=())            # True: the loopback

The address is where TCP goes: the path that answered a knock. The name is what
links in mails have: `public_url`. The Host of a request is chosen by the client,
and signed requests would go there for ever. So where a request decides, only the
loopback and allowed hosts count.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from urllib.parse import quote, urlsplit

from cronsched.base.hosts import is_loopback, name_of
from cronsched.errors import ConfigurationError

__all__ = ['address_of', 'header_lines', 'is_trusted', 'name_headers', 'paths']


def is_trusted(host: str, allowed: Collection[str], *, loopback: bool = True) -> bool:
    """Whether jobs may be called at `host` (with or without a port). A host
    is allowed as it is written: one without a port for the default port.
    `loopback`: whether it may be any of the loopback."""
    name = name_of(host)
    if name is None:
        return False
    return host.lower() in {each.lower() for each in allowed} or (loopback and is_loopback(name))


def paths(
    path: str, environ: Mapping[str, str] = os.environ, public_url: str | None = None
) -> list[str]:
    """Where `path` of an application may be, the likeliest first: below the
    SCRIPT_NAME of the environment (gunicorn), as it is, below the public one.
    Other frameworks' links are of no use here: some add a prefix that only a
    proxy knows."""
    prefixes = [
        _quoted(environ.get('SCRIPT_NAME', '')), '',
        urlsplit(public_url or '').path,
    ]
    return [*dict.fromkeys(prefix.rstrip('/') + path for prefix in prefixes)]


def address_of(url: str, path: str) -> str | None:
    """The address of what was called at `url` and is at `path` below it."""
    scheme = urlsplit(url).scheme
    if scheme not in ('http', 'https', 'http+unix') or not url.endswith(path):
        return None
    return url.removesuffix(path)


def name_headers(public_url: str | None) -> dict[str, str]:
    """What a proxy in front would send for this name."""
    if not public_url:
        return {}
    parts = urlsplit(public_url)
    return {'Host': parts.netloc, 'X-Forwarded-Proto': parts.scheme}


def header_lines(headers: Mapping[str, str]) -> list[str]:
    """As the core sends them; one without a value is not sent. Raises
    `ConfigurationError` for what would be two."""
    lines = [f'{name}: {value}' for name, value in headers.items() if value]
    for line in lines:
        if not line.isprintable() or not line.isascii():
            raise ConfigurationError(f'{line!r} is not a header: write one line of ASCII')
    return lines


def _quoted(prefix: str) -> str:
    return quote(prefix, safe="/%:@!$&'()*+,;=~") if prefix.startswith('/') else ''
