"""What is told of runs that do not end as they should, and who makes their
further attempts."""

from __future__ import annotations

import logging
import os
import threading
import time

import pytest
import test_reporter
from test_reporter import NOW, START, Stage, ledger, lines, make_stage, seen, stage

from cronsched.base import clock
from cronsched.ledger import Owner, Plan, Run
from cronsched.scheduler import takeover

__all__ = ['ledger', 'make_stage', 'stage']   # fixtures

RUN = Run('org/zug', 'tidy', NOW)
NEXT = Run('org/zug', 'tidy', NOW + 60)


class Now:
    """The clock of the stage, moved by hand."""

    def __init__(self, monkeypatch):
        self.monkeypatch = monkeypatch

    def __getitem__(self, _):
        return clock.now()

    def __setitem__(self, _, at):
        self.monkeypatch.setattr(test_reporter, 'START', at)


@pytest.fixture
def now(monkeypatch):
    return Now(monkeypatch)


def start(stage, seconds=1):
    stage.start()
    stage.pass_by(seconds)


def turn(stage):
    stage.service.reporter._housekeeping.fire_attempts()
    stage.service.reporter.drain()


def told(caplog, level):
    return [text for name, text in lines(caplog) if name == level]


# -- A view that hangs

@pytest.mark.parametrize('retries', [0, 1])
def test_a_view_that_hangs_is_told_with_and_without_retries(make_stage, caplog, now, retries):
    stage = make_stage(timeout=2, retries=retries, backoff=1)
    start(stage)
    claim = stage.ledger.claim(RUN, retries=retries, timeout=2.0)
    stage.answer(0, delivery='timed_out', took=2.0)
    text, = told(caplog, 'ERROR')
    assert 'timed out after 2.000s; it has been executing for' in text
    assert f'in process {os.getpid()} on' in text
    assert f'thread MainThread ({threading.get_native_id()})' in text
    assert ('Attempt 2 follows when it has ended' in text) == bool(retries)
    row = stage.ledger.find(RUN)
    assert (row.state, row.attempts_left, row.gave_up is not None) == ('running', retries, True)
    turn(stage)
    assert stage.native.take() is None   # it waits
    stage.ledger.finish(claim, 'failed', took=5.0)
    now[0] += 6
    turn(stage)
    delivery = stage.native.take()
    assert (delivery and delivery.attempt) == (2 if retries else None)


def test_each_run_that_a_hung_one_keeps_from_running_is_told(make_stage, caplog, now):
    stage = make_stage(timeout=2)
    start(stage)
    stage.ledger.claim(RUN, timeout=2.0)
    stage.answer(0, delivery='timed_out', took=2.0)
    caplog.clear()
    for minute in range(1, 4):
        stage.pass_by(60)
        now[0] += 60
        stage.ledger.claim(Run('org/zug', 'tidy', NOW + 60 * minute))
        stage.answer(200, outcome='skipped_overlap')
    assert told(caplog, 'ERROR') == []   # it was one when it timed out
    assert len(told(caplog, 'WARNING')) == 3
    for text in told(caplog, 'WARNING'):
        assert 'was skipped: its run of' in text
        assert 'past its timeout' in text


def test_who_hangs_is_an_error_once_whoever_sent_it(make_stage, caplog, now):
    stage = make_stage(timeout=2)
    stage.ledger.claim(RUN, timeout=2.0)   # sent by an owner that is gone
    stage.start()
    stage.pass_by(120)
    now[0] += 120
    for _ in range(2):
        stage.answer(200, outcome='skipped_overlap')
        stage.pass_by(60)
    assert len(told(caplog, 'ERROR')) == 1
    assert len(told(caplog, 'WARNING')) >= 1


def test_a_run_that_overlaps_one_that_is_in_its_time_is_only_said(stage, caplog):
    stage.ledger.claim(RUN)
    start(stage, 61)
    stage.answer(200, outcome='skipped_overlap')
    assert told(caplog, 'ERROR') == []
    assert any('was skipped: its run of' in text for text in told(caplog, 'INFO'))


