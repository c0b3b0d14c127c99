"""uWSGI forks its workers in C, after it has loaded the application.

Example::

    if postpone(start):     # the master: start() is called in each worker
        return

Whatever runs in its master (a thread, an open ledger) may hold a lock in the
moment of the fork, which no worker could ever get: the site hangs. So nothing
of ours starts there. Without a master, the hook is called in the same process.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

from cronsched.errors import SchedulerError

__all__ = ['addresses', 'check', 'is_master', 'postpone']

HTTP_OPTIONS: Final = ('http-socket', 'http', 'https', 'https-socket')
ANYWHERE: Final = ('', '*', '0.0.0.0', '[::]')   # noqa: S104 (nothing is bound)


def is_master() -> bool:
    """Whether this process loads the application and then forks workers."""
    uwsgi = _uwsgi()
    return uwsgi is not None and uwsgi.worker_id() == 0


def postpone(start: Callable[[], Any]) -> bool:
    """In the master, have `start` called in each worker instead, after the
    hook that is there; elsewhere do nothing. Whether it was postponed."""
    uwsgi = _uwsgi()
    if uwsgi is None or uwsgi.worker_id() != 0:
        return False
    before = getattr(uwsgi, 'post_fork_hook', None)

    def after_fork() -> None:
        if before is not None:
            before()
        start()

    uwsgi.post_fork_hook = after_fork
    return True


def check() -> None:
    """Raise `SchedulerError` where no thread of ours could run."""
    uwsgi = _uwsgi()
    if uwsgi is None:
        return
    if uwsgi.worker_id() == 0:
        raise SchedulerError(
            'nothing can be started in the master of uWSGI, which forks its workers: '
            'start in a function decorated with @uwsgidecorators.postfork'
        )
    if not getattr(uwsgi, 'has_threads', True):
        raise SchedulerError(
            'uWSGI runs no threads of Python: write enable-threads = true in its configuration'
        )


def addresses() -> list[str] | None:
    """Where uWSGI speaks HTTP, as this machine reaches it; None in other
    servers. Its other sockets speak another protocol; and that of its router
    is not among those of a worker."""
    uwsgi = _uwsgi()
    if uwsgi is None:
        return None
    options = {_text(name): value for name, value in uwsgi.opt.items()}
    found = []
    for name in HTTP_OPTIONS:
        value = options.get(name, ())
        values = value if isinstance(value, (list, tuple)) else (value,)
        found += [address for each in values if (address := _address(_text(each)))]
    return found


def _address(text: str) -> str | None:
    """Of `:8000`, `0.0.0.0:8000`, `/run/app.sock` or `:8443,cert,key`."""
    place = text.split(',')[0]
    if place.startswith('/'):
        return f'http+unix://{quote(place, safe="")}'
    host, _, port = place.rpartition(':')
    if not port.isdecimal() or port == '0':
        return None
    return f'http://{"127.0.0.1" if host in ANYWHERE else host}:{port}'


def _uwsgi() -> Any:
    return sys.modules.get('uwsgi')


def _text(name: object) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)
