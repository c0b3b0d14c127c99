"""The two views that run jobs, and what Django does around them.

A job is a request like others: the middleware acts, old connections are
closed, `got_request_exception` is sent. Of what stands in the way of others it
is exempt, for its signature is the check. Where ATOMIC_REQUESTS asks for a
transaction, it is opened around the function alone, so that a run is recorded
after its commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.core.handlers.exception import response_for_exception
from django.db import connections, transaction
from django.http import Http404, HttpResponse
from django.http.multipartparser import MultiPartParserError

from cronsched.django.host import HOST
from cronsched.web import functions
from cronsched.web.asgi import execute, without_credentials
from cronsched.web.execution import Execution
from cronsched.web.host import Answer, Answered
from cronsched.web.receive import accept
from cronsched.web.threads import in_thread
from cronsched.web.wsgi import remove_credentials

__all__ = ['run', 'run_async']


class JobFailed(Exception):
    """In place of what Django makes an answer of."""


# Of a job they are failures: nobody asked for a page.
ANSWERS: Final = (
    Http404, PermissionDenied, BadRequest, SuspiciousOperation, MultiPartParserError,
)


class AfterCommit(Exception):
    """What `on_commit` raised: the data is saved, and the run has failed."""


def run(request: Any, name: str) -> Any:
    """A `def` job."""
    try:
        execution = _accept(request, name)
    except Answered as answered:
        return _response(answered.answer)
    _forget_who(request)
    try:
        with execution as cron_run, _transactions():
            functions.check_result(
                execution.job.function, functions.call(execution.job.function, cron_run)
            )
    except Exception as error:
        return _failure(request, error, execution.answer)
    return _response(execution.answer)


async def run_async(request: Any, name: str) -> Any:
    """An `async def` job, in a task of its own: Django cancels a view whose
    client went away, and a job does not end with the connection."""
    try:
        execution = await in_thread(_accept, request, name)
    except Answered as answered:
        return _response(answered.answer)
    _forget_who(request)
    task = asyncio.create_task(_execute(execution))
    _tasks.add(task)   # a loop keeps its tasks by weak references only
    task.add_done_callback(_tasks.discard)
    error = await asyncio.shield(task)
    if error is None:
        return _response(execution.answer)
    try:
        raise error
    except Exception as raised:
        # As Django does it, with the exception at hand in the thread as well.
        failure = sync_to_async(_failure, thread_sensitive=False)
        return await failure(request, raised, execution.answer)


_tasks: set[asyncio.Task[Any]] = set()


async def _execute(execution: Execution) -> BaseException | None:
    try:
        return await execute(execution)
    finally:
        # Where the request has ended meanwhile, nobody else does.
        await sync_to_async(_close_old_connections)()


def _close_old_connections() -> None:
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:   # a test's is
            connection.close_if_unusable_or_obsolete()


class _Everything:
    """A set of all aliases: Django's decorator knows one at a time, and an
    async view with ATOMIC_REQUESTS anywhere is an error."""

    def __contains__(self, alias: object) -> bool:
        return True


# As attributes: the decorators would make a sync view of an async one.
EXEMPT: Final = {
    'csrf_exempt': True, 'login_required': False, '_non_atomic_requests': _Everything(),
}
for view in (run, run_async):
    vars(view).update(EXEMPT)


def _accept(request: Any, name: str) -> Execution:
    return accept(
        HOST, name, request.headers,
        method=request.method,
        query=request.META.get('QUERY_STRING', ''),
        body=_has_body(request),
        request=request,
    )


def _has_body(request: Any) -> bool:
    """One that the headers do not tell of, as in HTTP/2."""
    told = 'content-length' in request.headers or 'transfer-encoding' in request.headers
    return not told and hasattr(request, 'scope') and bool(request.read(1))


def _forget_who(request: Any) -> None:
    """What a signature does not cover is not from the sender of a job."""
    remove_credentials(request.META)
    vars(request).pop('headers', None)   # made of META when asked for
    request.COOKIES = {}
    if hasattr(request, 'scope'):
        request.scope = without_credentials(request.scope)
    if hasattr(request, 'session'):
        request.session = type(request.session)()


@contextmanager
def _transactions() -> Iterator[None]:
    """Around a `def` job, of each database that has ATOMIC_REQUESTS."""
    aliases = [
        alias for alias, settings in connections.settings.items() if settings['ATOMIC_REQUESTS']
    ]
    committed: list[str] = []
    try:
        with _atomic(aliases, committed):
            yield
    except Exception as error:
        if not committed:
            raise
        raise AfterCommit(
            f'committed on {", ".join(committed)}, then {type(error).__name__}: {error}'
        ) from error


@contextmanager
def _atomic(aliases: list[str], committed: list[str]) -> Iterator[None]:
    if not aliases:
        yield
        return
    first, *others = aliases
    with _one_atomic(first), _atomic(others, committed):
        transaction.on_commit(lambda: committed.append(first), using=first)
        yield


def _one_atomic(alias: str) -> AbstractContextManager[Any]:
    return transaction.atomic(using=alias)  # type: ignore[no-any-return]


def _failure(request: Any, error: Exception, answer: Answer) -> Any:
    """As Django answers an error that nobody handles: its signal, its log, the
    page of DEBUG. Whatever `handler500` answers is a failure."""
    unhandled = JobFailed(str(error)) if isinstance(error, ANSWERS) else error
    response = response_for_exception(request, unhandled)
    response.status_code = answer.status
    for name, value in answer.headers.items():
        response.headers[name] = value
    return response


def _response(answer: Answer) -> Any:
    return HttpResponse(
        answer.text, status=answer.status, headers={**answer.headers},
        content_type='text/plain; charset=utf-8',
    )
