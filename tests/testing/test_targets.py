"""`cronsched.testing` with an application of each framework."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import flask
import freezegun
import pytest
import time_machine
from applications import (
    in_a_cron,
    in_asgi,
    in_fastapi,
    in_flask,
    in_pyramid,
    in_starlette,
    in_wsgi,
)
from fastapi import Depends, FastAPI
from processes import run_python
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from werkzeug.middleware.proxy_fix import ProxyFix

from cronsched.errors import SchedulerError
from cronsched.fastapi import Cron as FastAPICron
from cronsched.fastapi import Run
from cronsched.flask import Cron as FlaskCron
from cronsched.starlette import Cron as StarletteCron
from cronsched.testing import VirtualClock, run, run_async
from cronsched.web.execution import TimedOut

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
DAILY = {'hour': 8, 'minute': 0, 'max_offset': 0}


@pytest.fixture(autouse=True)
def nothing_real(monkeypatch):
    """As in a test of a user."""
    monkeypatch.delenv('CRONSCHED_ENABLED')


WSGI = [in_flask, in_pyramid, in_wsgi]
ASGI = [in_starlette, in_fastapi, in_asgi]
EACH = [*WSGI, *ASGI, in_a_cron]


@pytest.fixture(params=EACH, ids=lambda make: make.__name__)
def make(request):
    return request.param


def outcomes(clock):
    return [each.outcome for each in clock.runs]


# -- one run ----------------------------------------------------------------------


def test_a_job_is_run_by_its_name_or_itself_and_nothing_is_kept(make, own_directories):
    seen = []

    def cleanup(run):
        seen.append((run.application_id, run.attempt, run.scheduled))

    app = make([(DAILY, cleanup)])
    for job in ('cleanup', cleanup):
        response = run(app, job)
        assert response.status_code == 200
        assert response.headers['cronsched-outcome'] == 'ok'
    run(app, 'cleanup', scheduled=NEW_YEAR, attempt=2)
    assert seen[-1] == ('shop', 2, NEW_YEAR)
    assert len(seen) == 3
    for place in ('state', 'run'):
        assert list((own_directories / place).iterdir()) == []


def test_what_a_job_raises_is_raised(make):
    def failing():
        raise LookupError('no customer')

    with pytest.raises(LookupError, match='no customer'):
        run(make([(DAILY, failing)]), failing)


def test_an_unknown_job_is_told_with_the_known_ones(make):
    def cleanup():
        pass

    with pytest.raises(LookupError, match='names 0 jobs of this application: cleanup'):
        run(make([(DAILY, cleanup)]), 'send_nothing')
    with pytest.raises(LookupError, match='no jobs are mounted at'):
        run(make([(DAILY, cleanup)]), 'cleanup', path='/elsewhere')


def test_an_error_that_an_application_handles_is_its_answer():
    def failing():
        raise LookupError('no customer')

    app = in_flask([(DAILY, failing)])
    app.register_error_handler(LookupError, lambda error: 'all is well')
    response = run(app, 'failing')
    assert (response.status_code, response.text) == (500, 'all is well')
    assert response.headers['Cronsched-Outcome'] == 'failed'


@pytest.mark.parametrize('testing', [True, False])
def test_in_flask_it_is_the_answer_of_production_also_in_a_test(testing):
    def failing():
        raise LookupError('no customer')

    app = in_flask([(DAILY, failing)])
    app.testing = testing
    with VirtualClock(app, start=NEW_YEAR) as clock:
        clock.advance(days=1)
        (first,) = clock.runs
    assert (first.response.status_code, type(first.error)) == (500, LookupError)
    assert app.config['PROPAGATE_EXCEPTIONS'] is None


@pytest.mark.parametrize('make', [in_flask, in_fastapi])
def test_links_have_the_name_of_production(make):
    links = []

    def cleanup(run):
        links.append(str(getattr(run.request, 'base_url', '')))

    run(make([(DAILY, cleanup)], public_url='https://shop.example'), 'cleanup')
    assert links[0].startswith(('https://shop.example', 'http://shop.example'))


def test_dependencies_are_injected():
    seen = []

    def database():
        yield 'a session'
        seen.append('closed')

    def cleanup(run: Run, db: str = Depends(database)):
        seen.append(f'{db} for {run.job}')

    run(in_fastapi([(DAILY, cleanup)]), 'cleanup')
    assert seen == ['a session for cleanup', 'closed']


def test_the_application_may_be_inside_of_a_middleware():
    seen = []

    def cleanup(run):
        seen.append(run.job)

    app = in_flask([(DAILY, cleanup)])
    run(ProxyFix(app), 'cleanup')
    app.wsgi_app = ProxyFix(app.wsgi_app)
    run(app, 'cleanup')
    run(BaseHTTPMiddleware(in_fastapi([(DAILY, cleanup)]), pass_on), 'cleanup')
    assert seen == ['cleanup'] * 3


async def pass_on(request, call_next):
    return await call_next(request)


@pytest.mark.parametrize('app', [object(), flask.Flask('shop'), Starlette(), FlaskCron('shop')])
def test_what_has_no_jobs_is_told_so(app):
    with pytest.raises(SchedulerError, match='give the application that'):
        run(app, 'cleanup')


def test_jobs_that_are_called_already_are_refused(make, monkeypatch):
    from cronsched.web import start

    app = make([(DAILY, lambda: None)])
    monkeypatch.setattr(start, 'is_started', lambda application_id: True)
    with pytest.raises(SchedulerError, match='CRONSCHED_ENABLED=0'):
        run(app, '<lambda>')


# -- a year -------------------------------------------------------------------------


@pytest.mark.parametrize('make', [in_flask, in_pyramid, in_fastapi, in_a_cron])
def test_a_year_of_jobs_is_played(make):
    days, reports = [], []

    def daily(run):
        days.append(run.scheduled)

    def report():
        reports.append(1)

    first_monday = {'expression': '0 9 * * MON#1', 'max_offset': 0}
    with VirtualClock(make([(DAILY, daily), (first_monday, report)]), start=NEW_YEAR) as clock:
        clock.advance(days=365)
        assert outcomes(clock) == ['ok'] * (365 + 12)
        assert len(clock.ledger.history(job='daily', limit=1000)) == 365
    assert days == [NEW_YEAR + timedelta(days=day, hours=8) for day in range(365)]
    assert len(reports) == 12


def test_what_becomes_of_jobs_is_what_would_become_of_them(make):
    fail = [True]

    def import_orders():
        if fail:
            fail.pop()
            raise LookupError('not yet')

    with VirtualClock(make([(DAILY | {'retries': 1}, import_orders)]), start=NEW_YEAR) as clock:
        clock.advance(days=1)
        assert [(each.outcome, each.attempt) for each in clock.runs] == [('ok', 2)]
        clock.restart(hours=20)
        clock.advance(days=1)
        assert [(each.scheduled.day, each.outcome) for each in clock.runs] == [
            (1, 'ok'), (2, 'missed'), (3, 'ok')]
        clock.ledger.pause(None, 'import_orders', at=clock.now.timestamp())
        clock.advance(days=1)
        assert clock.runs[-1].outcome == 'skipped_paused'
        response = clock.run('import_orders')
        assert response.headers['Cronsched-Outcome'] == 'skipped_paused'
    with pytest.raises(SchedulerError, match='not running'):
        clock.advance(days=1)


def test_a_run_that_fails_has_its_error(make):
    def failing():
        raise LookupError('no customer')

    with VirtualClock(make([(DAILY, failing)]), start=NEW_YEAR) as clock:
        clock.advance(days=1)
        (first,) = clock.runs
        assert [row.detail for row in clock.ledger.history()] == ['LookupError: no customer']
    assert first.outcome == 'failed'
    assert repr(first.error) == "LookupError('no customer')"


@pytest.mark.parametrize('make', [in_flask, *ASGI])
def test_an_async_job_ends_at_its_timeout(make):
    async def slow():
        await asyncio.sleep(30)

    app = make([(DAILY | {'timeout': 0.05}, slow)])
    with VirtualClock(app, start=NEW_YEAR) as clock:
        clock.advance(days=1)
        assert [row.state for row in clock.ledger.history()] == ['timed_out']
    assert [type(each.error) for each in clock.runs] == [TimedOut]


@pytest.mark.parametrize(('make', 'kind'), [
    *((make, 'def') for make in (in_flask, in_fastapi)),
    *((make, 'async def') for make in (in_flask, in_fastapi, in_asgi)),
])
def test_a_job_that_takes_its_time_overlaps_with_the_next_run(make, kind):
    if kind == 'async def':
        async def slow(run):
            take_time(run)
    else:
        def slow(run):
            take_time(run)

    def take_time(run):
        if run.scheduled.hour == 1:
            clock.advance(hours=1, minutes=30)

    options = {'hour': '*', 'minute': 0, 'max_offset': 0, 'overlap': 'allow', 'timeout': 86400}
    with VirtualClock(make([(options, slow)]), start=NEW_YEAR) as clock:
        clock.advance(hours=3, minutes=30)
    assert sorted(each.scheduled.hour for each in clock.runs) == [0, 1, 2, 3]
    assert outcomes(clock) == ['ok'] * 4


@pytest.mark.parametrize('make', [in_flask, in_fastapi])
@pytest.mark.parametrize('freeze', [
    lambda at: time_machine.travel(at, tick=False), freezegun.freeze_time,
])
def test_python_is_shown_the_time_by_who_can_hold_it(make, freeze):
    seen = []
    app = make([(DAILY, lambda: seen.append(datetime.now(UTC)))])
    with VirtualClock(app, start=NEW_YEAR, freeze=freeze) as clock:
        clock.advance(days=1)
        clock.run('<lambda>')
    assert seen == [NEW_YEAR + timedelta(hours=hours) for hours in (8, 24)]


# -- loops --------------------------------------------------------------------------


def with_lifespan(make, jobs, lifespan):
    cron, application = (
        (FastAPICron, FastAPI) if make is in_fastapi else (StarletteCron, Starlette)
    )
    return in_starlette(jobs, cron, lambda: application(lifespan=lifespan))


@pytest.mark.parametrize('make', [in_starlette, in_fastapi])
def test_a_clock_is_a_process_with_its_lifespan_and_one_loop(make):
    told = []

    @asynccontextmanager
    async def lifespan(app):
        told.append(('start', asyncio.get_running_loop()))
        yield {'pool': 'a pool'}
        told.append(('end', asyncio.get_running_loop()))

    async def refresh(run):
        told.append((run.request.state.pool, asyncio.get_running_loop()))

    app = with_lifespan(make, [(DAILY, refresh)], lifespan)
    with VirtualClock(app, start=NEW_YEAR) as clock:
        clock.advance(days=1)
        clock.run('refresh')
        clock.restart(minutes=1)
    assert [word for word, _ in told] == ['start', 'a pool', 'a pool', 'end', 'start', 'end']
    assert len({loop for _, loop in told[:4]}) == 1
    assert outcomes(clock) == ['ok']


@pytest.mark.parametrize('make', [in_starlette, in_fastapi])
def test_what_the_lifespan_raises_is_raised(make):
    @asynccontextmanager
    async def lifespan(app):
        raise LookupError('no database')
        yield

    app = with_lifespan(make, [(DAILY, lambda: None)], lifespan)
    with pytest.raises(LookupError, match='no database'), VirtualClock(app, start=NEW_YEAR):
        pass


@pytest.mark.parametrize('make', ASGI)
def test_in_an_async_test_a_job_shares_the_loop(make):
    loops = []

    async def refresh():
        loops.append(asyncio.get_running_loop())

    async def test():
        app = make([(DAILY, refresh)])
        response = await run_async(app, refresh)
        assert response.headers['Cronsched-Outcome'] == 'ok'
        assert loops == [asyncio.get_running_loop()]
        with pytest.raises(SchedulerError, match='await run_async'):
            run(app, refresh)
        with pytest.raises(SchedulerError, match='no `async def`'), VirtualClock(app):
            pass

    asyncio.run(test())


@pytest.mark.parametrize('make', WSGI)
def test_an_async_test_may_run_a_job_of_wsgi(make):
    ran = []

    def cleanup():
        ran.append(1)

    response = asyncio.run(run_async(make([(DAILY, cleanup)]), 'cleanup'))
    assert response.status_code == 200
    assert ran == [1]


# -- several ------------------------------------------------------------------------


@pytest.mark.parametrize(('application', 'make'), [
    (Starlette, StarletteCron), (FastAPI, FastAPICron),
])
def test_applications_mounted_in_another_have_their_own_runs(application, make):
    seen = []
    crons, apps = {}, {}
    for name in ('shop', 'blog'):
        crons[name] = make(name, timezone='UTC')
        crons[name].add(lambda run: seen.append(
            (run.application_id, str(run.request.url))), name='daily', timezone='UTC', **DAILY)
        apps[name] = application()
        crons[name].mount(apps[name])
    apps['shop'].router.routes.append(Mount('/blog', app=apps['blog']))
    with VirtualClock(apps['shop'], '/', '/blog', start=NEW_YEAR) as clock:
        clock.advance(days=1)
        clock.run('daily', '/blog')
    assert sorted(seen) == [
        ('blog', 'http://localhost/blog/cronjobs/daily'),
        ('blog', 'http://localhost/blog/cronjobs/daily'),
        ('shop', 'http://localhost/cronjobs/daily'),
    ]
    run(apps['shop'], 'daily', path='/blog')
    assert seen[-1][0] == 'blog'


def test_a_page_of_starlette_beside_the_jobs_is_in_nobodys_way():
    ran = []
    app = in_starlette([(DAILY, lambda: ran.append(1))])
    app.add_route('/{path:path}', lambda request: PlainTextResponse('page'), methods=['POST'])
    assert run(app, '<lambda>').headers['Cronsched-Outcome'] == 'ok'
    assert ran == [1]


# -- the fixtures -------------------------------------------------------------------


def test_runs_of_one_test_know_of_each_other(cron_run, make):
    seen = []
    app = make([(DAILY, lambda run: seen.append(run.previous))])
    for _ in range(2):
        assert cron_run(app, '<lambda>').status_code == 200
    assert seen[0] is None
    assert seen[1] is not None
    run(app, '<lambda>')
    assert seen[2] is not None   # it is still lent


# -- what is loaded -----------------------------------------------------------------

FRAMEWORKS = ('flask', 'starlette', 'fastapi', 'pyramid', 'morepath', 'django', 'webob')
NEEDS = {
    'flask': ('flask',), 'starlette': ('starlette',), 'fastapi': ('fastapi', 'starlette'),
    'pyramid': ('pyramid', 'webob'), 'wsgi': (), 'asgi': (),
}
ALONE = """
    import sys
    sys.path[:0] = ['.', 'testing']
    for name in {blocked!r}:
        sys.modules[name] = None
    from datetime import UTC, datetime
    from cronsched.testing import VirtualClock, run
    {make}
    run(app, 'job')
    with VirtualClock(app, start=datetime(2026, 1, 1, tzinfo=UTC)) as clock:
        clock.advance(days=1)
        print([each.outcome for each in clock.runs])
