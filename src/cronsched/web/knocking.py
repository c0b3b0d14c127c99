"""The text of a knock and of its answer: who asks, and who may answer.

Example::

    asked = verify_knock(headers, keys, now)        # raises Refused
    Answered(204, {PROOF_HEADER: proof(asked)})
    headers = sign_knock(key, url, now)             # for `cronsched doctor`

As `src/core/sched/knock.h` has it: Standard Webhooks 1.0, where the signed
payload is the URL that was called. It starts nothing but the scheduler, at
that address; so a replay is harmless, and one may wait for a worker that still
imports.
"""

from __future__ import annotations

import base64
import hmac
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cronsched.web.signing import Refused

__all__ = [
    'ADDRESS_HEADER', 'APPLICATION_HEADER', 'PROOF_HEADER', 'Asked', 'is_proof', 'proof',
    'sign_knock', 'verify_knock',
]

#: In the request: what was called, and for whom (percent-encoded).
ADDRESS_HEADER: Final = 'Cronsched-Address'
APPLICATION_HEADER: Final = 'Cronsched-Application'
#: In the answer: shows that who answers has the secret of who asks.
PROOF_HEADER: Final = 'Cronsched-Knock'

ID: Final = re.compile(r'knock_[0-9a-f]{32}', re.ASCII)
TIMESTAMP: Final = re.compile(r'[1-9][0-9]{0,11}', re.ASCII)
LONGEST_URL: Final = 640
TOLERANCE: Final = 900.0    # seconds; one connection is kept for 600


@dataclass(frozen=True, slots=True)
class Asked:
    """A knock whose signature is right."""

    id: str
    url: str
    key: bytes = field(repr=False)


def verify_knock(headers: Mapping[str, str], keys: Sequence[bytes], now: float) -> Asked:
    """Raises `Refused`. `now` is UTC seconds."""
    found = {name.lower(): value for name, value in headers.items()}
    identity, stamp = found.get('webhook-id', ''), found.get('webhook-timestamp', '')
    url = found.get(ADDRESS_HEADER.lower(), '')
    if not ID.fullmatch(identity) or not TIMESTAMP.fullmatch(stamp) or len(url) > LONGEST_URL:
        raise Refused('it is not a knock')
    if not abs(now - int(stamp)) <= TOLERANCE:
        raise Refused(f'a knock signed at {stamp}, which is {now - int(stamp):.0f} s ago')
    content = f'{identity}.{stamp}.{url}'
    given = found.get('webhook-signature', '').encode('utf-8', 'replace')
    right = [
        key for key in keys if hmac.compare_digest(f'v1,{_mac(key, content)}'.encode(), given)
    ]
    if not right:
        raise Refused('no signature of the knock is right')
    return Asked(identity, url, right[0])


def proof(asked: Asked) -> str:
    """What shows the one who knocked that this process could verify it."""
    pid = os.getpid()
    return f'{pid} {_mac(asked.key, f"answer.{asked.id}.{pid}")}'


def sign_knock(key: bytes, url: str, now: float) -> dict[str, str]:
    """The headers of a knock at `url`."""
    identity, stamp = f'knock_{secrets.token_hex(16)}', int(now)
    return {
        'webhook-id': identity,
        'webhook-timestamp': str(stamp),
        'webhook-signature': f'v1,{_mac(key, f"{identity}.{stamp}.{url}")}',
        ADDRESS_HEADER: url,
    }


def is_proof(key: bytes, identity: str, given: str) -> bool:
    """Whether `given` answers the knock `identity`."""
    pid, _, mac = given.partition(' ')
    expected = _mac(key, f'answer.{identity}.{pid}').encode()
    return pid.isdecimal() and hmac.compare_digest(expected, mac.encode('utf-8', 'replace'))


def _mac(key: bytes, content: str) -> str:
    mac = hmac.digest(key, content.encode('utf-8', 'surrogateescape'), 'sha256')
    return base64.b64encode(mac).decode()
