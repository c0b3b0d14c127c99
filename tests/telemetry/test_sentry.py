"""Sentry's own SDK, with a transport that keeps what it is given."""

from __future__ import annotations

import logging
import sys
import threading
from datetime import UTC, datetime

import pytest
import sentry_sdk
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.transport import Transport
from telemetry_stage import NOW

from cronsched._cronsched import run_id
from cronsched.jobs.job import Job
from cronsched.jobs.monitoring import Monitor
from cronsched.jobs.options import Policy, check
from cronsched.jobs.settings import Settings
from cronsched.ledger import Plan, Run
from cronsched.scheduler.site import Site
from cronsched.telemetry import checkins
from cronsched.web.execution import CronRun, Execution, TimedOut


@pytest.fixture
def sent():
    """The events that would go to Sentry, in order."""
    kept = []

    class Kept(Transport):
        def capture_envelope(self, envelope):
            kept.extend(item.payload.json for item in envelope.items if item.payload.json)

    sentry_sdk.init(
        dsn='http://key@127.0.0.1:1/1', transport=Kept, auto_enabling_integrations=False,
        integrations=[LoggingIntegration()], auto_session_tracking=False,
    )
    yield kept
    # With all that it would look for by itself, this takes seconds.
    sentry_sdk.init(default_integrations=False, auto_enabling_integrations=False)


def errors(sent):
    return [each for each in sent if 'check_in_id' not in each and each.get('level') == 'error']


def check_ins(sent):
    return [each for each in sent if 'check_in_id' in each]


def execute(stage, delivery, error=None, status=200, **said):
    """As a worker does it."""
    claim = stage.claim(delivery, **said)
    job, run = stage.jobs[0], CronRun(
        run_id('shop', 'tidy', delivery.scheduled),
        _at(delivery.scheduled, stage), job='tidy',
        application_id='shop', attempt=claim.attempt)
    execution = Execution(job, run, Policy(), stage.ledger, claim)
    try:
        with execution:
            if error is not None:
                raise error
            if status != 200:
                execution.end(status=status)
    except type(error or TimedOut()):
        pass
    return execution


def _at(epoch, stage):
    return datetime.fromtimestamp(epoch, stage.jobs[0].timezone)


# -- errors, once -----------------------------------------------------------------


def test_what_a_job_raises_is_one_event_with_its_traceback(stage, sent):
    stage.start()
    stage.pass_by(1)
    delivery = stage.take()
    execute(stage, delivery, LookupError('no such town'))
    stage.native.complete(delivery.run, 500, outcome='failed', detail='LookupError')
    stage.drain()
    event, = errors(sent)
    exception, = event['exception']['values']
    assert (exception['type'], exception['value']) == ('LookupError', 'no such town')
    assert exception['stacktrace']['frames']
    assert exception['mechanism']['handled'] is False
    assert event['tags'] == {'cronsched.application_id': 'shop', 'cronsched.job': 'tidy'}
    assert event['contexts']['cronsched']['run'] == run_id('shop', 'tidy', NOW)


def test_what_the_framework_captures_too_is_the_same_event(stage, sent):
    stage.start()
    stage.pass_by(1)
    error = LookupError('no such town')
    execute(stage, stage.take(), error)
    sentry_sdk.capture_exception(error)                     # an integration, after us
    logging.getLogger('django.request').error('no', exc_info=error)
    assert len(errors(sent)) == 1
    sentry_sdk.capture_exception(LookupError('of a visitor'))
    assert len(errors(sent)) == 2


def test_what_the_framework_captured_first_is_not_captured_again(stage, sent):
    stage.start()
    stage.pass_by(1)
    claim = stage.claim(stage.take())
    run = CronRun('run_' + '0' * 32, _at(NOW, stage), job='tidy', application_id='shop')
    execution = Execution(stage.jobs[0], run, Policy(), stage.ledger, claim)
    execution.defer()
    error = LookupError('no such town')
    with execution:
        sentry_sdk.capture_exception(error)
    execution.end(error)
    assert len(errors(sent)) == 1


def test_it_is_one_event_where_other_threads_end_the_run(stage, sent):
    stage.start()
    stage.pass_by(1)
    error = LookupError('no')
    thread = threading.Thread(target=execute, args=(stage, stage.take(), error))
    thread.start()
    thread.join()
    sentry_sdk.capture_exception(error)
    assert len(errors(sent)) == 1


def test_an_event_of_the_job_itself_names_the_job(stage, sent):
    stage.start()
    stage.pass_by(1)
    claim = stage.claim(stage.take())
    run = CronRun('run_' + '0' * 32, _at(NOW, stage), job='tidy', application_id='shop')
    with Execution(stage.jobs[0], run, Policy(), stage.ledger, claim):
        sentry_sdk.capture_message('odd', level='error')
    sentry_sdk.capture_message('of a visitor', level='error')
    mine, other = errors(sent)
    assert mine['tags']['cronsched.job'] == 'tidy'
    assert mine['transaction'] == 'tidy'
    assert 'cronsched.job' not in other.get('tags', {})


