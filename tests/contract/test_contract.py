"""What every adapter does, in the same words. See drivers.py."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import threading
import time
from contextlib import closing

import not_applicable
import pytest
from drivers import DRIVERS, SCHEDULED, JobSpec
from processes import run_python

from cronsched._cronsched import run_id
from cronsched.ledger import Run

OK = [('ok', 1)]
SECRETS = ('cookie', 'authorization')


class Job:
    """A function that notes its runs, and may fail."""

    def __init__(self, error=None, result=None):
        self.runs = []
        self.error = error
        self.result = result

    def spec(self, name='cleanup', **options):
        def function(run):
            self.runs.append(run)
            if self.error is not None:
                raise self.error
            return self.result

        return JobSpec(function, name, options=options)


@pytest.fixture
def job():
    return Job()


@pytest.fixture
def served(driver, job):
    with driver.serve([job.spec(retries=1)]) as served:
        yield served


def refused(reply, job, served):
    assert (reply.status, reply.body) == (401, b'')
    assert job.runs == []
    assert served.states() == []


# -- who may start a run --------------------------------------------------------


def test_a_signed_request_runs_the_job_and_is_recorded(served, job):
    reply = served.run('cleanup')
    assert (reply.status, reply.outcome, reply.body) == (200, 'ok', b'')
    assert len(job.runs) == 1
    assert served.states() == OK


def test_who_has_no_signature_is_refused_without_a_word(served, job):
    refused(served.send(served.path('cleanup')), job, served)


@pytest.mark.parametrize(('header', 'value'), [
    ('webhook-signature', 'v1,AAAA'),
    ('webhook-signature', ''),
    ('webhook-id', 'run_00000000000000000000000000000000'),
    ('webhook-timestamp', '1'),
    ('webhook-timestamp', 'now'),
    ('Cronsched-Scheduled', '2026-01-01T00:00:00Z'),
    ('Cronsched-Attempt', '0'),
])
def test_a_forged_request_is_refused(served, job, header, value):
    headers = served.signed('cleanup')
    assert header in headers
    refused(served.send(served.path('cleanup'), headers | {header: value}), job, served)


def test_the_headers_of_another_run_are_refused(served, job):
    headers = served.signed('cleanup', SCHEDULED - 60)
    headers['Cronsched-Scheduled'] = served.signed('cleanup')['Cronsched-Scheduled']
    refused(served.send(served.path('cleanup'), headers), job, served)


@pytest.mark.parametrize('changed', [
    {'key': b'k' * 32}, {'application_id': 'another'}, {'name': 'another'},
], ids=lambda changed: next(iter(changed)))
def test_what_was_signed_for_others_is_refused(served, job, changed):
    headers = served.signed(**{'name': 'cleanup'} | changed)
    refused(served.send(served.path('cleanup'), headers), job, served)


def test_an_old_signature_is_refused(driver, job):
    with driver.serve([job.spec(timeout=60)]) as served:
        refused(served.run('cleanup', now=int(time.time()) - 330), job, served)


def test_a_request_may_wait_as_long_as_its_attempt_may_take(driver, job):
    with driver.serve([job.spec(timeout=900)]) as served:
        refused(served.run('cleanup', now=int(time.time()) - 930), job, served)
        assert served.run('cleanup', now=int(time.time()) - 600).outcome == 'ok'


def test_a_signature_from_the_future_is_refused(served, job):
    refused(served.run('cleanup', now=int(time.time()) + 330), job, served)


def test_an_unknown_name_that_is_rightly_signed_is_not_found(served):
    assert served.run('unknown').status == 404


def test_an_unknown_name_that_is_wrongly_signed_is_refused(served, job):
    refused(served.run('unknown', key=b'k' * 32), job, served)
    refused(served.send(served.path('unknown')), job, served)


@pytest.mark.parametrize('method', ['GET', 'HEAD', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])
def test_the_wrong_method_is_refused_without_a_word(served, job, method):
    reply = served.send(served.path('cleanup'), served.signed('cleanup'), method)
    refused(reply, job, served)


def test_other_methods_run_nothing(served, job):
    for method in {'POST', 'GET', 'HEAD', 'PUT', 'OPTIONS', 'TRACE', 'FOO'} - {served.method}:
        reply = served.send(served.path('cleanup'), served.signed('cleanup'), method)
        assert reply.status in (401, 405), method
    assert job.runs == []


def test_a_query_is_refused(served, job):
    headers = served.signed('cleanup')
    refused(served.send(served.path('cleanup') + '?town=zug', headers), job, served)


def test_a_query_does_not_reach_the_function(driver):
    seen = []

    def cleanup(request):
        seen.append((request.query_string, dict(request.GET)))

    with driver.serve([JobSpec(cleanup, bare=True)]) as served:
        served.send(served.path('cleanup') + '?town=zug', served.signed('cleanup'))
    assert seen == [('', {})]


def test_a_body_is_refused(served, job):
    headers = served.signed('cleanup')
    refused(served.send(served.path('cleanup'), headers, body=b'town=zug'), job, served)


def test_cookies_and_credentials_do_not_reach_the_function(driver):
    seen = []

    def cleanup(given):
        request = getattr(given, 'request', given)
        if hasattr(request, 'scope'):   # Starlette
            request = request.scope
        if isinstance(request, dict) and 'headers' in request:     # ASGI
            names = [name.decode() for name, _ in request['headers']]
        else:
            environ = getattr(request, 'META', None) or getattr(request, 'environ', request)
            names = [name for name in ('HTTP_COOKIE', 'HTTP_AUTHORIZATION') if environ.get(name)]
        seen.append([name for name in names if name.lower().removeprefix('http_') in SECRETS])

    with driver.serve([JobSpec(cleanup, bare=True)]) as served:
        headers = served.signed('cleanup') | {'Cookie': 'session=1', 'Authorization': 'Basic x'}
        assert served.send(served.path('cleanup'), headers).outcome == 'ok'
    assert seen == [[]]


@pytest.mark.parametrize('header', ['webhook-signature', 'webhook-id', 'X-Some'])
def test_huge_headers_are_refused(served, job, header):
    headers = served.signed('cleanup') | {header: 'v1,' + 'A' * 60_000}
    if header == 'X-Some':
        headers['webhook-signature'] = 'v1,AAAA'
    begun = time.perf_counter()
    # A server may refuse it before us, as it likes.
    assert served.send(served.path('cleanup'), headers).status in (0, 400, 401, 431)
    assert time.perf_counter() - begun < 5
    assert job.runs == []


def test_a_header_that_is_there_twice_is_refused(served, job):
    pairs = [*served.signed('cleanup').items()]
    twice = next(pair for pair in pairs if pair[0] == 'webhook-signature')
    refused(served.send(served.path('cleanup'), [*pairs, twice]), job, served)


# -- where it is ------------------------------------------------------------------


def test_a_slash_at_the_end_runs_nothing_else(served, job):
    headers = served.signed('cleanup')
    for _ in range(2):
        assert served.send(served.path('cleanup') + '/', headers).status in (200, 401, 404)
    assert len(job.runs) <= 1


@pytest.mark.parametrize('path', ['/', '/page'])
def test_visitors_are_answered_by_the_application(served, path):
    reply = served.send(path, method='GET')
    assert (reply.status, reply.body) == (200, f'page {path}'.encode())


@pytest.mark.parametrize('path', ['/cronjobs', '/cronjobs/', '/cronjobs//', '/cronjobs/x/y'])
def test_around_the_prefix_nobody_learns_anything(served, job, path):
    reply = served.send(path)
    assert reply.status in (200, 401, 404)
    assert b'cleanup' not in reply.body
    assert job.runs == []


def test_a_knock_without_a_signature_is_refused(served, job):
    assert served.send('/cronjobs/-').status in (401, 404)
    assert job.runs == []


# -- once ---------------------------------------------------------------------------


def test_the_same_request_runs_nothing_a_second_time(served, job):
    headers = served.signed('cleanup')
    assert served.send(served.path('cleanup'), headers).outcome == 'ok'
    again = served.send(served.path('cleanup'), headers)
    assert (again.status, again.outcome) == (200, 'duplicate')
    assert len(job.runs) == 1
    assert served.states() == OK


def test_of_many_at_once_one_runs(served, job):
    headers, replies = served.signed('cleanup'), []

    def send():
        replies.append(served.send(served.path('cleanup'), headers).outcome)

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(replies) == ['duplicate'] * 7 + ['ok']
    assert len(job.runs) == 1


def test_a_failed_run_may_be_tried_again_as_often_as_the_job_says(served, job):
    now = int(time.time())
    job.error = LookupError('not yet')
    served.run('cleanup', now=now - 2)
    assert served.states() == [('failed', 1)]
    job.error = None
    assert served.run('cleanup', now=now - 1, attempt=2).outcome == 'ok'
    assert [run.attempt for run in job.runs] == [1, 2]
    assert served.states() == [('ok', 2)]


def test_no_more_attempts_than_the_job_says(served, job):
    now = int(time.time())
    job.error = LookupError('never')
    for attempt in (1, 2, 3):
        reply = served.run('cleanup', now=now - 5 + attempt, attempt=attempt)
    assert reply.outcome == 'duplicate'
    assert len(job.runs) == 2
    assert served.states() == [('failed', 2)]


def test_an_attempt_cannot_be_replayed_as_the_next(served, job):
    job.error = LookupError('not yet')
    headers = served.signed('cleanup')
    served.send(served.path('cleanup'), headers)
    replayed = headers | {'Cronsched-Attempt': '2'}
    again = served.send(served.path('cleanup'), replayed)
    assert again.outcome == 'duplicate' or again.status == 401
    assert len(job.runs) == 1


def test_a_paused_job_is_not_run_and_says_so(served, job):
    served.ledger.pause('shop', 'cleanup', at=SCHEDULED - 600)
    reply = served.run('cleanup')
    assert (reply.status, reply.outcome) == (200, 'skipped_paused')
    assert job.runs == []


def test_a_job_that_still_executes_is_skipped(served, job):
    assert served.ledger.claim(Run('shop', 'cleanup', SCHEDULED - 60)).granted
    reply = served.run('cleanup')
    assert (reply.status, reply.outcome) == (200, 'skipped_overlap')
    assert job.runs == []


def test_where_overlap_is_allowed_both_run(driver, job):
    with driver.serve([job.spec(overlap='allow')]) as served:
        assert served.ledger.claim(Run('shop', 'cleanup', SCHEDULED - 60), overlap='allow').granted
        assert served.run('cleanup').outcome == 'ok'


# -- the ledger ---------------------------------------------------------------------


def test_a_locked_ledger_is_to_be_asked_again(driver, job, caplog):
    with driver.serve([job.spec(catch_up=None)]) as served:
        assert served.run('cleanup', SCHEDULED - 60).outcome == 'ok'   # it is there
        served.ledger._store.patience = 0.1
        headers = served.signed('cleanup')
        with closing(sqlite3.connect(served.ledger.path, isolation_level=None)) as other:
            other.execute('BEGIN IMMEDIATE')
            reply = served.send(served.path('cleanup'), headers)
            assert served.send(served.path('cleanup'), headers).outcome == 'waiting'
        assert (reply.status, reply.headers['retry-after']) == (503, '1')
        assert reply.outcome == 'waiting'   # as long as `catch_up` allows
        assert len(job.runs) == 1
        # It comes again each five seconds at most, and so do all others.
        assert caplog.text.count('cleanup of shop did not run') == 1
        served.ledger._store.patience = 5.0
        assert served.send(served.path('cleanup'), headers).outcome == 'ok'
        assert len(job.runs) == 2


def test_a_damaged_ledger_runs_nothing(driver, job, tmp_path):
    place = tmp_path / 'broken.sqlite3'
    place.write_bytes(b'not a database' * 1000)
    place.chmod(0o600)
    with driver.serve([job.spec()], ledger=f'sqlite://{place}') as served:
        assert served.run('cleanup').status == 503
        assert served.send('/page', method='GET').status == 200
    assert job.runs == []


def test_without_a_ledger_the_job_runs(driver, job):
    # What was run is remembered by this process, for all applications in it.
    with driver.serve([job.spec()], f'shop of {driver.name}', ledger=None) as served:
        assert served.send(served.path('cleanup')).status == 401
        reply = served.run('cleanup')
    assert (reply.status, reply.outcome) == (200, 'ok')
    assert job.runs[0].previous is None


# -- how it ends ----------------------------------------------------------------------


def fails(served, job, error):
    """Its run fails with that error, and the next one is well."""
    job.error = error('so')
    reply = served.run('cleanup')
    assert served.states() == [('failed', 1)]
    assert served.ledger.history()[0].detail == f'{error.__name__}: so'
    job.error = None
    assert served.run('cleanup', SCHEDULED + 60).outcome == 'ok'
    return reply


@pytest.mark.parametrize('error', [LookupError, StopIteration, TimeoutError])
def test_what_a_job_raises_ends_its_run_as_failed(served, job, error):
    reply = fails(served, job, error)
    assert (reply.status, reply.outcome) == (500, 'failed') or type(reply.error) is error


@pytest.mark.parametrize('error', [SystemExit, KeyboardInterrupt, asyncio.CancelledError])
def test_an_exit_ends_the_run_as_failed_and_goes_on_to_the_server(served, job, error):
    reply = fails(served, job, error)
    assert reply.status == 500 or type(reply.error) is error


def test_an_error_without_words_ends_its_run(served, job):
    class Unspeakable(Exception):
        def __str__(self):
            raise RuntimeError('no words')

    job.error = Unspeakable()
    served.run('cleanup')
    assert served.ledger.history()[0].detail == 'Unspeakable'


def test_what_an_error_handler_made_of_it_is_a_failure(served, job):
    job.error = type(served.app).Swallowed()
    reply = served.run('cleanup')
    assert (reply.status, reply.outcome) == (500, 'failed')
    assert served.states() == [('failed', 1)]


@pytest.mark.parametrize('result', ['text', b'bytes', 404, (500, 'x'), object(), [], False])
def test_what_a_job_returns_does_not_matter(served, job, result):
    job.result = result
    reply = served.run('cleanup')
    assert (reply.status, reply.outcome, reply.body) == (200, 'ok', b'')


def test_a_coroutine_that_nobody_awaits_is_a_failure(driver):
    async def really():
        raise AssertionError('never')

    def cleanup(run):
        return really()

    with driver.serve([JobSpec(cleanup)]) as served:
        served.run('cleanup')
        assert served.states() == [('failed', 1)]
        assert 'coroutine' in served.ledger.history()[0].detail


# -- what a job knows -----------------------------------------------------------------


def test_a_run_knows_itself(driver, job):
    spec = job.spec(timezone='Asia/Tokyo')
    with driver.serve([spec]) as served:
        served.run('cleanup', SCHEDULED - 60)
        job.error = ValueError()
        served.run('cleanup')
        job.error = None
        served.run('cleanup', SCHEDULED + 60)
    run = job.runs[2]
    assert run.id == run_id('shop', 'cleanup', SCHEDULED + 60)
    assert (run.job, run.application_id, run.attempt) == ('cleanup', 'shop', 1)
    assert [each.timestamp() for each in (run.scheduled, run.previous, run.last_success)] == [
        SCHEDULED + 60, SCHEDULED, SCHEDULED - 60,
    ]
    assert str(run.scheduled.tzinfo) == 'Asia/Tokyo'
    assert job.runs[0].previous is None


def test_the_run_knows_its_request(served, job):
    served.run('cleanup')
    assert path_of(job.runs[0].request) == '/cronjobs/cleanup'


def path_of(request):
    """Of an environ, a scope, or the request of a framework."""
    if isinstance(request, dict):
        return request.get('PATH_INFO') or request['path']
    return getattr(request, 'path', None) or request.url.path


def test_a_function_may_take_nothing(driver):
    ran = []

    def cleanup():
        ran.append(1)

    with driver.serve([JobSpec(cleanup, bare=True)]) as served:
        assert served.run('cleanup').outcome == 'ok'
    assert ran == [1]


NAMES = [
    "quotes'and\"double", 'Zürich 日本 \N{SNOWMAN}', '100%', '%2F%00', 'a/b', '../x', '..%2f',
    'a..', 'line\nfeed', 'a\r\nX-Injected: 1', 'blank and +', '?query#fragment', ';a=b&c', '<b>',
    '\\', '~', 'n' * 200, '\N{SNOWMAN}' * 200,
]


@pytest.mark.parametrize('name', NAMES, ids=lambda name: ascii(name[:12])[1:-1].replace('\\', '_'))
def test_a_job_may_have_any_name(driver, job, name):
    with driver.serve([job.spec(name)]) as served:
        reply = served.run(name)
        assert (reply.status, reply.outcome) == (200, 'ok')
        assert served.ledger.history()[0].run.job == name
        assert served.send(served.path(name)).status == 401
    assert job.runs[0].job == name
    assert 'x-injected' not in reply.headers


# -- decoration -------------------------------------------------------------------------


def generator(run):
    yield


async def async_generator(run):
    yield


def two(run, other):
    pass


def keyword(run, *, town):
    pass


class NotAFunction:
    pass


async def asynchronous(run):
    pass


def nothing():
    pass


def declared(driver, function, **options):
    """Decorates, and commits where that is the time of errors."""
    decorator, commit = driver.declare()
    decorator(**{'expression': '0 8 * * *', 'timezone': 'UTC'} | options)(function)
    commit()


@pytest.mark.parametrize(('function', 'says'), [
    (generator, 'is a generator'), (async_generator, 'is a generator'),
    (two, r'takes \(run, other\)'), (keyword, r'takes \(run, \*, town\)'),
    (NotAFunction, 'not a function'),
], ids=lambda value: getattr(value, '__name__', ''))
def test_what_could_not_run_is_an_error_with_file_and_line(driver, function, says):
    with pytest.raises(Exception, match=says) as caught:
        declared(driver, function)
    if function is not NotAFunction:
        assert f'{__file__}:{function.__code__.co_firstlineno}' in str(caught.value)


def test_an_async_job_is_an_error_where_no_loop_is(driver):
    with pytest.raises(Exception, match='is async, and there is no event loop') as caught:
        declared(driver, asynchronous)
    assert f'{__file__}:{asynchronous.__code__.co_firstlineno}' in str(caught.value)


def test_a_function_without_an_argument_is_an_error(driver):
    with pytest.raises(Exception, match=r'takes \(\): a job takes one argument, the request'):
        declared(driver, nothing)


def test_a_decorator_without_parentheses_is_an_error(driver):
    decorator, _ = driver.declare()
    with pytest.raises(Exception, match='needs parentheses') as caught:
        decorator(nothing)
    assert f'{__file__}:{nothing.__code__.co_firstlineno}' in str(caught.value)


@pytest.mark.parametrize(('name', 'says'), [
    ('n' * 201, 'has 201 characters'), ('', 'write text'), ('a\0b', 'write text'),
    ('\ud800', 'write text'),
], ids=['long', 'empty', 'nul', 'half'])
def test_a_name_that_cannot_be_is_an_error_at_decoration(driver, name, says):
    with pytest.raises(Exception, match=says):
        declared(driver, two_free, name=name)


def two_free(run):
    pass


@pytest.mark.parametrize('name', ['-', '.', '..'])
def test_a_name_that_no_path_can_hold_is_an_error_at_decoration(driver, name):
    with pytest.raises(ValueError, match='cannot be in a path'):
        declared(driver, two_free, name=name)


def test_two_jobs_of_one_name_are_an_error_that_names_both(driver):
    decorator, commit = driver.declare()
    options = {'timezone': 'UTC', 'name': 'cleanup'}
    decorator('0 8 * * *', **options)(two_free)

    def more():
        decorator('0 9 * * *', **options)(lambda run: None)
        commit()

    with pytest.raises(Exception, match='cleanup') as caught:
        more()
    assert str(caught.value).count(__file__) == 2


def test_a_decorated_function_is_returned_unchanged(driver):
    decorator, _ = driver.declare()
    assert decorator('0 8 * * *', timezone='UTC')(two_free) is two_free


# -- several ------------------------------------------------------------------------------


def test_two_applications_in_one_process_are_two(driver):
    shop, blog = Job(), Job()
    with driver.serve([shop.spec()], 'shop') as one, driver.serve([blog.spec()], 'blog') as other:
        headers = one.signed('cleanup')
        assert other.send(other.path('cleanup'), headers).status == 401
        assert one.send(one.path('cleanup'), headers).outcome == 'ok'
        assert other.run('cleanup').outcome == 'ok'
        assert one.states() == other.states() == OK
    assert [len(shop.runs), len(blog.runs)] == [1, 1]
    assert [shop.runs[0].application_id, blog.runs[0].application_id] == ['shop', 'blog']


def test_two_applications_of_one_id_share_their_runs(driver):
    first, second = Job(), Job()
    with driver.serve([first.spec()]) as one, driver.serve([second.spec()]) as other:
        assert one.run('cleanup').outcome == 'ok'
        assert other.run('cleanup').outcome == 'duplicate'


FORKED = """
    import os, sys, warnings
    sys.path[:0] = ['.', 'contract']
    warnings.filterwarnings('ignore', '.*pkg_resources')   # Pyramid
    from drivers import DRIVERS, JobSpec, SCHEDULED
    # Servers, and the threads of a loop, are the test's own.
    warnings.filterwarnings('ignore', 'This process .* is multi-threaded', DeprecationWarning)

    def cleanup(run):
        print(run.scheduled.timestamp() - SCHEDULED, os.getpid() == parent, flush=True)

    parent = os.getpid()
    with DRIVERS[{name!r}].serve([JobSpec(cleanup)]) as served:
        print(served.run('cleanup').outcome, flush=True)
        child = os.fork()
        if child == 0:
            print(served.run('cleanup').outcome, served.run('cleanup', SCHEDULED + 60).outcome)
            sys.stdout.flush()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        print(served.run('cleanup', SCHEDULED + 120).outcome, flush=True)
