"""System checks: what would stand in the way at three in the morning.

    E001  our URLs are not where jobs are called
    E003  two jobs of one name
    W001  no host of the project is known
    W002  https redirects the scheduler
    W003  an expression that may not mean what its author thinks
    W004  ATOMIC_REQUESTS, which an `async def` job does not have
    W005  (--deploy) the state directory is not writable, or is lost with a container
    W006  (--deploy) gunicorn ends a sync worker after 30 s

There is no E002: a `cron.py` that fails to import is raised where it fails.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings as project
from django.core.checks import CheckMessage, Error, Warning
from django.db import connections
from django.http.request import validate_host
from django.urls import NoReverseMatch, Resolver404, get_script_prefix, resolve, reverse

from cronsched.django import deployment
from cronsched.django.conf import configuration
from cronsched.django.host import HOST, concrete_hosts
from cronsched.django.jobs import DUPLICATES, JOBS, describe
from cronsched.django.words import INCLUDE
from cronsched.jobs.options import Policy
from cronsched.jobs.registry import place_of
from cronsched.schedule.english import lint
from cronsched.web import functions
from cronsched.web.host import KNOCK

__all__ = ['register_all']

TAG: Final = 'cronsched'

Messages = Iterator[CheckMessage]


def _listed(check: Callable[[], Messages]) -> Callable[..., list[CheckMessage]]:
    """As Django calls it."""

    def listed(**_: Any) -> list[CheckMessage]:
        return list(check())

    return listed


@_listed
def urls() -> Messages:
    from cronsched.django import views

    path = HOST.url_of(KNOCK)
    try:
        if resolve(path).func in (views.run, views.run_async):
            return
        what = f'another view answers {path}'
    except Resolver404:
        what = f'the jobs are not reached at {path}'
    yield Error(what, hint=_where_they_are(), id='cronsched.E001')


def _where_they_are() -> str:
    try:
        found = reverse('cronsched:job', args=[KNOCK])
    except NoReverseMatch:
        return f'Add {INCLUDE} to urlpatterns of {project.ROOT_URLCONF}.'
    prefix = '/' + found.removeprefix(get_script_prefix()).removesuffix(f'/{KNOCK}')
    if prefix == configuration().prefix:
        return f'Write {INCLUDE} before the pattern that matches everything.'
    return f"Write CRONSCHED = {{'PREFIX': {prefix!r}}}."


@_listed
def names() -> Messages:
    for first, second in DUPLICATES:
        yield Error(describe(first, second), id='cronsched.E003')


@_listed
def host() -> Messages:
    public = urlsplit(configuration().settings.public_url or '').hostname
    allowed = project.ALLOWED_HOSTS
    if project.DEBUG and not allowed:
        allowed = ['localhost', '127.0.0.1', '[::1]']   # as Django does
        if not public:
            return
    if public and not validate_host(public, allowed):
        what, write = f'PUBLIC_URL names {public}, which ALLOWED_HOSTS refuses.', repr(public)
    elif not public and not concrete_hosts() and '*' not in allowed:
        what = 'No host of the project is known: what jobs call would be refused.'
        write = "'shop.example', say,"
    else:
        return
    yield Warning(what, hint=f'Write {write} into ALLOWED_HOSTS.', id='cronsched.W001')


@_listed
def https() -> Messages:
    path = HOST.url_of(KNOCK)
    exempt = any(re.search(each, path[1:]) for each in project.SECURE_REDIRECT_EXEMPT)
    if project.SECURE_SSL_REDIRECT and not project.SECURE_PROXY_SSL_HEADER and not exempt:
        pattern = configuration().prefix.strip('/')
        yield Warning(
            'SECURE_SSL_REDIRECT sends the scheduler away, which calls this process by http.',
            hint='Set SECURE_PROXY_SSL_HEADER if a proxy speaks https, or write '
            f"SECURE_REDIRECT_EXEMPT = [r'(^|/){pattern}/'].",
            id='cronsched.W002',
        )


@_listed
def expressions() -> Messages:
    for job in JOBS.values():
        for finding in lint.lint(job.schedule):
            yield Warning(
                f'{job.name} {place_of(job.function)}: {finding.message}',
                hint=finding.advice, id='cronsched.W003',
            )


@_listed
def transactions() -> Messages:
    aliases = [
        alias for alias, settings in connections.settings.items() if settings['ATOMIC_REQUESTS']
    ]
    found = [name for name, job in JOBS.items() if functions.is_async(job.function)]
    if aliases and found:
        yield Warning(
            f'ATOMIC_REQUESTS ({", ".join(aliases)}) opens no transaction around async def: '
            f'{", ".join(found)}.',
            hint='Call what has to be atomic by sync_to_async, in transaction.atomic().',
            id='cronsched.W004',
        )


@_listed
def state() -> Messages:
    for what, hint in deployment.faults_of_state(configuration().settings):
        yield Warning(what, hint=hint, id='cronsched.W005')


@_listed
def timeout() -> Messages:
    options = configuration().settings.options
    longest = max(
        (Policy.of(options, job.options).timeout for job in JOBS.values()
         if not functions.is_async(job.function)), default=0.0,
    )
    if longest > deployment.GUNICORN_TIMEOUT and deployment.is_gunicorn_timeout_unknown():
        yield Warning(
            f'Jobs may take {longest:g} s, and gunicorn ends a sync worker after '
            f'{deployment.GUNICORN_TIMEOUT} s.',
            hint=f'Write timeout = {longest + 30:.0f} in gunicorn.conf.py, use '
            "worker_class = 'gthread', or give the jobs a shorter timeout=.",
            id='cronsched.W006',
        )


def register_all(register: Callable[..., Any]) -> None:
    """Once more changes nothing: a test may make the applications anew."""
    for check in (urls, names, host, https, expressions, transactions):
        register(check, TAG)
    for check in (state, timeout):
        register(check, TAG, deploy=True)