"""
MADE = {
    'flask': 'import flask; from cronsched.flask import Cron; app = flask.Flask("shop"); '
             'cron = Cron(); cron.init_app(app); cron.add(job, **daily)',
    'starlette': 'from starlette.applications import Starlette; from cronsched.starlette import '
                 'Cron; app = Starlette(); cron = Cron("shop"); cron.mount(app); '
                 'cron.add(job, **daily)',
    'fastapi': 'from fastapi import FastAPI; from cronsched.fastapi import Cron; '
               'app = FastAPI(); cron = Cron("shop"); cron.mount(app); cron.add(job, **daily)',
    'pyramid': 'from pyramid.config import Configurator; config = Configurator(); '
               'config.include("cronsched.pyramid"); config.add_cronjob(job, **daily); '
               'app = config.make_wsgi_app()',
    'wsgi': 'from cronsched import Cron; app = Cron("shop"); app.add(job, **daily)',
    'asgi': 'from cronsched import Cron; app = Cron("shop"); app.add(ajob, name="job", **daily)',
}


@pytest.mark.parametrize('framework', NEEDS)
def test_it_needs_no_other_framework(framework):
    blocked = [name for name in FRAMEWORKS if name not in NEEDS[framework]]
    lines = [
        'daily = dict(expression="0 8 * * *", timezone="UTC")', 'def job(): pass',
        'async def ajob(): pass', 'import warnings',
        'warnings.filterwarnings("ignore", ".*pkg_resources")',
        *MADE[framework].split('; '),
    ]
    text = ALONE.format(blocked=blocked, make='\n    '.join(lines))
    assert run_python(text).split('\n') == ["['ok']", '']
