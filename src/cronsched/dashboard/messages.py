"""What a page is asked, and what it answers.

Example::

    request = Request('GET', '/job', 'application=shop&job=cleanup')
    request.value('job')                     # 'cleanup'
    link('job', application='org/zug', job='a&b')   # 'job?application=org%2Fzug&job=a%26b'

Every link is relative, and every page stands at the same depth: wherever the
dashboard is mounted, and whatever a proxy puts in front of it, links are right
without anybody saying so. Names are in queries, never in paths, where servers
and proxies would resolve `..`, `//` and `%2F` each in their own way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final
from urllib.parse import parse_qs, urlencode

__all__ = ['MOST_OF_A_BODY', 'NotThere', 'Request', 'Response', 'Unreadable', 'link']

#: Bytes; a form of ours is a note and two names.
MOST_OF_A_BODY: Final = 65_536
MOST_FIELDS: Final = 50


class NotThere(Exception):
    """What was asked for is not in the ledger."""


class Unreadable(Exception):
    """What was asked cannot be read; says what to write."""


@dataclass(frozen=True)
class Request:
    """`path` is below the mount, decoded; `query` as in the URL; the names of
    `headers` are in lower case. `last` is the last part of the path that the
    dashboard is mounted at."""

    method: str
    path: str
    query: str = ''
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b''
    last: str = ''

    @cached_property
    def values(self) -> Mapping[str, str]:
        """Of the query; the last one of each name."""
        return _fields(self.query)

    @cached_property
    def form(self) -> Mapping[str, str]:
        return _fields(self.body.decode('ascii', 'replace'))

    def value(self, name: str) -> str:
        return self.values.get(name, '').strip()

    def number(self, name: str, default: int, most: int, least: int = 1) -> int:
        """From `least` to `most`."""
        text = self.value(name)
        if not text:
            return default
        if not (text.isascii() and text.isdigit()):
            raise Unreadable(f'{name}={text[:20]!r} is not a number: write {name}={default}')
        return min(max(int(text[:12]), least), most)


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b''


def link(page: str, /, **values: Any) -> str:
    """A relative link; what is None or empty is left out."""
    given = {name: str(value) for name, value in values.items() if value not in (None, '')}
    return f'{page}?{urlencode(given)}' if given else page


def _fields(text: str) -> dict[str, str]:
    try:
        found = parse_qs(
            text, keep_blank_values=True, encoding='utf-8', errors='strict',
            max_num_fields=MOST_FIELDS,
        )
    except ValueError:    # and UnicodeDecodeError, which is one
        raise Unreadable('the query of this address is not one of ours') from None
    if '\0' in ''.join(values[-1] for values in found.values()):
        raise Unreadable('no name has a null character')   # nor could every store keep one
    return {name: values[-1] for name, values in found.items()}
