"""Finds out which process serves, and where: an armed process sends a request to
its own listening sockets (the knock), and the process that answers starts.

Example::

    arm(host)                       # where the application is made
    raise answer(host, headers)     # 204, and our signature of its nonce

Armed is every process that makes the application object: the one that serves,
one that only forks workers, a reloader, `manage.py migrate`. So arming
remembers, and asks the native thread to look; nothing else of ours (a Python
thread, a connection to the ledger, a lock) exists there. A process that has no
listening socket, or whose server is not known to speak HTTP, is never knocked
at; there `visit`, called with the first request, says what to write.
"""

from __future__ import annotations

import atexit
import functools
import logging
import os
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from cronsched._cronsched import Knock, News
from cronsched.base import clock
from cronsched.base.rates import Rate
from cronsched.errors import CronError
from cronsched.jobs.settings import Settings
from cronsched.scheduler import forks, process, uwsgi
from cronsched.web import facts, start
from cronsched.web.address import address_of, header_lines, name_headers, paths
from cronsched.web.diagnosis import WORDS, diagnose, words
from cronsched.web.host import KNOCK, OUTCOME_HEADER, Answered, Diagnosis, Host
from cronsched.web.knocking import (
    ADDRESS_HEADER,
    APPLICATION_HEADER,
    PROOF_HEADER,
    Asked,
    proof,
    verify_knock,
)
from cronsched.web.signing import Refused

__all__ = ['answer', 'arm', 'disarm', 'visit']

log = logging.getLogger('cronsched')

# Asks whether anything listens, where nobody may be knocked at yet.
NO_KEY: Final = bytes(32)


class _Knocks:
    """The knock of this process, and for whom. A `forks.Companion`."""

    def __init__(self) -> None:
        self.hosts: dict[str, Host] = {}
        self.targets: dict[str, int] = {}
        self.asking: dict[str, int] = {}
        self.process_id = os.getpid()
        self.native: Knock | None = None
        self.inherited: list[Knock] = []   # never touched, not even to free it

    def arm(self, host: Host) -> None:
        with forks.lock:
            self.hosts[host.application_id] = host
            native = self.started()
            if host.application_id not in self.targets:
                self.look_for(native, host)

    def look_for(self, native: Knock, host: Host) -> None:
        """With the lock: as one that knocks, or first as one that asks."""
        name, settings = host.application_id, _settings_of(host)
        if name not in self.asking and not self.permits(host):
            # It learns nothing that it could send.
            self.asking[name] = native.arm(name, NO_KEY, '/nowhere', ['/'])
        if not self.permits(host):
            return
        if name in self.asking:
            native.disarm(self.asking.pop(name))
        key = host.site.key(name)
        assert key is not None   # a host that is armed is strict
        headers = {
            **name_headers(settings.public_url), **host.headers,
            APPLICATION_HEADER: quote(name, safe=''),
        }
        self.targets[name] = native.arm(
            name, key, process.lease_directory(settings),
            paths(host.url_of(KNOCK), public_url=settings.public_url),
            header_lines(headers),
            uwsgi.addresses() or (),
        )
        native.permit(True)
        if start.is_started(name):
            native.started(self.targets[name])

    @staticmethod
    def permits(host: Host) -> bool:
        return facts.server() is not None and not facts.reason_not_to_start(
            _settings_of(host).enabled, serving=False
        )

    def started(self) -> Knock:
        """With the lock: the knock of this process, running."""
        self.renew()
        if self.native is None:
            self.native = Knock(self.told)
        self.native.start()
        return self.native

    def told(self) -> None:
        """Called in the main thread, between two steps of whatever runs there;
        so no lock is waited for."""
        native = self.native
        while native is not None and (news := native.take()) is not None:
            if news.kind == 'ask':
                self.consult()
            elif news.kind != 'answered':
                self.report(news)

    def consult(self) -> None:
        """Something listens now: is it a server that may be knocked at?"""
        native = self.native
        for name in list(self.asking):
            if native is not None and name in self.hosts:
                self.look_for(native, self.hosts[name])

    def report(self, news: News) -> None:
        names = {target: name for name, target in self.targets.items()}
        host = self.hosts.get(names.get(news.target, ''))
        if host is not None:
            found = diagnose(news.kind, news.url, news.status, news.location, news.outcome)
            log.error('%s', words(found, host.application_id, host.told(found)))

    # -- around a fork -------------------------------------------------------

    def pause(self) -> None:
        if self.native is not None and self.process_id == os.getpid():
            self.native.stop()

    def resume(self) -> None:
        self.renew()
        for host in list(self.hosts.values()) if self.native is None else ():
            self.arm(host)
        if self.native is not None:
            self.native.start()

    def renew(self) -> None:
        if self.process_id != os.getpid():
            self.process_id = os.getpid()
            if self.native is not None:
                self.inherited.append(self.native)
            self.native = None
            self.targets.clear()
            self.asking.clear()


