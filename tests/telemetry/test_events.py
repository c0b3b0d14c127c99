from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from telemetry_stage import NOW, error_of

import cronsched
from cronsched._cronsched import run_id
from cronsched.base import clock
from cronsched.jobs.settings import Settings
from cronsched.ledger import Owner, Plan, Run, open_ledger
from cronsched.scheduler.site import Site
from cronsched.telemetry import RunEvent, forget, listen
from cronsched.web.wsgi import make_wsgi

DUE = datetime.fromtimestamp(NOW, UTC)


def kinds(told):
    return [(event.kind, event.outcome) for event in told]


# -- what the owner tells ---------------------------------------------------------


def test_a_run_is_sent_and_has_ended(stage, told):
    stage.start()
    stage.pass_by(60)
    stage.answer(took=1.5)
    sent, ended = told
    assert (sent.kind, sent.outcome, sent.attempt) == ('sent', None, 1)
    assert (ended.kind, ended.outcome, ended.took, ended.status) == ('ended', 'ok', 1.5, 200)
    for event in told:
        assert (event.application_id, event.job) == ('shop', 'tidy')
        assert event.run_id == run_id('shop', 'tidy', NOW)
        assert (event.scheduled, event.due) == (DUE, DUE)
        assert event.at - DUE < timedelta(minutes=2)


def test_instants_are_in_the_zone_of_the_job(make_stage, told):
    stage = make_stage(timezone='Europe/Zurich')
    stage.start()
    stage.pass_by(60)
    stage.answer()
    assert str(told[0].scheduled.tzinfo) == 'Europe/Zurich'
    assert told[0].scheduled == DUE


def test_an_attempt_that_is_followed_is_no_end(make_stage, told):
    stage = make_stage(retries=1, backoff=1)
    stage.start()
    stage.pass_by(1)
    delivery = stage.take()
    stage.ledger.finish(stage.claim(delivery, retries=1), 'failed', took=0.1, detail='no')
    stage.native.complete(delivery.run, 500, outcome='failed', detail='no')
    stage.drain()
    stage.pass_by(3)
    stage.turn()
    delivery = stage.take()
    assert delivery.attempt == 2
    stage.ledger.finish(stage.claim(delivery, retries=1), 'ok', took=0.1)
    stage.native.complete(delivery.run, 200, outcome='ok')
    stage.drain()
    assert kinds(told) == [
        ('sent', None), ('retrying', 'failed'), ('sent', None), ('ended', 'ok')]
    assert [event.attempt for event in told] == [1, 1, 2, 2]
    assert told[1].error == 'no'


@pytest.mark.parametrize(
    ('said', 'outcome'),
    [
        ({'status': 404}, 'failed'),
        ({'status': 200, 'outcome': 'skipped_paused'}, 'skipped_paused'),
        ({'status': 200, 'outcome': 'skipped_overlap'}, 'skipped_overlap'),
    ],
)
def test_each_outcome_is_told_once(stage, told, said, outcome):
    stage.start()
    stage.pass_by(1)
    stage.answer(**said)
    assert kinds(told) == [('sent', None), ('ended', outcome)]


def test_what_was_missed_is_told_with_how_many(stage, told):
    stage.ledger.seen('shop', '', {'tidy': Plan('* * * * *', 'UTC', 'tidy')}, NOW - 7200.0)
    stage.ledger.record(Run('shop', 'tidy', NOW - 3600), 'ok', at=NOW - 3600.0)
    stage.start()
    event, = told
    assert (event.kind, event.outcome, event.attempt) == ('ended', 'missed', 0)
    assert event.missed > 40
    assert event.stood   # the latest run stands for them
    assert event.until > event.scheduled


def test_what_was_missed_while_nobody_listened_has_ended_still(stage):
    stage.ledger.seen('shop', '', {'tidy': Plan('* * * * *', 'UTC', 'tidy')}, NOW - 7200.0)
    stage.ledger.record(Run('shop', 'tidy', NOW - 3600), 'ok', at=NOW - 3600.0)
    stage.start()
    app, = stage.service.apps.values()
    missed, = stage.ledger.history(states=['missed'])
    assert stage.service.telling.is_told(app, app.registered[0], missed.run.scheduled)
    assert not stage.service.telling.is_told(app, app.registered[0], missed.until)


