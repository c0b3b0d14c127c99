"""A Django project for tests, in this process: there can be one only.

Example::

    with site(CRONSCHED={'RETRIES': 1}) as shop:
        @cronjob('0 8 * * *')
        def cleanup(): ...
        shop.wsgi(environ, start_response)
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import django
from django.conf import settings
from django.http import HttpResponse, JsonResponse
from django.urls import include, path

from cronsched._cronsched import sign_headers
from cronsched.django import conf, jobs

# For the life of the process: connections are made to it at any time.
DATABASES = tempfile.mkdtemp(prefix='cronsched-django-')


class Swallowed(Exception):
    """What the project's own middleware makes a success of."""


class Envelope:
    """A middleware that answers 200 to an error."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        return self.get_response(request)

    def process_exception(self, request: Any, error: Exception) -> Any:
        return JsonResponse({'all': 'is well'}) if isinstance(error, Swallowed) else None


def page(request: Any) -> HttpResponse:
    return HttpResponse(f'page {request.path}', content_type='text/plain')


def made(request: Any) -> HttpResponse:
    """Says who asks, as a page of the project would see it."""
    return HttpResponse(request.build_absolute_uri('/'))


urlpatterns = [path('', include('cronsched.django.urls')), path('page', page), path('', page)]


def set_up(**changed: Any) -> None:
    """Once for a process."""
    if settings.configured:
        return
    databases = {
        alias: {'ENGINE': 'django.db.backends.sqlite3',
                'NAME': os.path.join(DATABASES, f'{alias}.sqlite3')}
        for alias in ('default', 'other')
    }
    settings.configure(**{
        'SECRET_KEY': 'only for tests', 'ROOT_URLCONF': 'django_site', 'TIME_ZONE': 'Asia/Tokyo',
        'ALLOWED_HOSTS': ['localhost', '127.0.0.1', 'testserver'], 'DATABASES': databases,
        'USE_TZ': True, 'LOGGING_CONFIG': None,
        'INSTALLED_APPS': [
            'django.contrib.contenttypes', 'django.contrib.auth', 'django.contrib.sessions',
            'cronsched.django',
        ],
        'MIDDLEWARE': [
            'django.middleware.security.SecurityMiddleware',
            'django.contrib.sessions.middleware.SessionMiddleware',
            'django.middleware.common.CommonMiddleware',
            'django.middleware.csrf.CsrfViewMiddleware',
            'django.contrib.auth.middleware.AuthenticationMiddleware',
        ],
        'CRONSCHED': {'ENABLED': False},
    } | changed)
    django.setup()


@contextmanager
def site(**changed: Any) -> Iterator[None]:
    """No jobs at first, and these settings."""
    from django.test import override_settings

    set_up()
    kept = dict(jobs.JOBS), [*jobs.DUPLICATES]
    jobs.JOBS.clear()
    jobs.DUPLICATES.clear()
    changed['CRONSCHED'] = {'ENABLED': False} | changed.get('CRONSCHED', {})
    try:
        with override_settings(**changed), patch.dict(os.environ):
            os.environ.pop('CRONSCHED_ENABLED', None)   # it would win
            conf.forget()
            yield
    finally:
        jobs.JOBS.clear()
        jobs.JOBS.update(kept[0])
        jobs.DUPLICATES[:] = kept[1]
        conf.forget()


def run_job(name: str, minute: int = 0, **changed: Any) -> Any:
    """The answer of a job's request: as the scheduler sends it, in Django's
    own test client; what the job raises is raised here unless told otherwise."""
    from django.test import Client

    path, headers = signed(name, minute, changed.pop('headers', {}))
    raises = changed.pop('raises', False)
    client = Client(raise_request_exception=raises, enforce_csrf_checks=True)
    return client.generic('POST', changed.pop('path', path), headers=headers, **changed)


def signed(name: str, minute: int = 0, more: Any = ()) -> tuple[str, dict[str, str]]:
    """The path and the headers of a request for that job. `minute` tells runs
    of a test from each other."""
    from cronsched.django.host import HOST

    now = int(time.time())
    headers = sign_headers(
        HOST.application_id, name, now // 60 * 60 + 60 * minute,
        key=HOST.site.key(HOST.application_id), now=now, attempt=1,
    )
    return HOST.url_of(name), {**headers, **HOST.headers, **dict(more)}


def history() -> list[tuple[str, str | None]]:
    """State and detail of each run, the oldest first."""
    from cronsched.django.host import HOST

    assert HOST.site.ledger is not None
    rows = HOST.site.ledger.history(oldest_first=True)
    return [(row.state, row.detail) for row in rows]