def _settings_of(host: Host) -> Settings:
    """Without the keys and the ledger of its site, if it can tell."""
    found = getattr(host, 'settings', None)
    return found if isinstance(found, Settings) else host.site.settings


_knocks = _Knocks()
_refused = Rate()
_not_started: dict[str, Rate] = {}


@functools.cache
def _hook() -> None:
    forks.watch(_knocks)
    atexit.register(_knocks.pause)


def arm(host: Host) -> None:
    """Have this process look for who serves `host`. Never fails: what stands
    in the way is logged."""
    if uwsgi.postpone(functools.partial(arm, host)):
        return forks.prepare()
    try:
        reason = facts.reason_not_to_start(_settings_of(host).enabled, serving=False)
        if reason:
            log.debug('the jobs of %s are not started: %s', host.application_id, reason)
            return
        uwsgi.check()
        _hook()
        _knocks.arm(host)
    except CronError as error:
        log.error('the jobs of %s cannot be started: %s', host.application_id, error)


def disarm(host: Host) -> None:
    with forks.lock:
        _knocks.hosts.pop(host.application_id, None)
        for known in (_knocks.targets, _knocks.asking):
            target = known.pop(host.application_id, None)
            if target is not None and _knocks.native is not None:
                _knocks.native.disarm(target)


def visit(host: Host) -> bool:
    """With the first requests of a process: whether there is nothing more to
    do here. Raises `CronError`."""
    settings = _settings_of(host)
    if start.is_started(host.application_id):
        return True
    reason = facts.reason_not_to_start(settings.enabled)
    if reason:
        _say_why_not(host, reason)
    elif settings.base_url is not None:
        start.start(host, settings.base_url)
        _mark_started(host)
    elif facts.server() is not None:
        arm(host)   # after a plain fork() of C, nobody has
    else:
        # As for a socket that speaks no HTTP: only a setting can say it.
        told = host.told(Diagnosis('not_http', '')) or WORDS['not_http'][1]
        log.error(
            'the jobs of %s are not started: where this server is reached is not known: %s',
            host.application_id, told,
        )
    return True


def answer(host: Host, headers: Mapping[str, str]) -> Answered:
    """The answer to a knock, in whatever process, thread or greenlet: the jobs
    are started, or this process stands by. Twice is harmless. Raises `Refused`
    for what is no knock."""
    keys = host.site.keys(host.application_id)
    try:
        asked = verify_knock(headers, keys, clock.now())
    except Refused as refused:
        return _refuse(host, headers, refused)
    prove = {PROOF_HEADER: proof(asked)}
    reason = facts.reason_not_to_start(host.site.settings.enabled)
    if reason:
        _say_why_not(host, reason)
        return Answered(204, {**prove, OUTCOME_HEADER: 'off'})
    try:
        _start_at(host, asked)
    except CronError as error:
        if _not_started.setdefault(host.application_id, Rate()).count():
            log.error('the jobs of %s are not started: %s', host.application_id, error)
        return Answered(204, {**prove, OUTCOME_HEADER: 'off'})
    return Answered(204, prove)


def _start_at(host: Host, asked: Asked) -> None:
    address = host.site.settings.base_url or address_of(asked.url, host.url_of(KNOCK))
    if address is None:
        raise CronError(f'{asked.url} does not end with {host.url_of(KNOCK)}')
    start.start(host, address)
    _mark_started(host)


def _mark_started(host: Host) -> None:
    target = _knocks.targets.get(host.application_id)
    native = _knocks.native
    if target is not None and native is not None and _knocks.process_id == os.getpid():
        native.started(target)


def _refuse(host: Host, headers: Mapping[str, str], refused: Refused) -> Answered:
    """The answer says which of two mistakes it is."""
    found = {name.lower(): value for name, value in headers.items()}
    if ADDRESS_HEADER.lower() not in found:
        raise refused
    name = quote(host.application_id, safe='')
    is_other = found.get(APPLICATION_HEADER.lower(), name) != name
    if _refused.count():
        log.warning(
            'refused a knock at %s: %s', host.application_id,
            'it is for another application id' if is_other else refused.reason,
        )
    return Answered(401, {OUTCOME_HEADER: 'other' if is_other else 'refused'})


def _say_why_not(host: Host, reason: str) -> None:
    if _not_started.setdefault(host.application_id, Rate()).count():
        log.info('the jobs of %s are not started: %s', host.application_id, reason)
