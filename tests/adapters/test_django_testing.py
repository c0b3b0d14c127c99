"""`cronsched.testing` for a Django project."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, transaction
from django.test import TestCase, TransactionTestCase
from django_site import history, set_up, site
from processes import run_python

set_up()

from cronsched.django import cronjob  # noqa: E402
from cronsched.django.host import HOST  # noqa: E402
from cronsched.errors import SchedulerError  # noqa: E402
from cronsched.testing import VirtualClock, run, run_async  # noqa: E402

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _project():
    with site():
        yield


def test_a_job_is_run_by_its_name_or_itself_and_nothing_is_kept():
    seen = []

    @cronjob('0 8 * * *')
    def send_invoices(run):
        seen.append((run.application_id, run.attempt, run.request.method))

    @cronjob('0 8 * * *')
    async def poll():
        seen.append('async')

    for job in ('send_invoices', send_invoices, 'poll'):
        response = run(job)
        assert response.status_code == 200
        assert response.headers['Cronsched-Outcome'] == 'ok'
    assert seen == [('django_site', 1, 'POST'), ('django_site', 1, 'POST'), 'async']
    assert history() == []
    with pytest.raises(LookupError, match='names 0 jobs of this application: send_invoices, poll'):
        run('send_nothing')


def test_what_a_job_raises_is_raised():
    @cronjob('0 8 * * *')
    def send_invoices():
        raise LookupError('no customer')

    with pytest.raises(LookupError, match='no customer'):
        run('send_invoices')


def test_a_year_of_jobs_takes_a_moment():
    @cronjob('0 8 * * *', max_offset=0)
    def send_invoices(run):
        days.append(run.scheduled)

    @cronjob('0 9 * * MON#1')
    async def report():
        pass

    days = []
    begun = time.process_time()
    with VirtualClock(start=START) as clock:
        clock.advance(days=365)
        runs = clock.runs
    took = time.process_time() - begun
    assert [run.outcome for run in runs] == ['ok'] * (365 + 12)
    assert days[0].isoformat() == '2026-01-02T08:00:00+09:00'
    assert len({day.date() for day in days}) == 365
    assert took < 3    # of the processor; 0.7 s without -X dev


def test_what_becomes_of_jobs_is_what_would_become_of_them():
    fail = [True]

    @cronjob('0 8 * * *', max_offset=0, retries=1, timezone='UTC')
    def send_invoices():
        if fail:
            fail.pop()
            raise LookupError('not yet')

    with VirtualClock(start=START) as clock:
        clock.advance(days=1)
        assert [(run.outcome, run.attempt) for run in clock.runs] == [('ok', 2)]
        clock.restart(hours=20)
        clock.advance(days=1)
        assert [(run.scheduled.day, run.outcome) for run in clock.runs] == [
            (1, 'ok'), (2, 'missed'), (3, 'ok')]
        clock.ledger.pause(None, 'send_invoices', at=clock.now.timestamp())
        clock.advance(days=1)
        assert clock.runs[-1].outcome == 'skipped_paused'
        assert clock.run('send_invoices').headers['Cronsched-Outcome'] == 'skipped_paused'
    with pytest.raises(SchedulerError, match='not running'):
        clock.advance(days=1)


def test_a_clock_after_a_clock_begins_anew():
    @cronjob('0 8 * * *')
    def send_invoices():
        pass

    for _ in range(2):
        with VirtualClock(start=START) as clock:
            clock.advance(days=3)
            assert len(clock.runs) == 3
            assert clock.next is not None


@pytest.mark.parametrize('case', [TestCase, TransactionTestCase])
@pytest.mark.parametrize('kind', ['sync', 'async'])
def test_a_job_runs_in_the_transaction_of_a_test_and_on_commit_is_called(case, kind):
    called = []

    def insert():
        with connection.cursor() as cursor:
            cursor.execute('INSERT INTO invoices VALUES (1)')
        transaction.on_commit(lambda: called.append(1))

    if kind == 'sync':
        @cronjob('0 8 * * *')
        def send_invoices():
            insert()
    else:
        @cronjob('0 8 * * *')
        async def send_invoices():
            await sync_to_async(insert)()

    def count():
        with connection.cursor() as cursor:
            cursor.execute('SELECT count(*) FROM invoices')
            return cursor.fetchone()[0]

    class Case(case):
        databases = {'default'}     # noqa: RUF012
        available_apps = None

        def test(self):
            assert run('send_invoices').status_code == 200
            assert (count(), called) == (1, [1])

        def _fixture_teardown(self):
            if case is TestCase:
                super()._fixture_teardown()

    with connection.cursor() as cursor:
        cursor.execute('CREATE TABLE invoices (id INTEGER)')
    try:
        Case('test').debug()
        assert count() == (0 if case is TestCase else 1)
    finally:
        with connection.cursor() as cursor:
            cursor.execute('DROP TABLE invoices')
        connection.close()


def test_an_async_test_shares_its_loop_and_its_transaction_with_a_job():
    loops, called = [], []

    def insert():
        with connection.cursor() as cursor:
            cursor.execute('INSERT INTO invoices VALUES (1)')
        transaction.on_commit(lambda: called.append(1))

    @cronjob('0 8 * * *')
    async def send_invoices(run):
        loops.append(asyncio.get_running_loop())
        await sync_to_async(insert)()

    @cronjob('0 9 * * *')
    def remind():
        insert()

    class Case(TestCase):
        databases = {'default'}     # noqa: RUF012

        async def test(self):
            for job in ('send_invoices', remind):
                assert (await run_async(job)).status_code == 200
            assert loops == [asyncio.get_running_loop()]
            assert called == [1, 1]

    with connection.cursor() as cursor:
        cursor.execute('CREATE TABLE invoices (id INTEGER)')
    try:
        Case('test').debug()
    finally:
        with connection.cursor() as cursor:
            cursor.execute('SELECT count(*) FROM invoices')
            assert cursor.fetchone()[0] == 0
            cursor.execute('DROP TABLE invoices')
        connection.close()


def test_jobs_that_are_called_already_are_refused(monkeypatch):
    from cronsched.web import start

    @cronjob('0 8 * * *')
    def send_invoices():
        pass

    monkeypatch.setattr(start, 'is_started', lambda application_id: True)
    with pytest.raises(SchedulerError, match=r"CRONSCHED = \{'ENABLED': False\}"):
        run('send_invoices')
    assert HOST.application_id == 'django_site'


WITHOUT_MOREPATH = """
    import sys
    sys.path[:0] = ['.']
    for name in ('morepath', 'webob', 'dectate', 'flask'):
        sys.modules[name] = None
    from django_site import set_up, site
    set_up()
    from cronsched.django import cronjob
    from cronsched.testing import VirtualClock, run
    with site():
        @cronjob('0 8 * * *')
        def job():
            print('ran')
        run('job')
        from datetime import UTC, datetime
        with VirtualClock(start=datetime(2026, 1, 1, tzinfo=UTC)) as clock:
            clock.advance(days=1)
"""


def test_it_needs_no_other_framework():
    assert run_python(WITHOUT_MOREPATH).split() == ['ran', 'ran']


def test_nothing_real_is_started_by_the_clock():
    @cronjob('* * * * *')
    def send_invoices():
        pass

    begun = datetime.now(UTC) - timedelta(minutes=1)
    with VirtualClock() as clock:
        assert clock.now > begun
        assert history() == []
