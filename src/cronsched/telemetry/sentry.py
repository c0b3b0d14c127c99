"""Errors reach Sentry once.

Example::

    with quiet():                             # not by way of the log as well
        log.error('cleanup of shop missed 3 run(s)')
    send('cleanup of shop missed 3 run(s)', fields('shop', 'cleanup'))
    capture(error, fields('shop', 'cleanup'))       # what a job has raised

Two processes hear of a run. Whoever executes it captures what it raises, with
its traceback, also where the framework makes an answer of it; what the
framework's own integration captures beside is the same event, and dropped. The
process that makes the calls sends what nobody could capture: missed, lost,
timed out, not delivered, refused.

Sentry is not imported here: who uses it has imported it. Of a version that
nobody tried, every call may raise; whoever calls is prepared.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final

__all__ = ['Scope', 'capture', 'fingerprint', 'quiet', 'sdk', 'send']

# On an exception: Sentry has got it; and it was a job that raised it.
SEEN: Final = '__cronsched_seen__'
OURS: Final = '__cronsched_ours__'

MECHANISM: Final = {'type': 'cronsched', 'handled': False}

_hooked: Any = None


def sdk() -> Any:
    """`sentry_sdk`, where it is in use; else None."""
    return sys.modules.get('sentry_sdk')


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing is sent meanwhile: Sentry listens to the log as well, unless
    that was switched off."""
    with sdk().new_scope() as scope:
        scope.add_event_processor(lambda event, hint: None)
        yield


def send(text: str, said: Mapping[str, Any]) -> None:
    """An event without an exception. `said`: fields of the log."""
    sentry = sdk()
    with sentry.new_scope() as scope:
        _describe(scope, said)
        if 'cron_job' in said:
            # The text names an instant: by it, each would be an issue of its own.
            scope.fingerprint = fingerprint(said)
        sentry.capture_message(text, level='error')


def fingerprint(said: Mapping[str, Any]) -> list[str]:
    """What makes two events one issue."""
    return ['cronsched', said['cron_application'], said['cron_job'],
            said.get('cron_outcome') or 'failed']


def capture(error: BaseException, said: Mapping[str, Any]) -> None:
    """An exception of a job, unless Sentry has it."""
    sentry = sdk()
    if sentry is None or not sentry.get_client().is_active():
        return
    if not _is_marked(error, SEEN):
        from sentry_sdk.utils import event_from_exception

        event, hint = event_from_exception(
            error, client_options=sentry.get_client().options, mechanism=dict(MECHANISM))
        with sentry.new_scope() as scope:
            _describe(scope, said)
            sentry.capture_event(event, hint=hint)
    _mark(error, OURS)


class Scope:
    """What is sent while a job executes names the job: errors of its own, and
    its transaction, which else is known by its path."""

    def __init__(self, said: Mapping[str, Any]) -> None:
        sentry = sdk()
        _hook(sentry)
        self._around = sentry.new_scope()
        scope = self._around.__enter__()
        _describe(scope, said)
        scope.set_transaction_name(said['cron_job'], source='task')

    def close(self, error: BaseException | None) -> None:
        self._around.__exit__(None, None, None)


def _describe(scope: Any, said: Mapping[str, Any]) -> None:
    if 'cron_application' in said:
        scope.set_tag('cronsched.application_id', said['cron_application'])
    if 'cron_job' in said:
        scope.set_tag('cronsched.job', said['cron_job'])
    if said:
        scope.set_context('cronsched', {
            name.removeprefix('cron_'): value for name, value in said.items()})


def _hook(sentry: Any) -> None:
    """See every exception that is sent from now on."""
    global _hooked
    scope = sentry.get_global_scope()
    if _hooked is not scope:
        _hooked = scope
        scope.add_event_processor(_once)


def _once(event: Any, hint: Any) -> Any:
    error = ((hint or {}).get('exc_info') or (None, None))[1]
    if error is None:
        return event
    if _is_marked(error, OURS):
        return None
    _mark(error, SEEN)
    return event


def _mark(error: BaseException, name: str) -> None:
    with suppress(Exception):   # its class may know better
        setattr(error, name, True)


def _is_marked(error: BaseException, name: str) -> bool:
    return bool(getattr(error, name, False))
