"""A span for each execution of a job.

Example::

    pip install 'cronsched[opentelemetry]'      # and set up its SDK as ever

It is a child of the request's span, where the framework is instrumented, and
else begins a trace; a `traceparent` that came with the request from elsewhere
(a proxy) is linked. There is no convention for cron yet; the attributes are
those of FaaS with a timer, and our own:

    job.system                 'cronsched'
    faas.trigger               'timer'
    faas.cron, faas.time       the expression; the scheduled instant, in UTC
    faas.invocation_id         the id of the run
    code.function.name         of the job's function
    cronsched.application_id, cronsched.job, cronsched.attempt
    error.type                 of what the job raised

The native thread that sends the request has no span: it knows no Python.
"""

from __future__ import annotations

from datetime import UTC
from typing import Any, Final

from opentelemetry import context, trace
from opentelemetry.trace import Link, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from cronsched._version import __version__
from cronsched.telemetry.executed import Executed

__all__ = ['Span']

SCOPE: Final = 'cronsched'


class Span:
    """Current until it is closed, in the same thread or task."""

    def __init__(self, executed: Executed) -> None:
        tracer = trace.get_tracer(SCOPE, __version__)
        self._span = tracer.start_span(
            executed.job.name, kind=SpanKind.INTERNAL, attributes=_attributes(executed),
            links=_links(executed.traceparent))
        self._token = context.attach(trace.set_span_in_context(self._span))

    def close(self, error: BaseException | None) -> None:
        context.detach(self._token)
        if error is not None:
            self._span.record_exception(error)
            self._span.set_attribute('error.type', type(error).__qualname__)
            self._span.set_status(Status(StatusCode.ERROR, f'{type(error).__name__}: {error}'))
        self._span.end()


def _attributes(executed: Executed) -> dict[str, Any]:
    job = executed.job
    name = getattr(job.function, '__qualname__', None) or job.name
    module = getattr(job.function, '__module__', None)
    return {
        'job.system': SCOPE,
        'faas.trigger': 'timer',
        'faas.cron': job.schedule.expression,
        'faas.time': executed.scheduled.astimezone(UTC).isoformat().replace('+00:00', 'Z'),
        'faas.invocation_id': executed.run_id,
        'code.function.name': f'{module}.{name}' if module else name,
        'cronsched.application_id': executed.application_id,
        'cronsched.job': job.name,
        'cronsched.attempt': executed.attempt,
    }


def _links(traceparent: str | None) -> list[Link]:
    """To whoever began another trace for this request."""
    if traceparent is None:
        return []
    came = trace.get_current_span(TraceContextTextMapPropagator().extract(
        {'traceparent': traceparent}, context.Context())).get_span_context()
    current = trace.get_current_span().get_span_context()
    if not came.is_valid or came.trace_id == current.trace_id:
        return []
    return [Link(came)]
