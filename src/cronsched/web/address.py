"""Which hosts are trusted to be where the application is reached.

Example::

    is_trusted('127.0.0.1:8080', allowed=())             # True: the loopback
    is_trusted('www.example.org', allowed=())            # False: anybody's word

The host of a request is written by whoever sends it. Signed requests would go
there for ever, so a host counts only when it is the loopback, or allowed.
"""

from __future__ import annotations

from collections.abc import Collection

from cronsched.base.hosts import is_loopback, name_of

__all__ = ['is_trusted']


def is_trusted(host: str, allowed: Collection[str]) -> bool:
    """Whether jobs may be called at `host` (with or without a port). A host
    is allowed as it is written: one without a port for the default port."""
    name = name_of(host)
    if name is None:
        return False
    return host.lower() in {each.lower() for each in allowed} or is_loopback(name)
