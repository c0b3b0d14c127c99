"""Where an application is reached, who answers there, and what stands in the
way: the knock, by hand.

Example::

    cronsched doctor                          # every application id of the ledger
    cronsched doctor -a shop --at http://127.0.0.1:8000

It asks as the scheduler would, with the secret of the state directory, and
starts nothing where something runs already.
"""

from __future__ import annotations

import argparse
import http.client
import socket
import ssl
import sys
import time
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

from cronsched.base.directories import find_state_directory
from cronsched.base.keys import SECRET_FILE, derive_key, state_secret
from cronsched.base.text import printable
from cronsched.cli.terminal import Terminal
from cronsched.errors import CronError
from cronsched.ledger import Ledger
from cronsched.web.diagnosis import diagnose, words
from cronsched.web.host import KNOCK, OUTCOME_HEADER
from cronsched.web.knocking import APPLICATION_HEADER, PROOF_HEADER, is_proof, sign_knock

__all__ = ['add_options', 'examine']

TIMEOUT: Final = 10.0   # seconds


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--at', metavar='URL', help='where it is reached, instead of the '
                        'address in the ledger')
    parser.add_argument('--prefix', default='/cronjobs', help='of its jobs (default /cronjobs)')


def examine(arguments: argparse.Namespace, ledger: Ledger) -> int:
    """Exit status: 0 when all of them answer as they should."""
    terminal = Terminal(sys.stdout)
    good = True
    for application_id, address in _places(arguments, ledger):
        terminal.write(terminal.strong(printable(application_id)))
        terminal.write(f'  {_owner(ledger, application_id)}')
        fault = knock(_key(arguments, application_id), application_id,
                      f'{address.rstrip("/")}{arguments.prefix}/{KNOCK}')
        if fault:
            terminal.write(f'  {terminal.bad("not reached:")} {fault}')
        else:
            terminal.write(f'  {terminal.good("answers")} at {printable(address)}')
        good &= not fault
    return 0 if good else 1


def knock(key: bytes, application_id: str, url: str) -> str:
    """What stands in the way of a request to `url`; '' for nothing."""
    headers = {
        **sign_knock(key, url, time.time()), APPLICATION_HEADER: quote(application_id, safe=''),
        'Content-Length': '0', 'Connection': 'close',
    }
    try:
        status, found = _send(url, headers)
    except (OSError, http.client.HTTPException, ValueError) as error:
        kind = 'silent' if isinstance(error, TimeoutError) else 'unreached'
        found, status = {}, 0
    else:
        proof = found.get(PROOF_HEADER.lower(), '')
        if status == 204 and is_proof(key, headers['webhook-id'], proof):
            return ''
        kind = 'refused'
    outcome, location = found.get(OUTCOME_HEADER.lower(), ''), found.get('location', '')
    return words(diagnose(kind, url, status, location, outcome), printable(application_id))


def _places(arguments: argparse.Namespace, ledger: Ledger) -> Iterator[tuple[str, str]]:
    known = {each.application_id: each.base_url for each in ledger.applications()}
    for application_id in arguments.application or sorted(known):
        address = arguments.at or known.get(application_id)
        if address is None:
            raise CronError(
                f'{printable(application_id)} is not in the ledger, so nobody has run it: say '
                'where it is reached, with --at http://127.0.0.1:8000'
            )
        yield application_id, address


def _owner(ledger: Ledger, application_id: str) -> str:
    owner = ledger.owners([application_id]).get(application_id)
    if owner is None or not owner.alive:
        return 'nobody runs it'
    return printable(
        f'is run by pid {owner.pid} of {owner.host}, from {owner.code_root} at {owner.address}'
    )


def _key(arguments: argparse.Namespace, application_id: str) -> bytes:
    settings = arguments.settings
    if settings is not None and settings.secret:
        return derive_key(settings.secret, application_id)
    directory = find_state_directory(
        arguments.state_directory or (settings.state_directory if settings else None))
    # To look makes nothing, not even a secret.
    if not (directory / SECRET_FILE).exists():
        raise CronError(f'there is no secret in {directory}: name the directory of the '
                        'application with --state-directory')
    return derive_key(state_secret(directory), application_id)


class _SocketConnection(http.client.HTTPConnection):
    """To a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__('localhost', timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(TIMEOUT)
        self.sock.connect(self._path)


def _send(url: str, headers: dict[str, str]) -> tuple[int, dict[str, str]]:
    parts = urlsplit(url)
    connection: Any
    if parts.scheme == 'http+unix':
        connection = _SocketConnection(unquote(parts.netloc))
    elif parts.scheme == 'https':
        # Whoever's certificate it is: the answer proves itself.
        context = ssl._create_unverified_context()   # noqa: S323
        connection = http.client.HTTPSConnection(parts.netloc, timeout=TIMEOUT, context=context)
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT)
    try:
        connection.request('POST', parts.path, headers=headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()
