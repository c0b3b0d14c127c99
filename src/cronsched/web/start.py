"""The jobs of a host are started in this process, where its address is known.

Example::

    start(host, 'http://127.0.0.1:8080')
    stop(host)
"""

from __future__ import annotations

from cronsched.base.locks import Lock
from cronsched.jobs.registry import StartedHere
from cronsched.scheduler import process
from cronsched.scheduler.bound import BoundApplication
from cronsched.web.address import header_lines, name_headers
from cronsched.web.host import Host

__all__ = ['is_started', 'start', 'stop']

# By application id: a process answers for each only once.
_started = StartedHere()
_lock = Lock()


def start(host: Host, address: str) -> None:
    """Have the jobs of `host` called at `address`, without their path. Once
    for an application id: another call changes nothing. Raises `CronError`."""
    with _lock:
        if host.application_id not in _started:
            bound = _bound(host, address.rstrip('/'))
            process.start(bound)
            _started[host.application_id] = bound


def stop(host: Host) -> None:
    """Make no more calls for `host` from this process."""
    with _lock:
        if host.application_id in _started:
            _started.pop(host.application_id).stop()


def is_started(application_id: str) -> bool:
    return application_id in _started


def _bound(host: Host, address: str) -> BoundApplication:
    names = [*host.jobs]
    return BoundApplication(
        host.application_id,
        host.site,
        host.jobs.values(),
        [address + host.url_of(name) for name in names],
        address,
        # A changed address moves no job.
        seeds=[f'{host.application_id}/{name}' for name in names],
        implicit=bool(getattr(host, 'implicit_id', False)),
        headers=header_lines({**name_headers(host.site.settings.public_url), **host.headers}),
    )
