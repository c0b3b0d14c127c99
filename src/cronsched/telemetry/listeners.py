"""Functions that hear of runs.

Example::

    @listen                                  # of every run that has ended
    def note(event): ...

    @listen(kinds=('executing', 'executed'))
    def measure(event): ...

    forget(note)

A listener is called by the thread that has something to tell, and while it
takes its time that thread tells nothing else: the reporter of the process that
makes the calls (not the native thread), or the thread that executes a job.
None of our locks is held. What should take longer goes to a queue of yours.

What a listener raises is logged, once for each kind of event, and changes
nothing for the run or for other listeners.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final, TypeVar, overload

from cronsched.base.locks import Lock
from cronsched.errors import OptionError
from cronsched.jobs.registry import place_of
from cronsched.ledger.values import OUTCOMES
from cronsched.telemetry.events import KINDS, RunEvent
from cronsched.telemetry.fields import fields

__all__ = ['forget', 'listen', 'listens', 'tell']

log = logging.getLogger('cronsched.telemetry')

Function = TypeVar('Function', bound=Callable[[RunEvent], Any])

# What a listener may raise without being felt.
FAULTS: Final = (Exception, SystemExit)


@dataclass(frozen=True, slots=True, eq=False)
class Listener:
    """`of` says which application ids are meant; None: all."""

    function: Callable[[RunEvent], Any]
    kinds: frozenset[str]
    outcomes: frozenset[str] | None
    of: Callable[[str], bool] | None
    #: The kinds of events that it has failed at.
    failed: set[str] = field(default_factory=set)

    def wants(self, event: RunEvent) -> bool:
        return (
            event.kind in self.kinds
            and (self.outcomes is None or event.outcome in self.outcomes)
            and (self.of is None or self.of(event.application_id))
        )


# Replaced, never changed: who tells needs no lock.
_listeners: tuple[Listener, ...] = ()
_lock = Lock()


@overload
def listen(function: Function, /) -> Function: ...
@overload
def listen(
    *,
    kinds: Collection[str] = ...,
    outcomes: Collection[str] | None = ...,
    of: Callable[[str], bool] | None = ...,
) -> Callable[[Function], Function]: ...
def listen(
    function: Any = None,
    /,
    *,
    kinds: Collection[str] = ('ended',),
    outcomes: Collection[str] | None = None,
    of: Callable[[str], bool] | None = None,
) -> Any:
    """Have `function(event)` called in this process for each event of these
    kinds and outcomes; it is returned unchanged. `of`: whether an application
    id is meant. Raises `OptionError`."""
    if function is None:
        return lambda decorated: _add(decorated, kinds, outcomes, of)
    return _add(function, kinds, outcomes, of)


def _add(
    function: Any, kinds: Any, outcomes: Any, of: Callable[[str], bool] | None,
) -> Any:
    global _listeners
    _check_function(function)
    made = Listener(
        function,
        _known('kinds', kinds, KINDS),
        None if outcomes is None else _known('outcomes', outcomes, OUTCOMES),
        of,
    )
    with _lock:
        _listeners = (*_listeners, made)
    return function


def forget(function: Callable[[RunEvent], Any]) -> None:
    """It hears nothing more."""
    global _listeners
    with _lock:
        _listeners = tuple(each for each in _listeners if each.function is not function)


def listens() -> bool:
    """Whether anybody does: an event need not be made for nobody."""
    return bool(_listeners)


def tell(event: RunEvent) -> None:
    for listener in _listeners:
        try:
            if listener.wants(event):
                listener.function(event)
        except FAULTS as error:
            _complain(listener, event, error)


def _complain(listener: Listener, event: RunEvent, error: BaseException) -> None:
    if event.kind in listener.failed:
        return
    listener.failed.add(event.kind)
    with suppress(*FAULTS):   # so does the log: there is nobody left to tell
        log.error(
            'a listener failed at %r, which is said once for this kind of event: %s',
            event.kind, place_of(listener.function), exc_info=error,
            extra=fields(event.application_id, event.job, attempt=event.attempt,
                         outcome=event.outcome))


def _check_function(function: Any) -> None:
    if not callable(function):
        raise OptionError(
            f'listen({function!r}): write a function that takes the event', field='function')
    if inspect.iscoroutinefunction(function):
        raise OptionError(
            f'{function.__qualname__} is async, and nobody awaits a listener: write def, and '
            f'hand over to your loop ({place_of(function)})', field='function')
    try:
        inspect.signature(function).bind(None)
    except TypeError as error:
        raise OptionError(
            f'{function!r} takes {inspect.signature(function)}: a listener takes the event '
            f'({place_of(function)})', field='function') from error
    except ValueError:
        pass   # written in C, and does not tell


def _known(name: str, given: Any, known: tuple[str, ...]) -> frozenset[str]:
    found = [given] if isinstance(given, str) else list(given)
    for each in found:
        if each not in known:
            close = get_close_matches(str(each), known, n=1)
            hint = f'did you mean {close[0]!r}?' if close else f'there are {", ".join(known)}'
            raise OptionError(f'{name}: there is no {each!r}: {hint}', field=name)
    return frozenset(found)