def test_what_waits_for_a_run_that_executes_is_skipped_only_by_a_job_that_skips(
    make_stage, ledger
):
    for options, skipped in (({}, 1), ({'overlap': 'queue'}, 0), ({'coalesce': False}, 0)):
        name = f'job {len(ledger.jobs())}'
        stage = make_stage(name=name, **options)
        start(stage)
        sent = stage.native.take()
        ledger.claim(Run('org/zug', name, NOW))
        stage.pass_by(60)
        stage.service.reporter.drain()
        rows = ledger.history(job=name)
        assert [row.state for row in rows].count('skipped_overlap') == skipped, options
        stage.native.complete(sent.run, 200, outcome='ok')


@pytest.mark.parametrize('status', [404, 500])
def test_what_another_server_answers_steers_no_terminal(stage, caplog, status):
    start(stage)
    stage.answer(status, detail='\x1b]0;title\x07evil\r\nERROR cronsched all is well')
    text, = told(caplog, 'ERROR')
    assert text.isprintable()
    assert r'\x1b]0;title\x07evil' in text
    assert 'all is well' not in text   # of several lines the first


# -- Attempts that outlive their sender

def test_the_next_owner_makes_the_attempts_that_are_left(make_stage, ledger, now):
    first = make_stage(retries=3, backoff=4)
    start(first)
    for attempt, pause in ((1, 4.0), (2, 8.0)):
        claim = ledger.claim(RUN, attempt=attempt, retries=3, backoff=4.0)
        ledger.finish(claim, 'failed', took=0.0)
        assert ledger.find(RUN).next_attempt == pytest.approx(now[0] + pause)
        # Nothing of the first sender is left.
        successor = make_stage(retries=3, backoff=4)
        successor.start()
        now[0] += pause - 0.1
        turn(successor)
        assert successor.native.take() is None
        now[0] += 0.2
        turn(successor)
        delivery = successor.native.take()
        assert (delivery.scheduled, delivery.attempt) == (NOW, attempt + 1)


def test_an_attempt_is_told_with_the_time_of_the_next(make_stage, caplog):
    stage = make_stage(retries=1, backoff=4)
    start(stage)
    ledger = stage.ledger
    ledger.finish(ledger.claim(RUN, retries=1, backoff=4.0), 'failed', took=0.0)
    stage.answer(500, outcome='failed', detail='ValueError: no such town')
    text, = told(caplog, 'WARNING')
    assert 'failed: status 500, ValueError: no such town; attempt 2 follows at ' in text
    assert told(caplog, 'ERROR') == []


def test_an_attempt_that_the_next_run_has_overtaken_is_not_made(make_stage, ledger, caplog, now):
    stage = make_stage(retries=3, backoff=1)
    claim = ledger.claim(RUN, retries=3, backoff=120.0)
    ledger.finish(claim, 'failed', took=0.0)
    stage.start()
    now[0] += 130
    turn(stage)
    assert ledger.find(RUN).attempts_left == 0
    assert 'no further attempt is made: its next run is due' in told(caplog, 'ERROR')[0]


def test_a_run_that_waited_is_sent_once_the_other_has_ended(make_stage, ledger, now):
    stage = make_stage(overlap='queue')
    other = ledger.claim(RUN, overlap='queue')
    assert ledger.claim(NEXT, overlap='queue').verdict == 'queued'
    stage.start()
    turn(stage)
    assert stage.native.take() is None
    now[0] += 200   # long after what follows was due
    ledger.finish(other, 'ok', took=200.0)
    turn(stage)
    assert stage.native.take().scheduled == NEXT.scheduled


# -- What was missed

def test_missed_runs_are_an_error_where_nothing_ran(make_stage, ledger, caplog):
    stage = make_stage(expression='30 * * * *')
    seen(ledger, -90)
    stage.start()
    text, = told(caplog, 'ERROR')
    assert 'tidy of org/zug missed 1 run(s), of' in text
    assert text.endswith('nothing ran in time')


