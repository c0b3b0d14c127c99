"""Signed requests: who may start a run, and which.

Example::

    key = derive_key('the secret of the application', 'org/zug')
    signed = verify(request.headers, application_id='org/zug', job='cleanup',
                    keys=[key], now=time.time())
    signed.run, signed.attempt, signed.timestamp

The headers are made in C (`src/core/http/sign.h`): Standard Webhooks 1.0 over an
empty body, plus `Cronsched-Scheduled` and `Cronsched-Attempt`. The signed
content is ``<webhook-id>.<webhook-timestamp>.``, and the id is a hash of
application id, job and scheduled time, with the attempt behind it from the
second on, so a request is good for one attempt of one run only. Among several
machines `Cronsched-Epoch` says which term of office of the sender it is; then
both are behind the hash.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cronsched.base.keys import KEY_SIZE
from cronsched.errors import ConfigurationError, CronError
from cronsched.ledger.protocol import Run

__all__ = ['TOLERANCE', 'Refused', 'Signed', 'check_bare', 'verify']

#: For how many seconds a signature is good where nothing claims the run.
TOLERANCE: Final = 300.0

# Strict on purpose: only the canonical form is accepted.
TIMESTAMP = re.compile(r'[1-9][0-9]{0,11}', re.ASCII)
ATTEMPT = re.compile(r'[1-9][0-9]{0,4}', re.ASCII)
EPOCH = re.compile(r'[1-9][0-9]{0,17}', re.ASCII)
SCHEDULED = re.compile(r'[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z', re.ASCII)
SIGNATURE = re.compile(r'v[0-9]+[a-z]?,[A-Za-z0-9+/]+={0,2}', re.ASCII)
MOST_SIGNATURES = 8


class Refused(CronError):
    """A request whose signature is not valid. The answer does not say why;
    `reason` is for our log."""

    def __init__(self, reason: str) -> None:
        super().__init__('refused')
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Signed:
    """What a valid signature covers."""

    run: Run
    attempt: int     # from 1
    timestamp: int   # UTC seconds
    epoch: int = 0   # of the sender's ownership; 0: there is one machine


def verify(
    headers: Mapping[str, str],
    *,
    application_id: str,
    job: str,
    keys: Sequence[bytes],
    now: float,
    tolerance: float = TOLERANCE,
) -> Signed:
    """The run that `headers` allow to start. `now` and `tolerance` are UTC
    seconds, the latter for a signature's age; one of the future is off by
    `TOLERANCE` at most. `keys` are one, or both of a rotation. Raises `Refused`."""
    found = _lower(headers)
    timestamp = int(_strict(found, 'webhook-timestamp', TIMESTAMP))
    attempt = int(_strict(found, 'cronsched-attempt', ATTEMPT))
    scheduled = _epoch(_strict(found, 'cronsched-scheduled', SCHEDULED))
    run = Run(application_id, job, scheduled)
    epoch = int(_strict(found, 'cronsched-epoch', EPOCH)) if 'cronsched-epoch' in found else 0
    message_id = _message_id(run, attempt, epoch)
    if not _same(found.get('webhook-id', ''), message_id):
        raise Refused('the id is that of another run or attempt')
    if not -TOLERANCE <= now - timestamp <= tolerance:   # so that NaN is refused
        raise Refused(f'signed at {timestamp}, which is {now - timestamp:.0f} s ago')
    if not _is_signed(found.get('webhook-signature', ''), f'{message_id}.{timestamp}.', keys):
        raise Refused('no signature is right')
    return Signed(run, attempt, timestamp, epoch)


def check_bare(headers: Mapping[str, str], query: str | bytes = '', body: bool = False) -> None:
    """Refuse what the signature does not cover, so that who sends a request
    that was signed for us adds nothing to it. `body`: there is one that the
    headers do not tell of. Raises `Refused`."""
    if query:
        raise Refused('it has a query')
    found = {name.lower(): value for name, value in headers.items()}
    if body or found.get('content-length', '0').strip('0') or 'transfer-encoding' in found:
        raise Refused('it has a body')


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in headers.items():
        lower = name.lower()
        if lower in found:
            raise Refused(f'{lower} is there twice')
        found[lower] = value
    return found


def _strict(headers: Mapping[str, str], name: str, form: re.Pattern[str]) -> str:
    value = headers.get(name)
    if value is None:
        raise Refused(f'{name} is missing')
    if not form.fullmatch(value):
        raise Refused(f'{name} is malformed')
    return value


def _epoch(scheduled: str) -> int:
    try:
        return int(datetime.fromisoformat(scheduled).timestamp())
    except ValueError:
        raise Refused('cronsched-scheduled is not a time') from None


def _message_id(run: Run, attempt: int, epoch: int) -> str:
    run_id = _run_id(run)
    if epoch:
        return f'{run_id}_{attempt}_{epoch}'
    return run_id if attempt == 1 else f'{run_id}_{attempt}'


def _run_id(run: Run) -> str:
    if '\0' in run.application_id or '\0' in run.job:
        raise Refused('a NUL in a name: it could be read as another')
    named = f'{run.application_id}\0{run.job}\0{run.scheduled}'
    try:
        return 'run_' + hashlib.sha512(named.encode()).hexdigest()[:32]
    except UnicodeEncodeError:
        raise Refused('a name that is not text') from None


def _is_signed(signatures: str, content: str, keys: Sequence[bytes]) -> bool:
    given = signatures.split(' ')
    if len(given) > MOST_SIGNATURES or not all(map(SIGNATURE.fullmatch, given)):
        raise Refused('webhook-signature is malformed')
    if not keys:
        raise Refused('there is no key')
    # Texts are compared, not bytes: several texts decode to the same bytes.
    # Every pair is looked at, so the time says nothing about which is right.
    matches = [_same(one, _signature(key, content)) for key in keys for one in given]
    return any(matches)


def _signature(key: bytes, content: str) -> str:
    if len(key) != KEY_SIZE:
        raise ConfigurationError(f'a key has {KEY_SIZE} bytes; use derive_key()', field='secret')
    return 'v1,' + base64.b64encode(hmac.digest(key, content.encode(), 'sha256')).decode()


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode('utf-8', 'replace'), other.encode())
