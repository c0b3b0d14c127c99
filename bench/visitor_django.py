"""What a visitor's request of a Django project pays for its jobs, in µs.

    python visitor_django.py                    # all in turn, and the differences
    python visitor_django.py bare|last|first    # one of them

There is no middleware, and after the first request of a process no receiver of
a signal: what is left is a place in the list of URLs, the last one (as
docs/django.md has it) or the first. So what is measured is finding the view of a
page. Each figure is the best of many batches, as what else runs on the machine
only adds to it.
"""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

BATCHES, REQUESTS, ROUNDS = 100, 500, 5


def measure(side: str) -> float:
    import django
    from django.conf import settings

    settings.configure(
        ROOT_URLCONF=__name__, ALLOWED_HOSTS=['localhost'], LOGGING_CONFIG=None,
        INSTALLED_APPS=['cronsched.django'] if side != 'bare' else [],
        MIDDLEWARE=['django.middleware.common.CommonMiddleware'],
        CRONSCHED={'ENABLED': False, 'APPLICATION_ID': 'shop'},
    )
    django.setup()
    from django.core.handlers.wsgi import WSGIHandler
    from django.core.signals import request_started
    from django.http import HttpResponse
    from django.urls import include, path

    def page(request: Any) -> HttpResponse:
        return HttpResponse('hello')

    patterns = [path('page', page)]
    if side != 'bare':
        from cronsched.django import cronjob

        cronjob('0 8 * * *', name='measure')(lambda: None)
        place = 0 if side == 'first' else len(patterns)
        patterns.insert(place, path('', include('cronsched.django.urls')))
    globals()['urlpatterns'] = patterns
    from django.urls import get_resolver

    ask(WSGIHandler())
    names = [getattr(receiver[1], '__name__', '') for receiver in request_started.receivers]
    assert 'first_request' not in names
    resolver = get_resolver()
    return min(batch(resolver.resolve) for _ in range(BATCHES)) / REQUESTS * 1e6


def ask(handler: Any) -> None:
    """The first request of the process."""
    from wsgiref.util import setup_testing_defaults

    environ: dict[str, Any] = {'PATH_INFO': '/page', 'HTTP_HOST': 'localhost'}
    setup_testing_defaults(environ)
    handler(environ, lambda *_: None).close()


def batch(resolve: Any) -> float:
    begun = time.perf_counter()
    for _ in range(REQUESTS):
        resolve('/page')
    return time.perf_counter() - begun


def main() -> None:
    if len(sys.argv) > 1:
        print(measure(sys.argv[1]))
        return
    best = {'bare': 1e9, 'last': 1e9, 'first': 1e9}
    for _ in range(ROUNDS):
        for side in best:
            said = subprocess.run(
                [sys.executable, __file__, side], check=True, capture_output=True, text=True
            ).stdout
            best[side] = min(best[side], float(said))
    for side in ('last', 'first'):
        print(f'{best["bare"]:.1f} µs bare, {best[side] - best["bare"]:+.2f} µs with jobs {side}')


if __name__ == '__main__':
    main()