def test_missed_runs_that_a_later_one_stood_for_are_a_warning(make_stage, ledger, caplog):
    stage = make_stage()
    seen(ledger, -5)
    stage.start()
    assert told(caplog, 'ERROR') == []
    text, = told(caplog, 'WARNING')
    assert 'missed 3 run(s)' in text
    assert text.endswith('a later run replaces them')


def test_each_missed_run_of_a_job_that_wants_all_is_an_error(make_stage, ledger, caplog):
    stage = make_stage(coalesce=False, catch_up=120)
    seen(ledger, -9)
    stage.start()
    assert len(told(caplog, 'ERROR')) == 1


# -- A schedule that changed, a clock that was wrong

@pytest.mark.parametrize(('before', 'after'), [
    ('0 9 1 * *', '0 8 5 * *'), ('20 * * * *', '25 * * * *'),
])
def test_a_schedule_that_was_changed_is_as_new(make_stage, ledger, caplog, before, after):
    stage = make_stage(expression=after, catch_up=None)
    ledger.seen('org/zug', 'http://127.0.0.1:8080', {'tidy': Plan(before)}, NOW - 40 * 86_400)
    ledger.finish(ledger.claim(Run('org/zug', 'tidy', NOW - 7200)), 'ok', took=0.1)
    stage.start()
    assert stage.fired() == []
    assert 'missed' not in caplog.text
    # The next owner knows since when the schedule is as it is.
    successor = make_stage(expression=after, catch_up=None)
    successor.start()
    assert successor.fired() == []
    assert [row.state for row in ledger.history()] == ['ok']


def test_a_job_that_a_fast_clock_saw_first_is_caught_up(make_stage, ledger):
    stage = make_stage()
    ledger.seen('org/zug', 'http://127.0.0.1:8080', ['tidy'], NOW + 10_800)
    ledger.finish(ledger.claim(Run('org/zug', 'tidy', NOW - 300)), 'ok', took=0.1)
    stage.start()
    assert stage.fired() == [-1]


# -- Ownership as state

def test_each_of_many_application_ids_is_caught_up(make_stage, ledger, monkeypatch):
    """More than the ring of events has room for."""
    monkeypatch.setattr('cronsched.scheduler.ownership.PIECE', 7)
    monkeypatch.setattr('cronsched.scheduler.ownership.MOST_CHANGES', 16)
    stage = make_stage(events=16)
    names = [f'org/{number}' for number in range(100)]
    for name in names:
        ledger.seen(name, 'http://127.0.0.1:8080', ['tidy'], NOW - 7200)
        ledger.record(Run(name, 'tidy', NOW - 300), 'failed', at=NOW - 300)
        other = Stage.__new__(Stage)
        other.__dict__.update(stage.__dict__)
        other.app = type(stage.app)(
            application_id=name, cronjob_site=stage.app.cronjob_site)
        from test_reporter import URL, ApplicationBoundCronjobs
        request = type(stage.app)(app=other.app, link=lambda job: URL + job.name)
        ApplicationBoundCronjobs(request, stage.registry.cronjobs.values()).start()
    stage.service.reporter.drain()
    assert sorted(ledger.owners()) == sorted(names)
    assert stage.native.stats()['waiting'] == 100
    run = ledger.request_run('org/77', 'tidy', NOW + 7)
    stage.service.reporter._housekeeping.fire_requested()
    sent = set()
    while delivery := stage.native.take():
        sent.add((delivery.application_id, delivery.scheduled))
        stage.native.complete(delivery.run, 200, outcome='ok')
        stage.service.reporter.drain()
    assert sent == {*((name, NOW - 60) for name in names), ('org/77', run.scheduled)}