def test_a_failure_without_an_exception_is_sent_by_the_owner(stage, sent):
    stage.start()
    stage.pass_by(1)
    delivery = stage.take()
    execute(stage, delivery, status=404)
    stage.native.complete(delivery.run, 500, outcome='failed')
    stage.drain()
    event, = errors(sent)
    assert event['message'].endswith('failed: status 500')
    assert event['fingerprint'] == ['cronsched', 'shop', 'tidy', 'failed']


@pytest.mark.parametrize(
    ('said', 'outcome'),
    [
        ({'status': 404}, 'failed'),
        ({'status': 302}, 'failed'),
        ({'status': 200, 'outcome': ''}, 'failed'),
        ({'status': 200, 'outcome': 'lost'}, 'lost'),
    ],
)
def test_what_nobody_executed_is_one_event(stage, sent, said, outcome):
    stage.start()
    stage.pass_by(1)
    stage.answer(**said)
    event, = errors(sent)
    assert event['fingerprint'] == ['cronsched', 'shop', 'tidy', outcome]
    assert event['tags']['cronsched.job'] == 'tidy'


def test_a_time_out_is_one_event_whatever_follows(make_stage, sent):
    stage = make_stage(timeout=2)
    stage.start()
    stage.pass_by(1)
    delivery = stage.take()
    claim = stage.claim(delivery, timeout=2.0)
    stage.native.complete(delivery.run, 0, delivery='timed_out', took=2.0)
    stage.drain()
    stage.ledger.finish(claim, 'ok', took=5.0)
    stage.turn()
    assert [event['fingerprint'][3] for event in errors(sent)] == ['timed_out']


def test_a_job_that_was_ended_at_its_timeout_is_one_event(stage, sent):
    stage.start()
    stage.pass_by(1)
    delivery = stage.take()
    execute(stage, delivery, TimedOut('ended at its timeout of 1 s'))
    stage.native.complete(delivery.run, 500, outcome='timed_out')
    stage.drain()
    event, = errors(sent)
    assert event['exception']['values'][0]['type'] == 'TimedOut'


def test_an_attempt_that_is_followed_is_no_message(make_stage, sent):
    stage = make_stage(retries=1, backoff=1)
    stage.start()
    stage.pass_by(1)
    stage.answer(503)
    assert errors(sent) == []


def test_missed_runs_are_one_event_and_none_where_a_later_one_stands(stage, sent):
    stage.ledger.seen('shop', '', {'tidy': Plan('* * * * *', 'UTC', 'tidy')}, NOW - 7200.0)
    stage.ledger.record(Run('shop', 'tidy', NOW - 3600), 'ok', at=NOW - 3600.0)
    stage.start()
    assert errors(sent) == []


def test_missed_runs_where_nothing_ran_are_one_event(make_stage, sent):
    stage = make_stage(coalesce=False, catch_up=0)
    stage.ledger.seen('shop', '', {'tidy': Plan('* * * * *', 'UTC', 'tidy')}, NOW - 7200.0)
    stage.ledger.record(Run('shop', 'tidy', NOW - 3600), 'ok', at=NOW - 3600.0)
    stage.start()
    event, = errors(sent)
    assert 'missed' in event['message']
    assert event['fingerprint'] == ['cronsched', 'shop', 'tidy', 'missed']


# -- check-ins --------------------------------------------------------------------


def start(make_stage, monitor=True, **options):
    stage = make_stage(monitor=monitor, **options)
    stage.start()
    stage.pass_by(1)
    return stage


def test_a_run_checks_in_when_it_is_sent_and_when_it_has_ended(make_stage, sent):
    stage = start(make_stage, expression='*/15 * * * *', timezone='Europe/Zurich')
    stage.answer(took=1.25)
    first, last = check_ins(sent)
    assert (first['status'], last['status'], last['duration']) == ('in_progress', 'ok', 1.25)
    assert first['monitor_slug'] == 'shop-tidy'
    assert run_id('shop', 'tidy', NOW) == f'run_{first["check_in_id"]}'
    assert first['check_in_id'] == last['check_in_id']
    assert first['monitor_config'] == {
        'schedule': {'type': 'crontab', 'value': '0,15,30,45 * * * *'},
        'timezone': 'Europe/Zurich', 'checkin_margin': 1, 'max_runtime': 60,
    }


@pytest.mark.parametrize(
    ('said', 'status'),
    [
        ({'status': 404}, 'error'),
        ({'status': 200, 'outcome': 'lost'}, 'error'),
        ({'status': 0, 'delivery': 'timed_out', 'took': 3600.0}, 'error'),
        ({'status': 200, 'outcome': 'skipped_overlap'}, 'ok'),
        ({'status': 200, 'outcome': 'skipped_paused'}, 'ok'),
    ],
)
def test_the_outcome_decides(make_stage, sent, said, status):
    stage = start(make_stage)
    delivery = stage.take()
    if said['status'] == 0:
        stage.claim(delivery)
    said.setdefault('outcome', '')
    stage.native.complete(delivery.run, said.pop('status'), **said)
    stage.drain()
    assert [each['status'] for each in check_ins(sent)] == ['in_progress', status]


