"""Logging that never fails.

Example::

    say(logging.ERROR, '%s failed', title)
    alarm('%s missed %d run(s)', title, count)     # an error, to Sentry too

A filter, a handler or a formatter of the application may raise, so may Sentry,
and the disk may be full. The reporter must go on: the line goes to stderr then.
"""

from __future__ import annotations

import logging
import sys
import traceback
from contextlib import suppress
from typing import Final

__all__ = ['FAULTS', 'alarm', 'say', 'trouble']

log = logging.getLogger('cronsched')

#: What code of the application may raise without ending ours.
FAULTS: Final = (Exception, SystemExit)


def say(level: int, message: str, *values: object, above: int = 0) -> None:
    """As of the line that calls it, or `above` calls further up."""
    try:
        log.log(level, message, *values, stacklevel=2 + above)
    except FAULTS:
        _to_stderr(message, values)


def trouble() -> None:
    """The error that is being handled, with its traceback."""
    try:
        log.exception('the reporter had trouble and goes on')
    except FAULTS:
        _to_stderr('the reporter had trouble and goes on', ())


def alarm(message: str, *values: object) -> None:
    # An application that uses Sentry has imported it.
    sentry = sys.modules.get('sentry_sdk')
    if sentry is None:
        return say(logging.ERROR, message, *values, above=1)
    logged = False
    try:
        # It listens to the log as well, unless that was switched off: only
        # the message is to be sent.
        with sentry.new_scope() as scope:
            scope.add_event_processor(_drop)
            say(logging.ERROR, message, *values, above=1)
            logged = True
        sentry.capture_message(message % values if values else message, level='error')
    except FAULTS:
        if not logged:
            say(logging.ERROR, message, *values, above=1)
        _to_stderr(message, values)


def _drop(event: object, hint: object) -> None:
    """Tells Sentry not to send."""


def _to_stderr(message: str, values: tuple[object, ...]) -> None:
    with suppress(*FAULTS):
        text = message % values if values else message
        sys.stderr.write(f'cronsched: {text}\ncronsched: this line could not be logged:\n')
        traceback.print_exc(file=sys.stderr)