def test_the_ledger_knows_what_the_code_says_of_a_job(stage, ledger):
    stage.start()
    job, = ledger.jobs()
    assert job.plan == takeover.plan_of(stage.registry.cronjobs['tidy'])
    assert job.words == stage.registry.cronjobs['tidy'].schedule.describe()
    assert job.place.startswith(f'{os.path.dirname(__file__)}/test_reporter.py:')
    assert '"max_offset": [0.0, "job"]' in job.options
    assert '"max_concurrency": [32, "default"]' in job.options
    owner = ledger.owners()['org/zug']
    assert (owner.address, owner.code_root, owner.alive) == (
        stage.bound.base_url, os.path.dirname(__file__), True)


def test_who_is_no_owner_any_more_is_not_told_as_one(stage, ledger):
    stage.start()
    assert list(ledger.owners()) == ['org/zug']
    stage.service.reporter._housekeeping.ownership._hand_over(stage.bound)
    stage.service.reporter._housekeeping.ownership._disown([stage.bound])
    assert ledger.owners() == {}


# -- A ledger that was removed, a secret that changed

def test_an_owner_that_the_ledger_does_not_know_is_an_error_once(stage, ledger, caplog):
    stage.start()
    strangers = stage.service.reporter._housekeeping._strangers
    stage.bound.planned_from = START - 60
    stage.native = stage.service.native
    strangers._state = type('State', (), {
        'native': type('Native', (), {'owned': staticmethod(dict)}), 'apps': {1: stage.bound}})
    strangers.look()
    assert told(caplog, 'ERROR') == []   # it is known
    ledger.own([Owner('other', 'http://a', '/', 1.0)])
    ledger.disown(['org/zug'])
    strangers.look()
    assert told(caplog, 'ERROR') == []   # somebody may just take over
    for _ in range(2):
        strangers.look()
    text, = told(caplog, 'ERROR')
    assert 'Another process calls the cronjobs of org/zug' in text
    assert 'was removed and made anew' in text


def test_a_request_that_another_secret_refused_is_not_the_end_of_its_run(stage, ledger, caplog):
    start(stage)
    stage.answer(401)
    assert 'has another secret' in told(caplog, 'ERROR')[0]
    assert ledger.history() == []
    assert stage.service.reporter._housekeeping._doubtful is not None


# -- Nothing that the user's code does ends the reporter

class Raises(logging.Filter):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def filter(self, record):
        raise self.error


@pytest.mark.parametrize('error', [RuntimeError('no filter'), SystemExit(3), OSError(28, 'full')])
def test_a_filter_that_raises_ends_nothing_and_is_said_on_stderr(
    make_stage, ledger, capsys, error
):
    stage = make_stage()
    log, refuse = logging.getLogger('cronsched'), Raises(error)
    log.addFilter(refuse)
    try:
        start(stage)
        stage.answer(404)
    finally:
        log.removeFilter(refuse)
    assert [row.state for row in ledger.history()] == ['failed']
    written = capsys.readouterr().err
    assert 'cronsched: tidy of org/zug, due' in written
    assert type(error).__name__ in written


def test_a_sentry_that_nobody_tried_ends_nothing(stage, ledger, caplog, monkeypatch, capsys):
    import sys
    monkeypatch.setitem(sys.modules, 'sentry_sdk', type('Sentry', (), {}))
    start(stage)
    stage.answer(404)
    assert 'failed: status 404' in told(caplog, 'ERROR')[0]
    assert [row.state for row in ledger.history()] == ['failed']
    assert 'new_scope' in capsys.readouterr().err


def test_a_reporter_that_was_too_busy_to_end_goes_on_alone(make_stage):
    """A fork pauses it, and waits for two seconds; then it is started again."""
    stage = make_stage()
    reporter = stage.service.reporter
    busy, free = threading.Event(), threading.Event()

    def turn():
        busy.set()
        free.wait(10)

    reporter._turn = turn
    before = threading.active_count()
    reporter.start()
    assert busy.wait(10)
    reporter.pause(0.01)
    reporter.start()
    assert threading.active_count() == before + 1
    free.set()
    time.sleep(0.01)
    assert threading.active_count() == before + 1   # nor did it end
    reporter.pause(5)
    assert threading.active_count() == before