def test_a_run_whose_process_died_is_told_once_whoever_finds_it(stage, told, ledger, caplog):
    stage.start()
    stage.pass_by(1)
    delivery = stage.take()
    with clock.in_place(lambda: stage.now):
        stage.claim(delivery)
    kill(ledger)
    stage.turn()
    assert kinds(told) == [('sent', None), ('ended', 'lost')]
    stage.native.complete(delivery.run, 200, outcome='lost')
    stage.drain()
    assert kinds(told) == [('sent', None), ('ended', 'lost')]
    assert [record.levelname for record in caplog.records if 'lost' in record.getMessage()] == [
        'ERROR', 'WARNING']


def kill(ledger):
    """Everything that executes is of a process that is gone."""
    with ledger._store.write() as connection:
        connection.execute("UPDATE members SET boot = 'another', machine = ''")
        connection.execute("UPDATE members SET presence = '', host = 'gone', pid = 1")
        connection.execute('UPDATE executions SET deadline = 0')


def test_an_execution_that_outlives_its_sender_is_told_when_it_ends(make_stage, told):
    stage = make_stage(timeout=2)
    stage.start()
    stage.pass_by(1)
    delivery = stage.take()
    claim = stage.claim(delivery, timeout=2.0)
    stage.native.complete(delivery.run, 0, delivery='timed_out', took=2.0)
    stage.drain()
    assert kinds(told) == [('sent', None), ('overdue', 'timed_out')]
    stage.turn()
    assert len(told) == 2
    stage.ledger.finish(claim, 'ok', took=9.0)
    stage.turn()
    assert kinds(told)[2:] == [('ended', 'ok')]
    assert told[2].took == pytest.approx(9.0)


def test_what_executes_at_a_takeover_is_told_by_the_new_owner(stage, told, ledger):
    ledger.seen('shop', '', {'tidy': Plan('* * * * *', 'UTC', 'tidy')}, NOW - 120.0)
    ledger.own([Owner('shop', 'http://127.0.0.1:1', '/srv', NOW - 120.0)])
    claim = ledger.claim(Run('shop', 'tidy', NOW - 60))
    stage.start()
    stage.turn()
    assert told == []
    ledger.finish(claim, 'failed', took=1.0, detail='no')
    stage.turn()
    assert kinds(told) == [('ended', 'failed')]
    assert told[0].error == 'no'


# -- what a worker tells ----------------------------------------------------------


@pytest.fixture
def cron(tmp_path):
    cron = cronsched.Cron('shop', timezone='UTC', enabled=False)
    ledger = open_ledger(f'sqlite://{tmp_path}/worker.sqlite3')
    cron._site = Site(Settings(), (), ledger, strict=False)
    yield cron
    ledger.close()


def call(cron, name, **environ):
    answered = []
    application = make_wsgi(None, cron, cron.prefix, lambda: True)
    list(application(
        {'REQUEST_METHOD': 'POST', 'PATH_INFO': f'/cronjobs/{name}', **environ},
        lambda status, headers: answered.append(int(status[:3]))))
    return answered[0]


def test_a_worker_tells_of_what_it_executes(cron, told):
    cron.job('* * * * *', name='good')(lambda: None)

    @cron.job('* * * * *')
    def bad():
        raise LookupError('no such town')

    assert call(cron, 'good') == 200
    assert call(cron, 'bad') == 500
    assert [(event.job, event.kind, event.outcome, event.error) for event in told] == [
        ('good', 'executing', None, None),
        ('good', 'executed', 'ok', None),
        ('bad', 'executing', None, None),
        ('bad', 'executed', 'failed', 'LookupError: no such town'),
    ]
    assert told[1].took is not None
    assert told[1].took < 60


