from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from freezegun import freeze_time

from cronsched._cronsched import run_id, sign_headers
from cronsched.jobs.settings import Settings
from cronsched.ledger import Claim, Ledger, LedgerError, Run, open_ledger
from cronsched.morepath.job import Job
from cronsched.scheduler.site import UNCONFIGURED, Site
from cronsched.web.receive import Answered, CronRun, accept, expect, settle

APPLICATION_ID = 'org/zug'
SECRET = 'not much of a secret'
SCHEDULED = int(time.time()) // 60 * 60


class View:
    """A function that counts its runs, and may fail."""

    def __init__(self) -> None:
        self.runs: list[CronRun] = []
        self.error: BaseException | None = None

    def __call__(self, request: SimpleNamespace) -> None:
        self.runs.append(request.cron_run)
        if self.error is not None:
            raise self.error


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = open_ledger(f'sqlite://{tmp_path}/ledger.sqlite3')
    yield ledger
    ledger.close()


@pytest.fixture
def site(ledger: Ledger) -> Site:
    return Site(Settings(), (SECRET,), ledger)


@pytest.fixture
def view() -> View:
    return View()


@pytest.fixture
def job(view: View) -> Job:
    return Job(view, 8, 0, 'Europe/Zurich', name='cleanup', retries=1)


def request_for(site: Site, scheduled: int = SCHEDULED, job: str = 'cleanup', **changed):
    signed = {'key': site.key(APPLICATION_ID), 'now': int(time.time()), 'attempt': 1} | changed
    headers = sign_headers(APPLICATION_ID, job, scheduled, **signed)
    return SimpleNamespace(headers=headers, environ={})


class Host:
    application_id = APPLICATION_ID
    headers: dict[str, str] = {}  # noqa: RUF012

    def __init__(self, job: Job, site: Site) -> None:
        self.jobs, self.site = {job.name: job}, site

    def url_of(self, job: str) -> str:
        return f'/cronjobs/{job}'

    def told(self, diagnosis) -> str:
        return ''


def run(job: Job, request, site: Site) -> str:
    """The outcome that the sender is told; what the function raises."""
    try:
        execution = accept(Host(job, site), job.name, request.headers, environ=request.environ)
    except Answered as answered:
        if 'Cronsched-Outcome' in answered.headers:
            return answered.headers['Cronsched-Outcome']
        raise
    request.cron_run = execution.run
    with execution:
        job.function(request)
    return execution.answer.headers['Cronsched-Outcome']


def rows(ledger: Ledger) -> list[tuple[str, int, str | None]]:
    return [(row.state, row.attempt, row.detail) for row in ledger.history()]


def test_a_signed_request_runs_the_function_and_is_recorded(job, view, site, ledger):
    assert run(job, request_for(site), site) == 'ok'
    assert len(view.runs) == 1
    assert rows(ledger) == [('ok', 1, None)]


def test_a_run_knows_its_fence_and_whether_it_is_current(site, ledger):
    seen: list[tuple[int, bool]] = []

    def look(request):
        seen.append((request.cron_run.fence, request.cron_run.is_current()))

    def look_twice(request):
        look(request)
        given_up = Claim(Run(APPLICATION_ID, 'cleanup', SCHEDULED), 'granted')
        ledger.finish(given_up, 'failed', took=0.1)
        look(request)

    run(Job(look, 8, 0, 'UTC', name='cleanup'), request_for(site, SCHEDULED - 60), site)
    run(Job(look_twice, 8, 0, 'UTC', name='cleanup'), request_for(site), site)
    assert seen == [(1, True), (2, True), (2, False)]


