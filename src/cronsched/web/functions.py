"""Checks of a job's function, made where it is decorated.

Example::

    check(cleanup, 'zero or one', loop=False)     # def cleanup(): or (run)
    call(cleanup, run)

A function takes nothing, or one argument, the run; where the framework's
request is the argument (Morepath, OneGov), exactly one. What would never
execute, or would only fail when it is due, is an error at once: a
generator, `async def` without an event loop, more arguments.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final, Literal

from cronsched.errors import OptionError
from cronsched.jobs.registry import place_of

__all__ = ['Arguments', 'call', 'check', 'check_parentheses', 'check_result', 'is_async']

Arguments = Literal['zero or one', 'one', 'injected']

WANTED: Final[dict[Arguments, str]] = {
    'zero or one': 'a job takes nothing or one argument, the run',
    'one': 'a job takes one argument, the request',
    'injected': 'whatever the framework can inject',
}


def check(function: Callable[..., Any], arguments: Arguments, *, loop: bool) -> None:
    """Raise `OptionError`, naming file and line, for a function that could
    not run as a job. `loop`: there is an event loop that awaits it."""
    if not callable(function) or isinstance(function, type):
        raise OptionError(f'{function!r} is not a function: decorate one', field='function')
    if _is(function, inspect.isgeneratorfunction) or _is(function, inspect.isasyncgenfunction):
        _refuse(function, 'is a generator: nothing would run its body; remove the yield')
    if is_async(function) and not loop:
        _refuse(
            function,
            'is async, and there is no event loop here to await it: write def, or '
            'asyncio.run() in its body',
        )
    _count(function, arguments)


def check_parentheses(expression: object, decorator: str) -> None:
    """Raise `OptionError` for a decorator that got the function itself."""
    if callable(expression):
        raise OptionError(
            f'{decorator} needs parentheses and a time, {place_of(expression)}: write '
            f"{decorator}('0 8 * * *', timezone='Europe/Zurich')",
            field='expression',
        )


def is_async(function: Callable[..., Any]) -> bool:
    return _is(function, inspect.iscoroutinefunction)


def call(function: Callable[..., Any], run: Any) -> Any:
    """Call a function that was checked for 'zero or one', with the run if it
    takes it. Returns what an `async def` is to be awaited by."""
    return function(run) if _takes_run(function) else function()


def check_result(function: Callable[..., Any], result: Any) -> None:
    """What a function returns is ignored; but a coroutine means that nothing
    was executed, so the run has failed: raises `OptionError`."""
    if inspect.iscoroutine(result):
        result.close()
        _refuse(function, 'returned a coroutine, which nobody awaits: decorate it as async def')


def _is(function: Callable[..., Any], kind: Callable[[Any], bool]) -> bool:
    # An object may be called by a method; a partial is looked through.
    return kind(function) or kind(getattr(function, '__call__', None))  # noqa: B004


def _count(function: Callable[..., Any], arguments: Arguments) -> None:
    own = _signature(function)
    if own is None or arguments == 'injected':
        return
    fewest = 0 if arguments == 'zero or one' else 1
    if not any(_binds(own, count) for count in range(fewest, 2)):
        _refuse(function, f'takes {own}: {WANTED[arguments]}')
    if arguments == 'zero or one' and _binds(own, 0):
        _check_default(function, own)


def _check_default(function: Callable[..., Any], own: inspect.Signature) -> None:
    # `def job(town=town)` means something else than the run.
    first = next(iter(own.parameters.values()), None)
    if first is not None and first.default not in (inspect.Parameter.empty, None) and (
        first.kind is not inspect.Parameter.KEYWORD_ONLY
    ):
        _refuse(
            function,
            f'would get the run in place of the default {first}: write it keyword-only, '
            f'(*, {first}), or (run, {first})',
        )


def _takes_run(function: Callable[..., Any]) -> bool:
    own = _signature(function)
    if own is None or not _binds(own, 0):
        return True
    if not _binds(own, 1):
        return False
    # A wrapper that passes on whatever it gets: what it wraps decides.
    wrapped = inspect.unwrap(function)
    inner = own if wrapped is function else _signature(wrapped)
    return inner is None or _binds(inner, 1) or not _binds(inner, 0)


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    """Of the function as it is called, not of what it wraps; None for what is
    written in C and does not tell."""
    try:
        return inspect.signature(function, follow_wrapped=False)
    except (ValueError, TypeError):
        return None


def _binds(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*(None,) * count)
    except TypeError:
        return False
    return True


def _refuse(function: Callable[..., Any], fault: str) -> None:
    name = getattr(function, '__qualname__', None) or repr(function)
    raise OptionError(f'{name} {fault} ({place_of(function)})', field='function')