def test_the_ledger_knows_what_was_executed_when_it_is_told(cron):
    seen = []

    @listen(kinds=('executing', 'executed'))
    def look(event):
        run = Run('shop', 'good', int(event.scheduled.timestamp()))
        seen.append((cron.site.ledger.find(run).state, threading.current_thread()))

    cron.job('* * * * *', name='good')(lambda: None)
    call(cron, 'good')
    assert seen == [('running', threading.current_thread()), ('ok', threading.current_thread())]


# -- who listens ------------------------------------------------------------------


def test_a_listener_hears_ends_unless_it_asks_for_more(stage):
    heard = []
    assert listen(heard.append) == heard.append
    stage.start()
    stage.pass_by(60)
    stage.answer()
    assert kinds(heard) == [('ended', 'ok')]


def test_a_listener_may_want_some_outcomes_only(stage):
    heard = []
    listen(outcomes=('failed', 'missed'))(heard.append)
    stage.start()
    stage.pass_by(60)
    stage.answer()
    stage.pass_by(60)
    stage.answer(404)
    assert kinds(heard) == [('ended', 'failed')]


def test_cron_listen_hears_of_its_own_application_id(stage):
    heard, nothing = [], []
    shop, other = cronsched.Cron('shop'), cronsched.Cron('other')
    shop.listen(heard.append)
    other.listen(kinds=('sent', 'ended'))(nothing.append)
    stage.start()
    stage.pass_by(60)
    stage.answer()
    assert (len(heard), nothing) == (1, [])


def test_who_was_forgotten_hears_nothing(stage, told):
    forget(told.append)
    heard = []

    def note(event):
        heard.append(event)

    listen(note)
    forget(note)
    stage.start()
    stage.pass_by(60)
    stage.answer()
    assert heard == []


def test_a_listener_that_raises_is_said_once_for_each_kind_and_harms_nothing(
    stage, caplog, ledger
):
    @listen(kinds=('sent', 'ended'))
    def breaks(event):
        raise SystemExit('no')

    heard = []
    listen(heard.append)
    stage.start()
    for _ in range(3):
        stage.pass_by(60)
        stage.answer(404)
    complaints = [r for r in caplog.records if 'a listener failed' in r.getMessage()]
    assert [record.args[0] for record in complaints] == ['sent', 'ended']
    assert 'test_events.py' in complaints[0].getMessage()
    assert complaints[0].cron_job == 'tidy'
    assert len(heard) == 3
    assert len(ledger.history()) == 3


def test_a_listener_is_called_without_a_lock_of_ours(stage, ledger):
    done = []

    @listen(kinds=('sent', 'ended'))
    def use_everything(event):
        def others():
            ledger.history()
            stage.service.handles((stage.jobs[0],), stage.bound.site)
            with stage.service.opening:
                done.append(stage.native.stats()['owned'])
            listen(lambda event: None)

        thread = threading.Thread(target=others, daemon=True)
        thread.start()
        thread.join(10)
        assert not thread.is_alive()

    stage.start()
    stage.pass_by(60)
    stage.answer()
    assert done == [1, 1]


async def asynchronous(event):
    pass


@pytest.mark.parametrize(
    ('action', 'message'),
    [
        (lambda: listen(asynchronous), 'asynchronous is async, and nobody awaits a listener'),
        (lambda: listen(lambda: None), 'a listener takes the event'),
        (lambda: listen(3), 'write a function that takes the event'),
        (lambda: listen(kinds=('endet',))(print), "there is no 'endet': did you mean 'ended'"),
        (lambda: listen(outcomes=('fail',))(print), "there is no 'fail': did you mean 'failed'"),
        (lambda: cronsched.Cron('x').listen(outcomes='miss')(print), "did you mean 'missed'"),
    ],
)
def test_what_cannot_listen_is_an_error_at_once(action, message):
    assert message in error_of(action)


def test_an_event_is_a_value(told, stage):
    stage.start()
    stage.pass_by(60)
    stage.answer()
    assert isinstance(told[0], RunEvent)
    with pytest.raises(AttributeError):
        told[0].kind = 'ended'
