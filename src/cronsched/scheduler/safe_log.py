"""Logging that never fails.

Example::

    say(logging.ERROR, '%s failed', title)
    alarm('%s missed %d run(s)', title, count, extra=fields)   # to Sentry too

A filter, a handler or a formatter of the application may raise, so may Sentry,
and the disk may be full. The reporter must go on: the line goes to stderr then.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from cronsched.telemetry import sentry

__all__ = ['FAULTS', 'alarm', 'say', 'trouble']

log = logging.getLogger('cronsched')

#: What code of the application may raise without ending ours.
FAULTS: Final = (Exception, SystemExit)

Extra = Mapping[str, Any]


def say(
    level: int, message: str, *values: object, extra: Extra | None = None, above: int = 0,
) -> None:
    """As of the line that calls it, or `above` calls further up. `extra`:
    fields of the record."""
    try:
        log.log(level, message, *values, stacklevel=2 + above, extra=extra)
    except FAULTS:
        _to_stderr(message, values)


def trouble() -> None:
    """The error that is being handled, with its traceback."""
    try:
        log.exception('the reporter had trouble and goes on')
    except FAULTS:
        _to_stderr('the reporter had trouble and goes on', ())


def alarm(
    message: str, *values: object, extra: Extra | None = None, is_sent: bool = False,
) -> None:
    """An error, and one event of Sentry's, unless that `is_sent` already."""
    # Who uses Sentry has imported it; where it was not, nothing would listen.
    if sentry.sdk() is None:
        return say(logging.ERROR, message, *values, extra=extra, above=1)
    logged = False
    try:
        with sentry.quiet():
            say(logging.ERROR, message, *values, extra=extra, above=1)
            logged = True
        if not is_sent:
            sentry.send(message % values if values else message, extra or {})
    except FAULTS:
        if not logged:
            say(logging.ERROR, message, *values, extra=extra, above=1)
        _to_stderr(message, values)


def _to_stderr(message: str, values: tuple[object, ...]) -> None:
    with suppress(*FAULTS):
        text = message % values if values else message
        sys.stderr.write(f'cronsched: {text}\ncronsched: this line could not be logged:\n')
        traceback.print_exc(file=sys.stderr)
