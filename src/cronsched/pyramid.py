"""Cron jobs for Pyramid applications.

Example::

    from cronsched.pyramid import cronjob

    @cronjob('0 8 * * *', timezone='Europe/Zurich')
    def cleanup(run):
        run.request.dbsession.execute(...)

    def main(global_config, **settings):
        with Configurator(settings=settings) as config:
            config.include('cronsched.pyramid')      # before routes that take every path
            config.scan()
            return config.make_wsgi_app()

`config.add_cronjob(function, '0 8 * * *', ...)` does what the decorator does.
Settings are those of `cronsched.jobs.settings`, as `cronsched.<name>` in the
INI file. The jobs run for the root package, unless `cronsched.application_id`
says otherwise.

A job is a request to `/cronjobs/<name>` without permission or CSRF token: its
signature is the check. pyramid_tm is around it, and a commit that fails is a
run that failed. Whatever an exception view makes of an exception, the answer
is 500 with our outcome.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, TypeVar

from cronsched.base.extras import requires
from cronsched.base.forks import process_id
from cronsched.web import cron as web
from cronsched.web import functions
from cronsched.web.execution import attend
from cronsched.web.host import Answer, Answered
from cronsched.web.receive import accept
from cronsched.web.wsgi import CREDENTIALS, name_of

with requires('pyramid'):
    import venusian
    from pyramid.events import ApplicationCreated
    from pyramid.interfaces import ITweens
    from pyramid.response import Response
    from pyramid.security import NO_PERMISSION_REQUIRED
    from pyramid.tweens import EXCVIEW, INGRESS

__all__ = [
    'PyramidHost', 'add_cron_dashboard', 'add_cronjob', 'cronjob', 'includeme', 'tween_factory',
]

log = logging.getLogger('cronsched')

Function = TypeVar('Function', bound=Callable[..., Any])

SETTING: Final = 'cronsched.'
TWEEN: Final = 'cronsched.pyramid.tween_factory'
TRANSACTION: Final = 'pyramid_tm.tm_tween_factory'
WORDS: Final = {'true': True, 'false': False, 'none': None}

NOT_OURS: Final = "write config.include('cronsched.pyramid') before routes that take every path"
BASE_URL: Final = 'write cronsched.base_url = http://127.0.0.1:8000'

TOLD: Final = {
    'not_found': NOT_OURS,
    'elsewhere': NOT_OURS,
    'method': NOT_OURS,
    'redirect': 'write cronsched.public_url = https://..., as visitors see it, and let the '
                'middleware believe X-Forwarded-Proto',
    'host': 'set cronsched.public_url to the host that the application expects',
    'login': 'let {prefix}/ pass in the tween or middleware that asks for a login',
    'refused': 'let {prefix}/ pass in the tween or middleware that answers 403',
    'application': 'give each application its own cronsched.application_id',
    'secret': 'write the same cronsched.state_directory for both, or the same cronsched.secret',
    'unreached': BASE_URL,
    'not_http': BASE_URL,
}


def cronjob(
    expression: str | None = None, *, category: str = 'pyramid', depth: int = 0, **options: Any
) -> Callable[[Function], Function]:
    """Decorate a function that takes nothing, or one argument, the run; it is
    returned unchanged, and registered by `config.scan()`. The options are those
    of `cronsched.jobs.job.Job`."""
    functions.check_parentheses(expression, '@cronjob')

    def decorate(function: Function) -> Function:
        # What could not run is an error here, with file and line.
        web.make_job(function, loop=False, expression=expression, **{'timezone': 'UTC', **options})

        def register(context: Any, name: str, wrapped: Any) -> None:
            config = context.config.with_package(info.module)
            config.add_cronjob(wrapped, expression, _info=info.codeinfo, **options)

        info = venusian.attach(function, register, category=category, depth=depth + 1)
        return function

    return decorate


class PyramidHost(web.Cron):
    """The jobs of an application: `config.registry.cronsched`."""

    has_loop = False
    words = TOLD

    def __init__(self, config: Any) -> None:
        given = {
            name.removeprefix(SETTING): _typed(value)
            for name, value in config.get_settings().items() if name.startswith(SETTING)
        }
        name = given.pop('application_id', None)
        timezone = given.pop('timezone', None)
        prefix = given.pop('prefix', '/cronjobs')
        if config.route_prefix:
            prefix = f'/{config.route_prefix.strip("/")}{prefix}'
        if isinstance(given.get('allowed_hosts'), str):
            given['allowed_hosts'] = given['allowed_hosts'].split()
        super().__init__(
            config.root_package.__name__ if name is None else str(name),
            prefix=prefix, timezone=timezone, **given,
        )
        self.implicit_id = name is None


def includeme(config: Any) -> None:
    host = config.registry.cronsched = PyramidHost(config)
    config.add_directive('add_cronjob', add_cronjob)
    config.add_directive('add_cron_dashboard', add_cron_dashboard)
    below = host.prefix.removeprefix(f'/{(config.route_prefix or "").strip("/")}')
    config.add_route('cronsched', f'{below}/{{job:[\\s\\S]*}}')
    config.add_view(
        _run, route_name='cronsched', permission=NO_PERMISSION_REQUIRED, require_csrf=False
    )
    config.add_tween(TWEEN, under=INGRESS, over=(TRANSACTION, EXCVIEW))
    config.add_subscriber(_created, ApplicationCreated)


def add_cronjob(
    config: Any, function: Any, expression: str | None = None, **options: Any
) -> None:
    """`config.add_cronjob(function or its dotted name, '0 8 * * *', ...)`. Two
    jobs of one name are a conflict of Pyramid's."""
    function = config.maybe_dotted(function)
    name = options.get('name') or getattr(function, '__name__', repr(function))
    host = config.registry.cronsched
    if host.timezone is not None:
        options.setdefault('timezone', host.timezone)
    shown = config.introspectable('cronjobs', name, name, 'cronjob')
    shown.update(options, function=function, expression=expression)
    config.action(
        ('cronjob', name),
        lambda: host.add(function, expression=expression, **options),
        introspectables=(shown,),
    )


