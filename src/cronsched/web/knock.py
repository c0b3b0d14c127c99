"""A knock: a signed request for the reserved name, which runs nothing.

Example::

    raise answer(host, headers)      # 204, and our signature of its nonce
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from typing import Final

from cronsched.base import clock
from cronsched.web.host import KNOCK, Answered, Host
from cronsched.web.signing import verify

__all__ = ['PROOF_HEADER', 'answer']

#: Shows that who answers has the secret of who asks.
PROOF_HEADER: Final = 'Cronsched-Knock'


def answer(host: Host, headers: Mapping[str, str]) -> Answered:
    """The answer to a knock. Raises `Refused` unless it is signed."""
    keys = host.site.keys(host.application_id)
    signed = verify(
        headers, application_id=host.application_id, job=KNOCK, keys=keys, now=clock.now()
    )
    content = f'knock.{signed.run.scheduled}.{signed.timestamp}'
    proof = base64.b64encode(hmac.digest(keys[0], content.encode(), 'sha256')).decode()
    return Answered(204, {PROOF_HEADER: proof})