@pytest.mark.parametrize(('passing', 'late', 'waits'), [
    (True, 0, True), (True, 400, False), (False, 0, False),
])
def test_a_ledger_that_comes_back_has_the_attempt_sent_again(
    view, site, ledger, monkeypatch, passing, late, waits,
):
    """Until the run is too late; of a file, nobody says that it comes back."""
    job = Job(view, 8, 0, 'UTC', name='cleanup', catch_up=300)

    def claim(*_: object, **more: object) -> None:
        error = LedgerError('is away')
        error.passing = passing
        raise error

    monkeypatch.setattr(type(ledger), 'claim', claim)
    request = request_for(site, int(time.time()) - late)
    with pytest.raises(Answered) as answered:
        accept(Host(job, site), job.name, request.headers, environ=request.environ)
    assert answered.value.status == 503
    assert answered.value.headers['Retry-After'] == '1'
    assert answered.value.headers.get('Cronsched-Outcome') == ('waiting' if waits else None)


def test_the_ledger_hears_of_the_epoch(job, site, ledger, monkeypatch):
    heard: list[int] = []
    claim = type(ledger).claim
    monkeypatch.setattr(
        type(ledger), 'claim',
        lambda self, run, **more: heard.append(more['epoch']) or claim(self, run, **more))
    assert run(job, request_for(site, epoch=4), site) == 'ok'
    assert run(job, request_for(site, SCHEDULED - 60), site) == 'ok'
    assert heard == [4, 0]


def test_the_view_knows_its_run(job, view, site):
    run(job, request_for(site, SCHEDULED - 60), site)
    run(job, request_for(site), site)
    seen = view.runs[1]
    assert seen.id == run_id(APPLICATION_ID, 'cleanup', SCHEDULED)
    assert seen.scheduled.timestamp() == SCHEDULED
    assert str(seen.scheduled.tzinfo) == 'Europe/Zurich'
    assert seen.previous is not None
    assert seen.previous.timestamp() == SCHEDULED - 60
    assert seen.last_success == seen.previous
    assert seen.attempt == 1


def test_the_same_request_runs_nothing_a_second_time(job, view, site, ledger):
    request = request_for(site)
    assert run(job, request, site) == 'ok'
    again = SimpleNamespace(headers=request.headers, environ={})
    assert run(job, again, site) == 'duplicate'
    assert len(view.runs) == 1
    assert rows(ledger) == [('ok', 1, None)]


def test_a_failure_is_recorded_and_goes_on_to_the_framework(job, view, site, ledger):
    view.error = LookupError('no such town')
    with pytest.raises(LookupError):
        run(job, request_for(site), site)
    assert rows(ledger) == [('failed', 1, 'LookupError: no such town')]


def test_the_detail_of_a_failure_is_a_kibibyte_of_whole_characters(job, view, site, ledger):
    view.error = ValueError('ü' * 2000)
    with pytest.raises(ValueError, match='ü'):
        run(job, request_for(site), site)
    detail = ledger.history()[0].detail
    assert detail is not None
    assert 1020 < len(detail.encode()) <= 1024


def test_a_failed_run_may_be_tried_again_as_often_as_the_job_says(job, view, site, ledger):
    view.error = LookupError('not yet')
    now = int(time.time())
    with pytest.raises(LookupError):
        run(job, request_for(site, now=now), site)
    view.error = None
    assert run(job, request_for(site, now=now + 1, attempt=2), site) == 'ok'
    assert view.runs[1].attempt == 2
    assert rows(ledger) == [('ok', 2, None)]


def test_a_paused_job_is_not_run_and_says_so(job, view, site, ledger):
    ledger.pause(APPLICATION_ID, 'cleanup', at=SCHEDULED - 600)
    assert run(job, request_for(site), site) == 'skipped_paused'
    assert view.runs == []
    assert [row[0] for row in rows(ledger)] == ['skipped_paused']


