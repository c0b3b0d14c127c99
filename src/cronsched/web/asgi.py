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
from cronsched.telemetry.fields import fields
from cronsched.web import functions
from cronsched.web.execution import CronRun, Execution, TimedOut
from cronsched.web.host import Answer, Answered, Host
from cronsched.web.leaving import received
from cronsched.web.receive import accept
from cronsched.web.threads import in_thread, in_worker
from cronsched.web.wsgi import ANSWERED_BY

__all__ = [
    'THROW_ERRORS', 'Beginning', 'await_job', 'execute', 'limited', 'make_asgi', 'may_be_raised',
    'name_of', 'serve', 'without_credentials',
]

log = logging.getLogger('cronsched')

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

CREDENTIALS = frozenset((b'cookie', b'authorization'))

#: By this extension of the scope a test asks for the errors themselves.
THROW_ERRORS = 'cronsched.throw_errors'

# A loop keeps only weak references to its tasks.
_tasks: set[asyncio.Task[Any]] = set()


def make_asgi(
    application: Application, host: Host, prefix: str, begin: Callable[[], bool]
) -> Application:
    """`begin` is called, in a thread, with the requests of each process until
    it returns that it is done."""
    start, beginning = f'{prefix}/', Beginning(begin)

    async def with_jobs(scope: Scope, receive: Receive, send: Send) -> None:
        if scope['type'] == 'http':
            if start in scope['path']:
                name = name_of(scope, start)
                if name is not None:
                    return await serve(host, name, scope, receive, send)
            if beginning.process_id != process_id():
                beginning.begin_soon()
        elif scope['type'] == 'lifespan':
            receive = received(receive)
        await application(scope, receive, send)

    vars(with_jobs)[ANSWERED_BY] = host
    return with_jobs


class Beginning:
    """What the first request of a process does, in a thread of ours; again
    with the next request until it has worked."""

    def __init__(self, begin: Callable[[], bool]) -> None:
        self._begin = begin
        #: Where it has worked, or is under way.
        self.process_id = 0

    def begin_soon(self) -> None:
        self.process_id = process_id()
        _keep(asyncio.create_task(self._run()))

    async def _run(self) -> None:
        if not await in_thread(self._begin):
            self.process_id = 0


async def execute(execution: Execution) -> BaseException | None:
    """Call a job and end its run. Returned is what the job raised, as a
    coroutine cannot raise everything (StopIteration), and a task should not
    (SystemExit ends the loop)."""
    try:
        with execution.around() as around:
            error = around.error = await _call(execution, execution.run)
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
    await limited(
        functions.call(execution.job.function, execution.run), execution.policy.timeout
    )


async def limited(job: Awaitable[Any], timeout: float) -> None:
    """Await `job`, and end it after `timeout` seconds: `TimedOut`."""
    try:
        async with asyncio.timeout(timeout) as limit:
            await job
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


def may_be_raised(error: BaseException) -> bool:
    """By a coroutine, without ending the loop or becoming something else."""
    return isinstance(error, Exception) and not isinstance(
        error, (StopIteration, StopAsyncIteration)
    )


def _is_cancelled() -> bool:
    """Whether this task was cancelled from outside, by the loop."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def name_of(scope: Scope, start: str) -> str | None:
    """The name of the job that the path is of, below where we are mounted."""
    path: str = scope['path']
    root = scope.get('root_path', '').rstrip('/')
    if root and path.startswith(f'{root}/'):
        path = path[len(root):]
    return path[len(start):] if path.startswith(start) else None


async def serve(
    host: Host,
    name: str,
    scope: Scope,
    receive: Receive,
    send: Send,
    execute: Callable[[Execution], Awaitable[BaseException | None]] = execute,
    *,
    raises: bool = False,
) -> None:
    """Answer the request for a job. `execute` ends the run and returns what was
    raised; with `raises` an error is raised, once it is answered, for whoever
    reports errors around us."""
    body = await _has_body(scope, receive)
    task = asyncio.create_task(_answer(host, name, scope, body, execute))
    _keep(task)
    answer, error = await asyncio.shield(task)
    if isinstance(error, (SystemExit, KeyboardInterrupt)) and not raises:
        raise error   # a server bears it; in a task of a middleware it ends the loop
    await _send(answer, send)
    if error is not None:
        if may_be_raised(error) and (raises or THROW_ERRORS in scope.get('extensions', ())):
            raise error
        log.error('%s of %s failed', name, host.application_id, exc_info=error,
                  extra=fields(host.application_id, name, outcome='failed'))


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
    host: Host,
    name: str,
    scope: Scope,
    body: bool,
    execute: Callable[[Execution], Awaitable[BaseException | None]],
) -> tuple[Answer, BaseException | None]:
    """The answer, and what was raised. It is not raised here: an exit would
    end the whole loop."""
    request = without_credentials(scope)
    try:
        execution = await in_thread(
            accept, host, name, _headers(scope),
            method=scope['method'], query=scope.get('query_string', b''), body=body,
            request=request,
        )
    except Answered as answered:
        return answered.answer, None
    error = await execute(execution)
    return execution.answer, error


def _headers(scope: Scope) -> dict[str, str]:
    """One that is there twice is joined, and then no longer what was signed."""
    headers: dict[str, str] = {}
    for name, value in scope['headers']:
        key, text = name.decode('latin-1').lower(), value.decode('latin-1')
        headers[key] = f'{headers[key]}, {text}' if key in headers else text
    return headers


def without_credentials(scope: Scope) -> Scope:
    # The sender of a job sends nothing that the signature does not cover.
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