def add_cron_dashboard(
    config: Any, path: str = '/cron', *, auth: Any = None, **options: Any
) -> None:
    """`config.add_cron_dashboard('/cron', auth=auth)`; `auth` takes Pyramid's
    request. Raises `ConfigurationError` without it."""
    from cronsched.web.dashboard import Mounted, Unchanged, request_of_environ  # needs an extra

    class Shown(Unchanged, Response):  # type: ignore[misc]  # Response is untyped
        pass

    mounted = Mounted(lambda: config.registry.cronsched.site.ledger, auth, **options)

    def dashboard(request: Any) -> Any:
        asked = request_of_environ(request.environ, request.body)
        below = request.matchdict.get('path')
        asked = replace(
            asked, path='' if below is None else f'/{below}',
            last=asked.path.rpartition('/')[2])
        answer = mounted.answer(asked, request)
        return Shown(body=answer.body, status=answer.status, headerlist=[*answer.headers])

    for name, pattern in (('', ''), ('_page', '/{path:[\\s\\S]*}')):
        config.add_route(f'cronsched_dashboard{name}', f'{path.rstrip("/")}{pattern}')
        config.add_view(
            dashboard, route_name=f'cronsched_dashboard{name}',
            permission=NO_PERMISSION_REQUIRED, require_csrf=False)


def tween_factory(handler: Callable[[Any], Any], registry: Any) -> Callable[[Any], Any]:
    """Ends the run of a request when everything else has: the transaction, and
    the exception view."""
    host: PyramidHost = registry.cronsched
    start, seen = f'{host.prefix}/', 0

    def cronjob_tween(request: Any) -> Any:
        nonlocal seen
        if request.environ['PATH_INFO'].startswith(start):
            return _attend(request, handler)
        if seen != process_id() and host._begin():
            seen = process_id()
        return handler(request)

    return cronjob_tween


def _attend(request: Any, handler: Callable[[Any], Any]) -> Any:
    for name in CREDENTIALS:
        request.environ.pop(name, None)
    return attend(request, handler)


def _run(request: Any) -> Any:
    host: PyramidHost = request.registry.cronsched
    environ = request.environ
    try:
        execution = accept(
            host,
            name_of(environ, host.prefix),
            request.headers,
            method=request.method,
            query=environ.get('QUERY_STRING', ''),
            environ=environ,
            request=request,
        )
    except Answered as answered:
        return _response(answered.answer)
    function = execution.job.function
    with execution as run:
        functions.check_result(function, functions.call(function, run))
    return _response(execution.answer)


def _response(answer: Answer) -> Any:
    response = Response(answer.text, answer.status, content_type='text/plain', charset='utf-8')
    response.headers.update(answer.headers)
    return response


def _created(event: ApplicationCreated) -> None:
    registry = event.app.registry
    explicit = [name for name, _ in getattr(registry.queryUtility(ITweens), 'explicit', ())]
    if explicit and TWEEN not in explicit:
        log.warning(
            'pyramid.tweens does not name %s: a commit that fails after a job has returned is '
            'not seen; write it first', TWEEN,
        )
    registry.cronsched._serve(has_loop=False)


def _typed(value: Any) -> Any:
    """What the text of an INI file means."""
    if not isinstance(value, str):
        return value
    if value.lower() in WORDS:
        return WORDS[value.lower()]
    for number in (int, float):
        try:
            return number(value)
        except ValueError:
            pass
    return value
