"""Jobs in front of a WSGI application.

Example::

    application = make_wsgi(application, host, '/cronjobs', begin)

Requests that are not below the prefix are passed on unchanged, at the cost of
comparing a few characters. `run.request` is the environ.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, Final, TypeAlias

from cronsched.base.forks import process_id
from cronsched.telemetry.fields import fields
from cronsched.web import functions
from cronsched.web.execution import Execution
from cronsched.web.host import Answer, Answered, Host
from cronsched.web.receive import accept

__all__ = [
    'ANSWERED_BY', 'CREDENTIALS', 'THROW_ERRORS', 'Application', 'make_wsgi', 'name_of',
    'remove_credentials',
]

log = logging.getLogger('cronsched')

Environ: TypeAlias = dict[str, Any]
StartResponse: TypeAlias = Callable[..., Any]
Application: TypeAlias = Callable[[Environ, StartResponse], Iterable[bytes]]

CREDENTIALS: Final = ('HTTP_COOKIE', 'HTTP_AUTHORIZATION')

#: By this a test asks for the errors themselves (WebTest does as well).
THROW_ERRORS: Final = 'x-wsgiorg.throw_errors'

#: The attribute of the application that names its host.
ANSWERED_BY: Final = 'cronsched'


def make_wsgi(
    application: Application, host: Host, prefix: str, begin: Callable[[], bool]
) -> Application:
    """`begin` is called with the requests of each process until it returns that
    it is done."""
    start = f'{prefix}/'
    seen = 0

    def with_jobs(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        nonlocal seen
        if environ.get('PATH_INFO', '').startswith(start):
            return _send(_answer(host, name_of(environ, prefix), environ), start_response)
        if seen != process_id() and begin():
            seen = process_id()
        return application(environ, start_response)

    vars(with_jobs)[ANSWERED_BY] = host
    return with_jobs


def name_of(environ: Environ, prefix: str) -> str:
    """The name of the job that the path below `prefix` is of."""
    return _text(environ['PATH_INFO'][len(prefix) + 1:])


def remove_credentials(environ: Environ) -> None:
    """The sender of a job sends nothing that the signature does not cover."""
    for name in (*CREDENTIALS, 'QUERY_STRING'):
        if name in environ:
            environ[name] = ''


def _answer(host: Host, name: str, environ: Environ) -> Answer:
    try:
        execution = accept(
            host, name, _headers(environ),
            method=environ['REQUEST_METHOD'],
            query=environ.get('QUERY_STRING', ''),
            environ=environ,
            request=environ,
        )
    except Answered as answered:
        return answered.answer
    remove_credentials(environ)
    try:
        _execute(execution)
    except Exception:
        if execution.outcome is None or environ.get(THROW_ERRORS):
            raise   # whoever settles, or a test, is to see it
        log.error('%s of %s failed', name, host.application_id, exc_info=True,
                  extra=fields(host.application_id, name, outcome='failed'))
    return execution.answer


def _execute(execution: Execution) -> None:
    function = execution.job.function
    with execution as run:
        functions.check_result(function, functions.call(function, run))


def _headers(environ: Environ) -> dict[str, str]:
    headers = {
        name[5:].replace('_', '-').lower(): value
        for name, value in environ.items() if name.startswith('HTTP_')
    }
    return headers | {'content-length': environ.get('CONTENT_LENGTH') or '0'}


def _text(path: str) -> str:
    # PEP 3333: the bytes of a path, each as a character. What is not UTF-8
    # names no job.
    return path.encode('latin-1').decode('utf-8', 'surrogateescape')


def _send(answer: Answer, start_response: StartResponse) -> Iterable[bytes]:
    body = answer.text.encode()
    headers = [*answer.headers.items()]
    if answer.status != HTTPStatus.NO_CONTENT:
        headers.append(('Content-Type', 'text/plain; charset=utf-8'))
        headers.append(('Content-Length', str(len(body))))
    start_response(f'{answer.status} {HTTPStatus(answer.status).phrase}', headers)
    return [body]
