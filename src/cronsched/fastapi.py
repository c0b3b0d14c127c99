"""Cron jobs for FastAPI applications, with dependency injection.

Example::

    app = FastAPI()
    cron = Cron('shop', timezone='UTC')
    cron.mount(app)

    @cron.job('*/5 * * * *', timeout=60)
    async def refresh(run: Run, db: Annotated[Session, Depends(get_db)]):
        ...

    @cron.job(hour=3, minute=0)
    def vacuum():
        ...                                  # `def`: a thread

As for Starlette (`cronsched.starlette`), and what a function takes besides the
run is injected as into a route; `Depends` of the whole application (a login) is
not, as a job is no visitor. A run is `ok` only if the function returned, its
dependencies ended well (a commit after `yield`), and nobody answered an error.
Needs FastAPI 0.115.10 or later.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Annotated, Any

from cronsched.base.extras import requires
from cronsched.errors import OptionError
from cronsched.jobs.job import Job
from cronsched.jobs.registry import place_of
from cronsched.starlette import Cron as StarletteCron
from cronsched.starlette import JobsRoute
from cronsched.web import functions
from cronsched.web.asgi import limited, may_be_raised
from cronsched.web.execution import CronRun, Execution
from cronsched.web.threads import in_worker

with requires('fastapi'):
    from fastapi import Depends, FastAPI, Response
    from fastapi.routing import APIRoute
    from starlette.types import Message, Receive

__all__ = ['Cron', 'Run']

_execution: ContextVar[Execution] = ContextVar('cronsched_execution')


async def _run_of_this_request() -> CronRun:
    return _execution.get().run


#: The parameter that is the run of a job: `run: Run`.
Run = Annotated[CronRun, Depends(_run_of_this_request)]


class Cron(StarletteCron):
    """See the module. Arguments are those of `cronsched.Cron`."""

    arguments = 'injected'

    def add(self, function: Callable[..., Any], **options: Any) -> Job:
        functions.check(function, self.arguments, loop=True)
        _check(function)
        return super().add(function, **options)

    def _route(self, app: Any) -> JobsRoute:
        return _InjectingRoute(self, app)


class _InjectingRoute(JobsRoute):
    """Hands a job to an `APIRoute` of its own."""

    def __init__(self, cron: Cron, app: FastAPI) -> None:
        super().__init__(cron)
        self._app = app
        self._routes: dict[Job, APIRoute] = {}

    async def execute(self, execution: Execution, receive: Receive) -> BaseException | None:
        """Nothing is sent before everything has ended: a dependency may fail
        after the answer was made."""
        status = 500

        async def hold(message: Message) -> None:
            nonlocal status
            status = message.get('status', status)

        request = execution.run.request
        token = _execution.set(execution)
        error: BaseException | None = None
        try:
            with execution.around() as around:
                await self._route_of(execution.job).handle(request.scope, receive, hold)
                around.error = execution.error
        except BaseException as raised:
            error = raised
        finally:
            _execution.reset(token)
        error = execution.error or error
        await execution.aend(error, status)
        return error

    def _route_of(self, job: Job) -> APIRoute:
        route = self._routes.get(job)
        if route is None:
            route = self._routes[job] = APIRoute(
                f'{self.cron.prefix}/-', _endpoint(job, _signature(job.function)),
                methods=['POST'], include_in_schema=False,
                dependency_overrides_provider=self._app,
            )
        return route


def _check(function: Callable[..., Any]) -> None:
    """What a visitor would have to send is an error now, not a 422 at 03:00."""

    def probe() -> None:
        pass

    probe.__signature__ = _signature(function)  # type: ignore[attr-defined]
    missing = [*_required(APIRoute('/', probe).dependant)]
    if missing:
        raise OptionError(
            f'{function.__qualname__} takes {inspect.signature(function)}: no request for a job '
            f'brings {", ".join(missing)}, write Annotated[..., Depends(...)] or a default '
            f'({place_of(function)})',
            field='function',
        )


def _endpoint(job: Job, signature: inspect.Signature) -> Callable[..., Any]:
    """Takes what the function takes, and answers nothing of what it returns."""

    async def endpoint(**values: Any) -> Response:
        execution = _execution.get()
        error = await _error_of(job.function, values, execution.policy.timeout)
        if error is not None:
            # Whatever a handler makes of it, it is a failure.
            execution.error = error
            raise error if may_be_raised(error) else RuntimeError(f'{job.name} has ended')
        return Response()

    endpoint.__signature__ = signature  # type: ignore[attr-defined]
    endpoint.__name__ = endpoint.__qualname__ = job.name
    return endpoint


async def _error_of(
    function: Callable[..., Any], values: dict[str, Any], timeout: float
) -> BaseException | None:
    if not functions.is_async(function):
        return await in_worker(_error_of_call, function, values)
    try:
        await limited(function(**values), timeout)
    except BaseException as error:
        return error
    return None


def _error_of_call(
    function: Callable[..., Any], values: dict[str, Any]
) -> BaseException | None:
    try:
        functions.check_result(function, function(**values))
    except BaseException as error:
        return error
    return None


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    """With real annotations; a first parameter without one is the run."""
    signature = inspect.signature(function, eval_str=True)
    parameters = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in signature.parameters.values()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if parameters and parameters[0].annotation is inspect.Parameter.empty:
        parameters[0] = parameters[0].replace(annotation=Run, default=inspect.Parameter.empty)
    return signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty)


def _required(dependant: Any) -> Iterator[str]:
    """The parameters, also of dependencies, that only a visitor could send."""
    for kind in ('path', 'query', 'header', 'cookie', 'body'):
        for field in getattr(dependant, f'{kind}_params'):
            if field.field_info.is_required():
                yield field.name
    for each in dependant.dependencies:
        yield from _required(each)