def test_a_run_that_nobody_executed_checks_in(make_stage, sent):
    stage = start(make_stage, expression='0 * * * *', catch_up=20)
    while stage.ledger.find(Run('shop', 'tidy', NOW)) is None:   # it is delivered again
        delivery = stage.take()
        if delivery is None:
            stage.pass_by(1)
        else:
            stage.native.complete(delivery.run, 0, delivery='not_connected')
            stage.drain()
    assert [each['status'] for each in check_ins(sent)] == ['in_progress', 'error']
    assert len(errors(sent)) == 1


def test_an_attempt_that_is_followed_is_no_check_in(make_stage, sent):
    stage = start(make_stage, retries=1, backoff=1)
    delivery = stage.take()
    stage.ledger.finish(stage.claim(delivery, retries=1), 'failed', took=0.0)
    stage.native.complete(delivery.run, 500, outcome='failed')
    stage.drain()
    stage.pass_by(2)
    stage.turn()
    delivery = stage.take()
    stage.ledger.finish(stage.claim(delivery, retries=1), 'ok', took=0.0)
    stage.native.complete(delivery.run, 200, outcome='ok')
    stage.drain()
    assert [each['status'] for each in check_ins(sent)] == ['in_progress', 'ok']


def test_what_was_missed_is_no_check_in(make_stage, sent):
    stage = make_stage(monitor=True, coalesce=False, catch_up=0)
    stage.ledger.seen('shop', '', {'tidy': Plan('* * * * *', 'UTC', 'tidy')}, NOW - 7200.0)
    stage.ledger.record(Run('shop', 'tidy', NOW - 3600), 'ok', at=NOW - 3600.0)
    stage.start()
    assert check_ins(sent) == []


def test_no_monitor_no_check_in_and_a_setting_is_for_all_jobs(make_stage, sent):
    start(make_stage, monitor=False).answer()
    assert check_ins(sent) == []
    settings = Settings(options=check({'monitor': {'failure_issue_threshold': 3}}))
    stage = make_stage(settings=settings, expression='0 * * * *', names=('other',))
    stage.start()
    stage.pass_by(1)
    stage.take()
    assert [each['monitor_config']['failure_issue_threshold'] for each in check_ins(sent)] == [3]


def test_a_schedule_that_sentry_cannot_say_is_one_warning(make_stage, sent, caplog):
    stage = start(make_stage, expression='*/10 * * * * *')
    stage.answer()
    stage.pass_by(10)
    stage.answer()
    assert check_ins(sent) == []
    assert [record.getMessage() for record in caplog.records if 'monitor' in record.message] == [
        "the job tidy has no monitor in Sentry, which cannot say '*/10 * * * * *': write "
        'monitor=False, or ping= of a service that can']


def test_a_monitor_without_sentry_is_one_warning(make_stage, caplog, monkeypatch):
    monkeypatch.delitem(sys.modules, 'sentry_sdk')
    start(make_stage).answer()
    assert [r.message for r in caplog.records].count(
        'no check-in is sent for tidy of shop: monitor= is given, and Sentry is not set up in '
        'this process: call sentry_sdk.init(...), or write monitor=False') == 1


@pytest.mark.parametrize(
    ('expression', 'options', 'margin'),
    [
        ('0 3 * * *', {}, 1),
        ('0 3 * * *', {'max_offset': 600.0}, 11),
        ('*/5 * * * *', {'max_offset': 3600.0}, 4),     # before the next one
        ('* * * * *', {'max_offset': 3600.0}, 1),
    ],
)
def test_the_margin_is_what_a_run_is_late_by_design(expression, options, margin):
    job = Job(print, expression=expression, timezone='UTC', name='tidy')
    policy = Policy(**({'max_offset': 30.0} | options))
    assert checkins.configuration(job, policy, Monitor())['checkin_margin'] == margin
    assert checkins.configuration(job, policy, Monitor(checkin_margin=9))['checkin_margin'] == 9


def test_a_once_job_has_no_monitor():
    job = Job(print, expression='0 3 * * *', timezone='UTC', name='tidy', once=True)
    assert checkins.configuration(job, Policy(), Monitor()) is None


def test_virtual_time_is_told_to_listeners_only(sent, told):
    from cronsched.morepath import CronApp
    from cronsched.testing import VirtualClock

    class App(CronApp):
        pass

    App.cronjob(
        '*/5 * * * *', timezone='UTC', name='tidy', monitor=True, max_offset=0,
        ping='http://127.0.0.1:1/x',
    )(lambda request: None)
    with VirtualClock(App(), start=datetime(2026, 1, 1, tzinfo=UTC)) as virtual:
        virtual.advance(hours=1)
        assert virtual.runs
        assert virtual._running.telling._pings is None
    assert [event.outcome for event in told if event.kind == 'ended'] == ['ok'] * 13
    assert check_ins(sent) == []


def test_a_site_of_its_own(ledger):
    assert Site(Settings(), (), ledger).policy(
        Job(print, expression='0 3 * * *', timezone='UTC', name='x', monitor={'owner': 'team:a'})
    ).monitor == Monitor(owner='team:a')
