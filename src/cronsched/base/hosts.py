"""What a host is, as in a `Host:` header or a URL.

Example::

    name_of('127.0.0.1:8080')        # '127.0.0.1'
    name_of('evil.com\\@127.0.0.1')  # None: two readers could see two hosts
    is_loopback('app.localhost')     # True
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

__all__ = ['is_loopback', 'name_of']

LABEL: Final = r'[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?'
HOST: Final = re.compile(
    rf'(?:{LABEL}(?:\.{LABEL})*\.?|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?', re.ASCII
)
LONGEST: Final = 253 + 6     # RFC 1035, and a port


def name_of(host: str) -> str | None:
    """The name or address, in lower case, of a host with or without a port.
    None for what is no host, or could be read as another."""
    if len(host) > LONGEST or not HOST.fullmatch(host):
        return None
    try:
        parts = urlsplit(f'//{host}')
        return parts.hostname if parts.port is None or parts.port else None
    except ValueError:
        return None


def is_loopback(name: str) -> bool:
    """Whether that name can only be this machine (RFC 6761, 6.3)."""
    if name == 'localhost' or name.endswith('.localhost'):
        return name_of(name) == name
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
