"""Cron jobs for Flask applications.

Example::

    cron = Cron()

    @cron.job('0 8 * * MON-FRI', timezone='Europe/Zurich', retries=2)
    def send_digest():
        ...                                  # application and request context are there

    def create_app():
        app = Flask(__name__)
        app.config['CRONSCHED_BASE_URL'] = 'http://127.0.0.1:8000'
        cron.init_app(app)
        return app

Settings are those of `cronsched.jobs.settings`, as keywords of `Cron` or as
`CRONSCHED_<NAME>` in `app.config`, which wins. The jobs run for `app.name`,
unless `Cron('shop')` or `CRONSCHED_APPLICATION_ID` says otherwise. State is
kept in `app.extensions['cronsched']`: one `Cron` serves several applications.

A job is a request to `/cronjobs/<name>` that is answered before every other
`before_request` function, so a login or CSRF check does not see it; teardown,
`after_request`, error handlers and Sentry act as ever. An `async def` job
needs `flask[async]`, and has a loop of its own for as long as it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import tzinfo
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit
from weakref import WeakSet

from cronsched._cronsched import Zone
from cronsched.base.extras import requires
from cronsched.base.forks import process_id
from cronsched.errors import ConfigurationError, OptionError
from cronsched.jobs.job import Job
from cronsched.web import cron as web
from cronsched.web import functions
from cronsched.web.execution import Execution
from cronsched.web.host import Answer, Answered
from cronsched.web.receive import accept
from cronsched.web.wsgi import CREDENTIALS, name_of

with requires('flask'):
    import click
    from flask import Blueprint, Flask, Response, after_this_request, current_app, request
    from flask.cli import with_appcontext

if TYPE_CHECKING:
    from cronsched.web.dashboard import Mounted

__all__ = ['Cron', 'FlaskHost']

EXTENSION: Final = 'cronsched'
SETTING: Final = 'CRONSCHED_'

NOT_OURS: Final = 'call cron.init_app(app) on the application that is served, with its prefix'
BASE_URL: Final = "set CRONSCHED_BASE_URL to where the server is reached, 'http://127.0.0.1:8000'"

TOLD: Final = {
    # Hooks of Flask come after ours, unless they were put before all others.
    'login': 'let {prefix}/ pass in the WSGI middleware that asks for a login, or call '
             'cron.init_app(app) after what puts its hook first',
    'refused': 'let {prefix}/ pass in the WSGI middleware that answers 403, or call '
               'cron.init_app(app) after what puts its hook first',
    'host': 'set CRONSCHED_PUBLIC_URL to a host that the application expects',
    'redirect': "set CRONSCHED_PUBLIC_URL to the 'https://...' that visitors see",
    'not_found': NOT_OURS,
    'elsewhere': NOT_OURS,
    'application': 'give each application its own CRONSCHED_APPLICATION_ID',
    'secret': 'set the same CRONSCHED_STATE_DIRECTORY in both, or the same CRONSCHED_SECRET',
    'unreached': BASE_URL,
    'not_http': BASE_URL,
}


class Cron(web.Cron):
    """See the module. Settings are those of `cronsched.Cron`."""

    has_loop = True

    def __init__(
        self,
        app: Flask | str | None = None,
        *,
        prefix: str = '/cronjobs',
        timezone: str | tzinfo | Zone | None = None,
        **given: Any,
    ) -> None:
        """`app`: the application, or a name for the jobs to run under."""
        name = app if isinstance(app, str) else None
        super().__init__(name, prefix=prefix, timezone=timezone, **given)
        self.given: Mapping[str, Any] = given
        self._hosts: WeakSet[FlaskHost] = WeakSet()
        if app is not None and not isinstance(app, str):
            self.init_app(app)

    def add(self, function: Callable[..., Any], **options: Any) -> Job:
        if functions.is_async(function) and find_spec('asgiref') is None:
            raise OptionError(
                f"{function!r} is async: pip install 'flask[async]', or write def",
                field='function',
            )
        return super().add(function, **options)

    def init_app(self, app: Flask) -> None:
        """Answer and start the jobs in `app`. Raises `CronError`."""
        if EXTENSION in app.extensions:
            raise ConfigurationError(
                f'the application {app.name!r} has its jobs already: call init_app(app) once',
                field='application_id',
            )
        host = app.extensions[EXTENSION] = FlaskHost(self, app)
        self._hosts.add(host)
        app.before_request_funcs.setdefault(None, []).insert(0, partial(_before_request, host))
        app.wsgi_app = host.front(app.wsgi_app)  # type: ignore[method-assign]
        app.cli.add_command(_command)

    def _is_ours(self, application_id: str) -> bool:
        return any(host.application_id == application_id for host in self._hosts)

    def dashboard(  # type: ignore[override]  # a blueprint is what Flask mounts
        self, *, auth: Any = None, **options: Any
    ) -> Blueprint:
        """`app.register_blueprint(cron.dashboard(auth=auth), url_prefix='/cron')`;
        `auth` takes Flask's request. Raises `ConfigurationError` without it."""
        from cronsched.web.dashboard import Mounted  # needs an extra

        mounted = Mounted(lambda: current_app.extensions[EXTENSION].site.ledger, auth, **options)
        blueprint, view = Blueprint('cronsched', __name__), partial(_dashboard, mounted)
        for rule in ('/', '/<path:path>'):
            blueprint.add_url_rule(
                rule, 'dashboard', view, methods=['GET', 'POST'],
                provide_automatic_options=False)
        return blueprint


