"""Which hosts are trusted to be where the application is reached.

Example::

    is_trusted('127.0.0.1:8080', allowed=())             # True: the loopback
    is_trusted('www.example.org', allowed=())            # False: anybody's word

The host of a request is written by whoever sends it. Signed requests would go
there for ever, so a host counts only when it is the loopback, or allowed.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

__all__ = ['is_trusted']

HOST: Final = re.compile(r'(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?', re.ASCII)


def is_trusted(host: str, allowed: Collection[str]) -> bool:
    """Whether jobs may be called at `host` (with or without a port). An
    allowed host without a port is allowed with any."""
    name = _name_of(host)
    if name is None:
        return False
    wanted = {each.lower() for each in allowed}
    return host.lower() in wanted or name in wanted or _is_loopback(name)


def _name_of(host: str) -> str | None:
    # Nothing that two readers could read as two hosts, or as part of a path.
    if not HOST.fullmatch(host):
        return None
    try:
        parts = urlsplit(f'//{host}')
        return parts.hostname if parts.port is None or parts.port else None
    except ValueError:
        return None


def _is_loopback(name: str) -> bool:
    if name == 'localhost' or name.endswith('.localhost'):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
