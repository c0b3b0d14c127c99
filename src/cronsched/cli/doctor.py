"""The command `doctor`: is an application reached, and who answers there?

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
import sys
import time
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

from cronsched.base.directories import find_state_directory
from cronsched.base.keys import SECRET_FILE, derive_key, state_secret
from cronsched.base.text import printable
from cronsched.cli.access import add_ledger_options, opened
from cronsched.cli.owners import Owners
from cronsched.cli.runs import write_json
from cronsched.cli.terminal import Terminal
from cronsched.cli.zones import Zones
from cronsched.errors import CronError
from cronsched.ledger import Ledger
from cronsched.web.diagnosis import diagnose, words
from cronsched.web.host import KNOCK, OUTCOME_HEADER
from cronsched.web.knocking import APPLICATION_HEADER, PROOF_HEADER, is_proof, sign_knock

__all__ = ['add_arguments', 'knock', 'run']

DESCRIPTION = """\
Sends each application a signed request that runs nothing, as the scheduler
does at start, and says who answers it or what prevents that. It starts nothing
where something runs already."""
EXAMPLES = (
    'cronsched doctor',
    'cronsched doctor -a shop --at http://127.0.0.1:8000',
)
STATUSES = (
    ('1', 'an application does not answer as it should'),
    ('2', 'there is no ledger or no secret'),
)
FAULT = 1
INDENT = 4
TIMEOUT: Final = 10.0   # seconds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--at', metavar='URL', help='where it is reached, instead of the '
                        'address in the ledger')
    parser.add_argument('--prefix', default='/cronjobs', help='of its jobs (default /cronjobs)')
    add_ledger_options(parser)


def run(arguments: argparse.Namespace) -> int:
    with opened(arguments, looks=True) as ledger:
        return _examine(arguments, ledger)


def _examine(arguments: argparse.Namespace, ledger: Ledger) -> int:
    results = []
    owners = Owners(ledger, Zones(ledger.jobs()), time.time())
    for application_id, address in _places(arguments, ledger):
        fault = knock(_key(arguments, application_id), application_id,
                      f'{address.rstrip("/")}{arguments.prefix}/{KNOCK}')
        results.append({'application_id': application_id, 'address': address,
                        'owner': owners.data(application_id), 'fault': fault or None})
        if not arguments.json:
            _write(results[-1])
    if arguments.json:
        write_json(results)
    return FAULT if any(result['fault'] for result in results) else 0


def _write(result: dict[str, Any]) -> None:
    terminal = Terminal(sys.stdout)
    terminal.write(terminal.strong(terminal.name(result['application_id'])))
    terminal.write_folded(f'  {_owner(result["owner"])}', INDENT)
    if result['fault']:
        terminal.write_folded(f'  {terminal.bad("not reached:")} {result["fault"]}', INDENT)
    else:
        terminal.write_folded(
            f'  {terminal.good("answers")} at {printable(result["address"])}', INDENT)


def _owner(owner: dict[str, Any] | None) -> str:
    if owner is None:
        return 'no process runs it'
    return printable(f'is run by process {owner["pid"]} on {owner["host"]}, from {owner["code"]} '
                     f'at {owner["address"]}')


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
                f'{printable(application_id)} is not in the ledger, so it has never run: write '
                'where it is reached, with --at http://127.0.0.1:8000'
            )
        yield application_id, address


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
        import ssl  # a Python may have been built without it
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
