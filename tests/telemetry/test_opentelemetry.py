from __future__ import annotations

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from test_events import call, cron

from cronsched.telemetry import opentelemetry

__all__ = ['cron']   # a fixture


@pytest.fixture
def exporter(monkeypatch):
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(opentelemetry.trace, 'get_tracer', provider.get_tracer)
    return exporter


def test_a_span_says_which_run_it_is(cron, exporter):
    inside = []

    @cron.job('0 3 * * *', name='tidy')
    def tidy(run):
        inside.append((trace.get_current_span(), run))

    assert call(cron, 'tidy') == 200
    span, = exporter.get_finished_spans()
    current, run = inside[0]
    assert span.context == current.get_span_context()
    assert (span.name, span.kind, span.parent) == ('tidy', trace.SpanKind.INTERNAL, None)
    assert dict(span.attributes) == {
        'job.system': 'cronsched', 'faas.trigger': 'timer', 'faas.cron': '0 3 * * *',
        'faas.time': run.scheduled.strftime('%Y-%m-%dT%H:%M:%SZ'),
        'faas.invocation_id': run.id,
        'code.function.name': f'{__name__}.test_a_span_says_which_run_it_is.<locals>.tidy',
        'cronsched.application_id': 'shop', 'cronsched.job': 'tidy', 'cronsched.attempt': 1,
    }
    assert span.status.is_ok
    assert not trace.get_current_span().get_span_context().is_valid


def test_it_is_a_child_of_the_span_of_the_request(cron, exporter):
    cron.job('0 3 * * *', name='tidy')(lambda: None)
    tracer = opentelemetry.trace.get_tracer('server')
    with tracer.start_as_current_span('POST /cronjobs/tidy') as server:
        call(cron, 'tidy')
    span = exporter.get_finished_spans()[0]
    assert span.parent == server.get_span_context()
    assert not span.links


def test_a_trace_that_came_with_the_request_is_linked(cron, exporter):
    cron.job('0 3 * * *', name='tidy')(lambda: None)
    came = f'00-{"a" * 32}-{"b" * 16}-01'
    call(cron, 'tidy', HTTP_TRACEPARENT=came)
    call(cron, 'tidy', HTTP_TRACEPARENT='nonsense')
    linked, other = exporter.get_finished_spans()
    assert linked.parent is None   # who sampled it does not decide for us
    assert f'{linked.links[0].context.trace_id:032x}' == 'a' * 32
    assert not other.links


def test_what_a_job_raises_is_on_the_span(cron, exporter):
    @cron.job('0 3 * * *')
    def tidy():
        raise LookupError('no such town')

    assert call(cron, 'tidy') == 500
    span, = exporter.get_finished_spans()
    assert span.attributes['error.type'] == 'LookupError'
    assert (span.status.is_ok, span.status.description) == (False, 'LookupError: no such town')
    assert [event.name for event in span.events] == ['exception']


def test_a_tracer_that_fails_does_not_touch_the_job(cron, monkeypatch, caplog):
    def broken(*arguments):
        raise RuntimeError('no')

    monkeypatch.setattr(opentelemetry.trace, 'get_tracer', broken)
    cron.job('0 3 * * *', name='tidy')(lambda: None)
    assert call(cron, 'tidy') == 200
    assert call(cron, 'tidy') == 200
    assert [record.message for record in caplog.records if 'could not be told' in record.message
            ] == ['opentelemetry.trace could not be told of a job, and is not complained of again']


def test_under_asgi_the_span_is_current_in_the_job_and_its_thread(cron, exporter):
    import asyncio

    from cronsched.web.asgi import make_asgi

    seen = []

    @cron.job('0 3 * * *')
    async def awaited():
        await asyncio.sleep(0)
        seen.append(trace.get_current_span().get_span_context())

    @cron.job('0 3 * * *')
    def threaded():
        seen.append(trace.get_current_span().get_span_context())
        raise LookupError

    async def both():
        application = make_asgi(None, cron, cron.prefix, lambda: True)
        for name in ('awaited', 'threaded'):
            await application(
                {'type': 'http', 'method': 'POST', 'path': f'/cronjobs/{name}', 'headers': [],
                 'query_string': b''}, receive, send)

    async def receive():
        return {'type': 'http.request', 'body': b'', 'more_body': False}

    async def send(message):
        pass

    asyncio.run(both())
    spans = exporter.get_finished_spans()
    assert [span.context for span in spans] == seen
    assert [span.status.is_ok for span in spans] == [True, False]


def test_structlog_names_the_job_in_each_line(cron):
    contextvars = pytest.importorskip('structlog.contextvars')
    seen = []
    cron.job('0 3 * * *', name='tidy')(lambda run: seen.append(
        (contextvars.get_contextvars(), run.id)))
    contextvars.bind_contextvars(request='r1')
    call(cron, 'tidy')
    (found, run), = seen
    assert found == {'request': 'r1', 'cron_job': 'tidy', 'cron_run': run}
    assert contextvars.get_contextvars() == {'request': 'r1'}
    contextvars.clear_contextvars()