class FlaskHost(web.Cron):
    """The jobs of a `Cron` in one application: `app.extensions['cronsched']`."""

    has_loop = True
    words = TOLD

    def __init__(self, cron: Cron, app: Flask) -> None:
        config = {
            name.removeprefix(SETTING).lower(): value
            for name, value in app.config.items() if name.startswith(SETTING)
        }
        name = config.pop('application_id', cron.name)
        super().__init__(
            app.name if name is None else name,
            prefix=cron.prefix, timezone=cron.timezone, **{**cron.given, **config},
        )
        self._jobs = cron._jobs   # also those that are decorated later
        self.implicit_id = name is None

    def front(self, application: Callable[..., Iterable[bytes]]) -> Any:
        """What a request for a job carries is taken away before Flask opens a
        session with it, and its links are those of `public_url`; the first
        request of a process starts the jobs."""
        start, seen = f'{self.prefix}/', 0
        public = _environ_of(self.settings.public_url)
        self._serve(has_loop=True)

        def with_jobs(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            nonlocal seen
            if environ.get('PATH_INFO', '').startswith(start):
                for name in CREDENTIALS:
                    environ.pop(name, None)
                environ.update(public)
            elif seen != process_id() and self._begin():
                seen = process_id()
            return application(environ, start_response)

        return with_jobs


def _environ_of(public_url: str | None) -> dict[str, str]:
    if public_url is None:
        return {}
    parts = urlsplit(public_url)
    return {'wsgi.url_scheme': parts.scheme, 'HTTP_HOST': parts.netloc}


def _before_request(host: FlaskHost) -> Response | None:
    environ = request.environ
    if not environ.get('PATH_INFO', '').startswith(f'{host.prefix}/'):
        return None
    try:
        execution = accept(
            host,
            name_of(environ, host.prefix),
            dict(request.headers),
            method=request.method,
            query=environ.get('QUERY_STRING', ''),
            request=request._get_current_object(),  # type: ignore[attr-defined]
        )
    except Answered as answered:
        return _response(answered.answer)
    # Whatever an error handler makes of it: it failed.
    after_this_request(partial(_correct, execution))
    with execution:
        _call(execution)
    return _response(execution.answer)


def _call(execution: Execution) -> None:
    function = execution.job.function
    if functions.is_async(function):
        from cronsched.web.asgi import await_job  # others need not load asyncio

        current_app.ensure_sync(await_job)(execution)
    else:
        functions.check_result(function, functions.call(function, execution.run))


def _correct(execution: Execution, response: Response) -> Response:
    answer = execution.answer
    response.status_code = answer.status
    response.headers.extend(answer.headers)
    return response


def _response(answer: Answer) -> Response:
    return Response(answer.text, answer.status, dict(answer.headers), mimetype='text/plain')


def _dashboard(mounted: Mounted, path: str = '') -> Response:
    from cronsched.dashboard import Request

    # A form that somebody has read before us is read.
    body = urlencode([*request.form.items(multi=True)]).encode()
    asked = Request(
        request.method, f'/{path}', request.environ.get('QUERY_STRING', ''),
        {name.lower(): value for name, value in request.headers.items()}, body)
    answer = mounted.answer(asked, request._get_current_object())  # type: ignore[attr-defined]
    response = Response(answer.body, answer.status)
    response.headers.clear()
    response.headers.extend(answer.headers)
    return response


@click.command(
    'cron',
    context_settings={'ignore_unknown_options': True, 'allow_extra_args': True},
    add_help_option=False,
    short_help='The jobs of this application: status, history, run, pause, check, doctor, web.',
)
@click.argument('arguments', nargs=-1, type=click.UNPROCESSED)
@with_appcontext
def _command(arguments: tuple[str, ...]) -> None:
    from cronsched.cli import main  # the command line only

    site = current_app.extensions[EXTENSION].site
    raise SystemExit(main(arguments, settings=site.settings))
