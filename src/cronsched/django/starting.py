"""When the jobs start: in the process that answers, and only there.

Django makes its applications in every process: the server and its parent, the
reloader, `migrate`, `shell`, tests. So `ready()` only arms (see
`cronsched.web.knock`), and the first request of a process has a look. After
that nothing of ours is in the way of a request.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import Any, Final

from django.core.management import ManagementUtility, get_commands
from django.core.signals import request_started

from cronsched.django import conf
from cronsched.django.host import HOST
from cronsched.django.jobs import JOBS, refuse_duplicates
from cronsched.errors import CronError
from cronsched.web import knock

__all__ = ['arm', 'command', 'first_request', 'may_serve', 'settings_changed']

log = logging.getLogger('cronsched')

# After jobs could not be started, seconds.
REST: Final = 60.0

# Whose commands are no servers, but for Django's runserver.
SERVE_NOBODY: Final = ('django.core', 'cronsched.django')

_rest_until = 0.0   # by the monotonic clock


def command() -> str | None:
    """The command of `manage.py` that runs, also in the reloader's child; None
    in a server. Not from sys.argv, which a program may have of its own."""
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_code is ManagementUtility.execute.__code__:
            found = frame.f_locals.get('subcommand')
            return found if isinstance(found, str) else None
    return None


def may_serve() -> bool:
    """Whether this process may turn out to be a server. Of Django's own
    commands one is; those of others may be, and their sockets tell."""
    running = command()
    return running in (None, 'runserver') or get_commands().get(running) not in SERVE_NOBODY


def arm() -> None:
    if command() is None:
        refuse_duplicates()   # where no system check tells
    if JOBS:
        knock.arm(HOST)


def first_request(**_: Any) -> None:
    """Never fails: the visitor is not to blame."""
    global _rest_until
    if time.monotonic() < _rest_until:
        return
    try:
        done = not JOBS or knock.visit(HOST)
    except Exception as error:
        done = False
        log.error(
            'the jobs of %s could not be started: %s', HOST.application_id, error,
            # What we have words for needs no traceback.
            exc_info=None if isinstance(error, CronError) else error,
        )
    if done:
        request_started.disconnect(first_request)
    else:
        _rest_until = time.monotonic() + REST


def settings_changed(*, setting: str, **_: Any) -> None:
    """A test overrides the settings."""
    if setting in ('CRONSCHED', 'TIME_ZONE', 'ROOT_URLCONF'):
        conf.forget()
