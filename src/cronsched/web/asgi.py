"""Jobs in front of an ASGI application.

Example::

    application = make_asgi(application, host, '/cronjobs', begin)

`async def` jobs are awaited in the loop that serves the request, and ended at
their timeout; `def` jobs have a thread. Each has a task of its own: a client
that goes away, and a server that cancels the request then, does not end it.
`run.request` is the scope. Needs an asyncio loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any, TypeAlias

from cronsched.base.forks import process_id
from cronsched.web import functions
from cronsched.web.execution import CronRun, Execution, TimedOut
from cronsched.web.host import Answer, Answered, Host
from cronsched.web.receive import accept
from cronsched.web.threads import in_thread, in_worker

__all__ = ['await_job', 'execute', 'make_asgi']

log = logging.getLogger('cronsched')

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

CREDENTIALS = frozenset((b'cookie', b'authorization'))

# A loop keeps its tasks by weak references only.
_tasks: set[asyncio.Task[Any]] = set()


def make_asgi(
    application: Application, host: Host, prefix: str, begin: Callable[[], bool]
) -> Application:
    """`begin` is called, in a thread, with the requests of each process until
    it says that it is done."""
    start = f'{prefix}/'
    seen = 0

    async def first(pid: int) -> None:
        nonlocal seen
        seen = pid
        if not await in_thread(begin):
            seen = 0

    async def with_jobs(scope: Scope, receive: Receive, send: Send) -> None:
        if scope['type'] == 'http':
            if start in scope['path']:
                name = _name_of(scope, start)
                if name is not None:
                    return await _serve(host, name, scope, receive, send)
            if seen != process_id():
                _keep(asyncio.create_task(first(process_id())))
        await application(scope, receive, send)

    return with_jobs


async def execute(execution: Execution) -> BaseException | None:
    """Call a job and end its run. Returned is what the job raised, as a
    coroutine cannot raise everything (StopIteration), and a task should not
    (SystemExit ends the loop)."""
    try:
        error = await _call(execution, execution.run)
    except BaseException as raised:
        error = raised
    await execution.aend(error)
    if isinstance(error, asyncio.CancelledError) and _is_cancelled():
        raise error
    return error


async def _call(execution: Execution, run: CronRun) -> BaseException | None:
    function = execution.job.function
    if not functions.is_async(function):
        return await in_worker(_error_of, function, run)
    await await_job(execution)
    return None


async def await_job(execution: Execution) -> None:
    """Await an `async def` job, and end it at its timeout: `TimedOut`."""
    timeout = execution.policy.timeout
    try:
        async with asyncio.timeout(timeout) as limit:
            await functions.call(execution.job.function, execution.run)
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise TimedOut(f'ended at its timeout of {timeout:g} s') from error


def _error_of(function: Callable[..., Any], run: CronRun) -> BaseException | None:
    try:
        functions.check_result(function, functions.call(function, run))
    except BaseException as error:
        return error
    return None


def _is_cancelled() -> bool:
    """Whether somebody wants this task to end: the loop does."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _name_of(scope: Scope, start: str) -> str | None:
    """The name of the job that the path is of, below where we are mounted."""
    path: str = scope['path']
    root = scope.get('root_path', '').rstrip('/')
    if root and path.startswith(f'{root}/'):
        path = path[len(root):]
    return path[len(start):] if path.startswith(start) else None


async def _serve(host: Host, name: str, scope: Scope, receive: Receive, send: Send) -> None:
    body = await _has_body(scope, receive)
    task = asyncio.create_task(_answer(host, name, scope, body))
    _keep(task)
    answer, error = await asyncio.shield(task)
    if error is not None:
        raise error
    await _send(answer, send)


def _keep(task: asyncio.Task[Any]) -> None:
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


async def _has_body(scope: Scope, receive: Receive) -> bool:
    """One that the headers do not tell of, as in HTTP/2."""
    if any(name in (b'content-length', b'transfer-encoding') for name, _ in scope['headers']):
        return False
    message = await receive()
    return bool(message.get('body') or message.get('more_body'))


async def _answer(
    host: Host, name: str, scope: Scope, body: bool
) -> tuple[Answer, BaseException | None]:
    """The answer, and what is to be raised beside it. An exit is not raised
    here: in a task it would end the whole loop."""
    request = _without_credentials(scope)
    try:
        execution = await in_thread(
            accept, host, name, _headers(scope),
            method=scope['method'], query=scope.get('query_string', b''), body=body,
            request=request,
        )
    except Answered as answered:
        return answered.answer, None
    error = await execute(execution)
    if error is not None:
        log.error('%s of %s failed', name, host.application_id, exc_info=error)
    return execution.answer, None if isinstance(error, Exception) else error


def _headers(scope: Scope) -> dict[str, str]:
    """One that is there twice is joined, and then no longer what was signed."""
    headers: dict[str, str] = {}
    for name, value in scope['headers']:
        key, text = name.decode('latin-1').lower(), value.decode('latin-1')
        headers[key] = f'{headers[key]}, {text}' if key in headers else text
    return headers


def _without_credentials(scope: Scope) -> Scope:
    # What a signature does not cover is not from the sender of a job.
    kept = [each for each in scope['headers'] if each[0].lower() not in CREDENTIALS]
    return {**scope, 'headers': kept}


async def _send(answer: Answer, send: Send) -> None:
    body = answer.text.encode()
    headers = [(name.lower().encode(), value.encode()) for name, value in answer.headers.items()]
    if answer.status != HTTPStatus.NO_CONTENT:
        headers += [
            (b'content-type', b'text/plain; charset=utf-8'),
            (b'content-length', str(len(body)).encode()),
        ]
    await send({'type': 'http.response.start', 'status': answer.status, 'headers': headers})
    await send({'type': 'http.response.body', 'body': body})
