"""The dashboard in a Morepath application, or in OneGov's Framework.

Example::

    from cronsched.morepath.dashboard import mount_dashboard

    mount_dashboard(App, '/cron', auth=auth)

    # with a permission of the application
    mount_dashboard(App, '/cron', auth=lambda request: 'operate', permission=Secret)

`auth` takes the request and returns None, 'read' or 'operate'. The ledger is that
of the application the request is for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import morepath

from cronsched.dashboard import Response
from cronsched.scheduler.site import site_of
from cronsched.web.dashboard import Mounted, Unchanged, request_of_environ

__all__ = ['DashboardPath', 'mount_dashboard']


class DashboardPath:
    """What is below the path of the dashboard."""

    def __init__(self, path: str) -> None:
        self.path = path


class Shown(Unchanged, morepath.Response):
    pass


def mount_dashboard(
    App: Any, path: str = '/cron', *, auth: Any = None, permission: Any = None, **options: Any,
) -> None:
    """Give `App` the dashboard at `path`. Raises `ConfigurationError` without
    `auth`; `links` and `title` are those of `cronsched.dashboard.site.Dashboard`."""
    here = Mounted(lambda: None, auth, **options)    # checked where it is written
    model = type('DashboardPath', (DashboardPath,), {})

    def get(absorb: str) -> Any:
        return model(absorb)

    def view(self: DashboardPath, request: Any) -> Any:
        if not self.path:
            return _moved(request)
        asked = replace(
            request_of_environ(request.environ, request.body), path=f'/{self.path}')
        return _response(here.of(lambda: site_of(request.app).ledger).answer(asked, request))

    App.path(model=model, path=path, absorb=True)(get)
    for method in ('GET', 'HEAD', 'POST'):
        given = {} if permission is None else {'permission': permission}
        App.view(model=model, request_method=method, **given)(view)


def _moved(request: Any) -> Any:
    """Morepath knows no difference between a path with a slash and without, so
    no relative link could be right at both."""
    query = f'?{request.query_string}' if request.query_string else ''
    return Shown(status=303, headerlist=[
        ('Location', f'{request.path.rstrip("/")}/jobs{query}'), ('Content-Length', '0')])


def _response(answer: Response) -> Any:
    return Shown(
        body=answer.body, status=answer.status, headerlist=[*answer.headers])