@pytest.mark.parametrize(
    'change',
    [
        {'webhook-signature': 'v1,AAAA'},
        {'webhook-id': 'run_1'},
        {'webhook-timestamp': '1'},
        {'Cronsched-Scheduled': '2026-01-01T00:00:00Z'},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_changed_request_is_refused(job, view, site, ledger, change):
    request = request_for(site)
    request.headers.update(change)
    with pytest.raises(Answered, match='401'):
        run(job, request, site)
    assert view.runs == []
    assert rows(ledger) == []


def test_an_unsigned_request_is_refused(job, view, site):
    with pytest.raises(Answered, match='401'):
        run(job, SimpleNamespace(headers={}, environ={}), site)
    assert view.runs == []


def test_a_request_for_another_job_is_refused(job, view, site):
    with pytest.raises(Answered, match='401'):
        run(job, request_for(site, job='another'), site)
    assert view.runs == []


def test_both_secrets_of_a_rotation_are_accepted(job, site, ledger):
    rotated = Site(site.settings, ('the new one', SECRET), ledger)
    assert run(job, request_for(site), rotated) == 'ok'
    assert run(job, request_for(rotated, SCHEDULED + 60), rotated) == 'ok'


def test_without_ledger_or_secret_the_job_runs_all_the_same(job, view):
    assert run(job, SimpleNamespace(headers={}, environ={}), UNCONFIGURED) == 'ok'
    assert view.runs[0].previous is None
    assert abs(view.runs[0].scheduled.timestamp() - time.time()) < 10
    assert (view.runs[0].fence, view.runs[0].is_current()) == (0, True)
    assert asyncio.run(view.runs[0].ais_current())


def test_where_it_is_not_demanded_a_signature_that_is_there_still_claims(job, view, ledger):
    lenient = Site(Settings(), (SECRET,), ledger, 'GET', strict=False)
    request = request_for(lenient)
    assert run(job, request, lenient) == 'ok'
    assert run(job, SimpleNamespace(headers=request.headers, environ={}), lenient) == 'duplicate'
    assert run(job, SimpleNamespace(headers={}, environ={}), lenient) == 'ok'
    request.headers['webhook-signature'] = 'v1,AAAA'
    with pytest.raises(Answered, match='401'):
        run(job, SimpleNamespace(headers=request.headers, environ={}), lenient)
    assert len(view.runs) == 2


def test_a_test_that_holds_the_clock_may_repeat_its_runs(job, view, ledger):
    lenient = Site(Settings(), (SECRET,), ledger, 'GET', strict=False)
    headers = request_for(lenient, 1451635200).headers
    with freeze_time('2016-01-01 08:00'):
        for _ in range(2):
            assert run(job, SimpleNamespace(headers=headers, environ={}), lenient) == 'ok'
    assert len(view.runs) == 2
    assert rows(ledger) == []


def test_a_tween_around_it_decides_how_the_run_ended(job, site, ledger):
    request = request_for(site)
    expect(request.environ)
    run(job, request, site)
    assert [row[0] for row in rows(ledger)] == ['running']
    settle(request.environ, 500)
    assert rows(ledger) == [('failed', 1, 'answered with status 500')]
    settle(request.environ, 200)
    assert rows(ledger) == [('failed', 1, 'answered with status 500')]


def test_a_transaction_that_repeats_the_request_repeats_its_run(job, view, site, ledger):
    request = request_for(site)
    expect(request.environ)
    view.error = LookupError('serialization failure')
    with pytest.raises(LookupError):
        run(job, request, site)
    view.error = None
    assert run(job, request, site) == 'ok'
    settle(request.environ, 200)
    assert len(view.runs) == 2
    assert rows(ledger) == [('ok', 1, None)]


def test_a_failure_that_became_an_answer_is_still_a_failure(job, view, site, ledger):
    request = request_for(site)
    expect(request.environ)
    view.error = LookupError('no such town')
    with pytest.raises(LookupError):
        run(job, request, site)
    settle(request.environ, 200)
    assert rows(ledger) == [('failed', 1, 'LookupError: no such town')]


def test_a_ledger_that_cannot_be_used_runs_nothing(job, view, tmp_path):
    (tmp_path / 'broken.sqlite3').write_bytes(b'no database' * 1000)
    (tmp_path / 'broken.sqlite3').chmod(0o600)
    ledger = open_ledger(f'sqlite://{tmp_path}/broken.sqlite3')
    broken = Site(Settings(), (SECRET,), ledger)
    with pytest.raises(Answered, match='503') as caught:
        run(job, request_for(broken), broken)
    assert caught.value.headers == {'Retry-After': '1'}
    assert view.runs == []


