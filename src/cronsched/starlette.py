"""Cron jobs for Starlette applications.

Example::

    app = Starlette(routes=[...])
    cron = Cron('shop', timezone='UTC')
    cron.mount(app)

    @cron.job('*/5 * * * *', timeout=60)
    async def refresh(run):
        await client.get(run.request.url_for('prices'))

    @cron.job(hour=3, minute=0)
    def vacuum():
        ...                                  # `def`: a thread

Jobs are answered by one route, in front of all others: middlewares are around
a job, as around every request, and one that asks for a login must let
`/cronjobs/` pass. An `async def` job is awaited in the application's own loop
and ended at its `timeout`; a client that goes away does not end it. No
lifespan is needed, so an application that is mounted in another has jobs too:
`cron.mount(app, path='/where/it/is/mounted')`.
Needs an asyncio loop, and Starlette 0.46 or later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cronsched.base.extras import requires
from cronsched.base.forks import process_id
from cronsched.web import cron as web
from cronsched.web.asgi import Beginning, execute, name_of, serve
from cronsched.web.cron import check_prefix
from cronsched.web.execution import Execution
from cronsched.web.leaving import leaving

with requires('starlette'):
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.routing import BaseRoute, Match, NoMatchFound
    from starlette.types import Receive, Scope, Send

if TYPE_CHECKING:
    from cronsched.web.dashboard import Mounted

__all__ = ['Cron', 'JobsRoute']

NO_MATCH: Final[tuple[Match, dict[str, Any]]] = (Match.NONE, {})
FULL_MATCH: Final[tuple[Match, dict[str, Any]]] = (Match.FULL, {})

NOT_OURS: Final = (
    'call cron.mount(app) on the application that is served; for one that is mounted in it, '
    "cron.mount(app, path='/where')"
)

TOLD: Final = {
    'redirect': "set public_url='https://...' and let the server trust X-Forwarded-Proto "
                "(--forwarded-allow-ips)",
    'host': 'set public_url to a host that TrustedHostMiddleware allows',
    'login': 'let {prefix}/ pass in the middleware that asks for a login',
    'refused': 'let {prefix}/ pass in the middleware that answers 403',
    'not_found': NOT_OURS,
    'elsewhere': NOT_OURS,
}


class Cron(web.Cron):
    """See the module. Arguments are those of `cronsched.Cron`."""

    has_loop = True
    words = TOLD

    #: Where the application is mounted in the one that is served.
    mounted_at = ''

    def mount(self, app: Starlette, path: str = '') -> None:
        """Answer the jobs in `app`, also those that are decorated later, and
        start them in the process that serves it. `path` is where `app` is
        mounted in another application, if it is. Raises `CronError`."""
        self.mounted_at = check_prefix(path) if path else ''
        app.router.routes.insert(0, self._route(app))
        app.router.lifespan_context = leaving(app.router.lifespan_context)
        self._served = app
        self._serve(has_loop=True)

    def url_of(self, job: str) -> str:
        return self.mounted_at + super().url_of(job)

    def dashboard(self, *, auth: Any = None, **options: Any) -> Mounted:
        """As for any ASGI application, and `auth` takes a Starlette `Request`:
        `app.mount('/cron', cron.dashboard(auth=auth).asgi)`."""
        from cronsched.web.dashboard import mounted  # needs an extra

        return mounted(self, auth, native=Request, **options)

    def _route(self, app: Starlette) -> JobsRoute:
        return JobsRoute(self)


class JobsRoute(BaseRoute):
    """Everything below the prefix."""

    def __init__(self, cron: Cron) -> None:
        self.cron = cron
        self._start = f'{cron.prefix}/'
        self._beginning = Beginning(cron._begin)

    def matches(self, scope: Scope) -> tuple[Match, dict[str, Any]]:
        if scope['type'] == 'http':
            if self._start in scope['path'] and name_of(scope, self._start) is not None:
                return FULL_MATCH
            if self._beginning.process_id != process_id():
                self._beginning.begin_soon()
        return NO_MATCH

    def url_path_for(self, name: str, /, **path_params: Any) -> Any:
        raise NoMatchFound(name, path_params)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def run(execution: Execution) -> BaseException | None:
            # Without the credentials, which the signature does not cover.
            execution.set_request(Request(execution.run.request, receive))
            return await self.execute(execution, receive)

        name = name_of(scope, self._start) or ''
        await serve(self.cron, name, scope, receive, send, run, raises=True)

    async def execute(self, execution: Execution, receive: Receive) -> BaseException | None:
        return await execute(execution)