"""


def test_a_forked_process_answers_as_its_parent(driver):
    written = run_python(FORKED.format(name=driver.name)).split('\n')
    assert written == [
        '0.0 True', 'ok', '60.0 False', 'duplicate ok', '120.0 True', 'ok', '',
    ]


# -- loops --------------------------------------------------------------------------------


def test_an_async_job_is_awaited(driver):
    ran = []

    async def cleanup(run):
        await asyncio.sleep(0)
        ran.append(asyncio.get_running_loop())

    with driver.serve([JobSpec(cleanup)]) as served:
        assert served.run('cleanup').outcome == 'ok'
        assert len(ran) == 1
        assert served.states() == OK


def test_an_async_job_is_ended_at_its_timeout(driver):
    ticks = []

    async def cleanup(run):
        while True:
            ticks.append(1)
            await asyncio.sleep(0.01)

    with driver.serve([JobSpec(cleanup, options={'timeout': 0.2})]) as served:
        reply = served.run('cleanup')
        seen = len(ticks)
        assert (reply.status, reply.outcome) == (500, 'timed_out')
        assert served.states() == [('timed_out', 1)]
        assert 'its timeout of 0.2 s' in served.ledger.history()[0].detail
        time.sleep(0.1)
        assert len(ticks) == seen > 1   # nothing of it executes any more


def test_a_time_out_of_its_own_is_a_failure(driver):
    async def cleanup(run):
        async with asyncio.timeout(0.01):
            await asyncio.sleep(5)

    with driver.serve([JobSpec(cleanup)]) as served:
        assert served.run('cleanup').outcome == 'failed'


def test_a_def_job_leaves_the_loop_free(driver):
    inside, leave = threading.Event(), threading.Event()

    def cleanup(run):
        inside.set()
        assert leave.wait(20)

    with driver.serve([JobSpec(cleanup)]) as served:
        thread = threading.Thread(target=served.run, args=('cleanup',))
        thread.start()
        assert inside.wait(20)
        assert served.send('/page', method='GET').status == 200
        assert served.run('cleanup').outcome == 'duplicate'
        leave.set()
        thread.join(20)
        assert served.states() == OK


# -- the table ----------------------------------------------------------------------------


def test_the_table_names_cases_and_adapters_that_exist():
    module = sys.modules[__name__]
    for (adapter, case), reason in not_applicable.NOT_APPLICABLE.items():
        assert adapter in DRIVERS
        assert hasattr(module, case), case
        assert reason
