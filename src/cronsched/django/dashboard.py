"""The dashboard in a Django project: one line in its urls.py.

Example::

    path('cron/', include('cronsched.django.dashboard')),

    # with a rule and links of your own
    path('cron/', include(dashboard.urls(auth=auth, links={'Logs': 'https://...'}))),

Staff reads; superusers, and whoever has the permission `cronsched.operate`, may
act. Nobody else gets in, and who has not logged in is asked to. `auth` takes the
request and returns None, 'read' or 'operate'. It needs no token of Django's
CSRF protection: a POST counts only from a page of the same origin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpResponse
from django.urls import re_path

from cronsched.dashboard import Request
from cronsched.django.host import HOST
from cronsched.errors import ConfigurationError
from cronsched.web.dashboard import Mounted

__all__ = ['staff', 'urlpatterns', 'urls']

PERMISSION = 'cronsched.operate'


def staff(request: Any) -> Any:
    """Staff reads; a superuser, or who has the permission, operates."""
    user = getattr(request, 'user', None)
    if user is None:
        raise ConfigurationError(
            'the dashboard cannot know who asks: add django.contrib.auth and its '
            'AuthenticationMiddleware, or write include(dashboard.urls(auth=...))'
        )
    if not (user.is_active and user.is_staff):
        return None
    return 'operate' if user.has_perm(PERMISSION) else 'read', user.get_username()


def urls(*, auth: Any = None, **options: Any) -> list[Any]:
    """What `include` takes. `links` and `title` are those of
    `cronsched.dashboard.site.Dashboard`."""
    mounted = Mounted(lambda: HOST.site.ledger, auth, **options)
    return [re_path(r'^(?P<path>[\s\S]*)$', _view(mounted, asks=auth is staff),
                    name='cronsched_dashboard')]


def _view(mounted: Mounted, *, asks: bool) -> Callable[..., HttpResponse]:
    def dashboard(request: Any, path: str) -> HttpResponse:
        # With a login page of the project, who is nobody yet is sent there.
        user = getattr(request, 'user', None)
        if asks and user is not None and not user.is_authenticated \
                and not path.startswith('static/'):
            return redirect_to_login(request.get_full_path())
        answer = mounted.answer(_request(request, path), request)
        response = HttpResponse(answer.body, status=answer.status)
        del response['Content-Type']
        for name, value in answer.headers:
            response[name] = value
        return response

    # Attributes, not decorators, which make an async view of it.
    dashboard.csrf_exempt = True  # type: ignore[attr-defined]
    return dashboard


def _request(request: Any, path: str) -> Request:
    # What was read of the body by others, Django keeps.
    body = request.body if request.method == 'POST' else b''
    headers: Mapping[str, str] = {
        name.lower(): value for name, value in request.headers.items()}
    return Request(request.method, f'/{path}', request.META.get('QUERY_STRING', ''), headers, body)


urlpatterns = urls(auth=staff)
