from __future__ import annotations

import logging
import os
import sys
import time
from contextlib import ExitStack, nullcontext
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from processes import run_python

from cronsched import _cronsched
from cronsched.base import clock
from cronsched.errors import SchedulerError
from cronsched.jobs.settings import Settings
from cronsched.ledger import LedgerError, Plan, Run, open_ledger
from cronsched.morepath.bound import ApplicationBoundCronjobs
from cronsched.morepath.job import register_cronjob
from cronsched.schedule import zones
from cronsched.scheduler import process as scheduler
from cronsched.scheduler.process import Service
from cronsched.scheduler.site import Site

NOW = int(time.time()) // 3600 * 3600   # a full hour
START = NOW - 0.5
DUE = time.strftime('%H:%M:%S', time.gmtime(NOW))
URL = 'http://127.0.0.1:8080/cronjobs/'


@pytest.fixture
def ledger(tmp_path):
    ledger = open_ledger(f'sqlite://{tmp_path}/ledger.sqlite3')
    yield ledger
    ledger.close()


class Stage:
    """The real scheduler by a clock of its own, and its reporter."""

    def __init__(self, ledger, events=8192, **options):
        self.ledger = ledger
        site = Site(Settings(), (), ledger, 'POST')
        self.app = SimpleNamespace(application_id='org/zug', cronjob_site=site)
        self.registry = SimpleNamespace()
        register_cronjob(
            self.registry, lambda request: None,
            **({'expression': '* * * * *', 'timezone': 'UTC', 'name': 'tidy', 'max_offset': 0}
               | options),
        )
        self.native = _cronsched.Scheduler(manual=START, events=events)
        self.service = Service(site.settings, self.native)

    def start(self):
        request = SimpleNamespace(app=self.app, link=lambda job: URL + job.name)
        self.bound = ApplicationBoundCronjobs(request, self.registry.cronjobs.values())
        self.bound.start()
        self.service.reporter.drain()

    def pass_by(self, seconds):
        self.native.advance(seconds)
        self.service.reporter.drain()

    def answer(self, status=200, **said):
        delivery = self.native.take()
        self.service.reporter.drain()
        said.setdefault('outcome', 'ok' if status == 200 else '')
        self.native.complete(delivery.run, status, **said)
        self.service.reporter.drain()

    def fired(self):
        """The scheduled times that are sent, as minutes from now, in order."""
        found = []
        while delivery := self.native.take():
            found.append((delivery.scheduled - NOW) // 60)
            self.native.complete(delivery.run, 200, outcome='ok')
        self.service.reporter.drain()
        return found

    def rows(self):
        return [
            (row.state, (row.run.scheduled - NOW) // 60, row.count)
            for row in self.ledger.history(oldest_first=True)
        ]


@pytest.fixture
def make_stage(ledger, caplog):
    """Makes a stage, which is in place until the test ends."""
    caplog.set_level(logging.INFO, 'cronsched')
    with ExitStack() as stack:
        def make(ledger=ledger, **options):
            stage = Stage(ledger, **options)
            stack.enter_context(scheduler.in_place(stage.service))
            stack.enter_context(clock.in_place(lambda: START))
            return stage

        yield make


@pytest.fixture
def stage(make_stage):
    return make_stage()


def lines(caplog):
    return [(record.levelname, record.getMessage()) for record in caplog.records]


# -- what is logged ---------------------------------------------------------------


def test_the_lines_name_the_job_and_when_it_was_due(stage, caplog):
    stage.start()
    stage.pass_by(60)
    stage.answer(took=1.2344)
    assert lines(caplog) == [
        ('INFO', 'Started cronjob thread for org/zug'),
        ('INFO', f'Executing tidy of org/zug, due {DUE}'),
        ('INFO', f'tidy of org/zug, due {DUE}, finished in 1.234s'),
    ]


@pytest.mark.parametrize(('took', 'level'), [(30.0, 'INFO'), (30.001, 'WARNING')])
def test_more_than_thirty_seconds_are_too_long(stage, caplog, took, level):
    stage.start()
    stage.pass_by(60)
    stage.answer(took=took)
    assert lines(caplog)[-1][0] == level
    assert ('took too long (30.001)s' in caplog.text) == (level == 'WARNING')


@pytest.mark.parametrize(
    ('said', 'reason', 'state'),
    [
        ({'status': 500, 'detail': 'oh\nno'}, 'failed: status 500, oh', 'failed'),
        ({'status': 302}, 'failed: status 302, the redirect', 'failed'),
        ({'status': 0, 'delivery': 'timed_out', 'took': 9.0}, 'timed out after 9.0', 'timed_out'),
        ({'status': 0, 'delivery': 'not_connected'}, 'could not be delivered', 'unreachable'),
    ],
)
def test_a_failure_is_logged_and_recorded_with_its_reason(
    make_stage, ledger, caplog, said, reason, state
):
    stage = make_stage(None)
    stage.start()
    stage.pass_by(60)
    # As without claims, so that nothing is delivered again; then recorded.
    stage.bound.site = Site(Settings(), (), ledger)
    stage.answer(**said)
    assert lines(caplog)[-1][0] == 'ERROR'
    assert f'tidy of org/zug, due {DUE}, {reason}' in lines(caplog)[-1][1]
    assert [row.state for row in ledger.history()] == [state]


def test_failures_go_to_sentry_where_it_is_in_use(stage, monkeypatch):
    sent = []
    sentry = SimpleNamespace(
        capture_message=lambda text, level: sent.append((text, level)),
        new_scope=lambda: nullcontext(Mock()),
    )
    monkeypatch.setitem(sys.modules, 'sentry_sdk', sentry)
    stage.start()
    stage.pass_by(60)
    stage.answer(status=404)
    ((text, level),) = sent
    assert level == 'error'
    assert text == f'tidy of org/zug, due {DUE}, failed: status 404'


def test_a_failure_is_one_event_of_sentrys_which_listens_to_the_log_too():
    pytest.importorskip('sentry_sdk')
    assert run_python(SENTRY) == "['tidy of shop, due 00:00:00, failed: status 502, no']\n"


SENTRY = """
    import sentry_sdk
    from sentry_sdk.transport import Transport
    from types import SimpleNamespace
    import logging
    logging.getLogger('cronsched').addHandler(logging.NullHandler())

    sent = []

    class Memory(Transport):
        def capture_envelope(self, envelope):
            sent.append(envelope.get_event())

    # Not what it finds installed: Pyramid warns when it is imported.
    sentry_sdk.init(
        dsn='http://key@127.0.0.1:1/1', transport=Memory, auto_enabling_integrations=False,
    )

    from cronsched.scheduler.reporter import Reporter
    from datetime import UTC
    from cronsched.base import clock
    from cronsched.jobs.job import Job
    from cronsched.scheduler.site import Site
    from cronsched.scheduler.telling import Telling
    job = Job(print, expression='* * * * *', timezone=UTC, name='tidy')
    bound = SimpleNamespace(application_id='shop', site=Site())
    service = SimpleNamespace(apps={1: bound}, jobs={1: job}, telling=Telling())
    with clock.in_place(lambda: 0.0):
        Reporter(service).tell(SimpleNamespace(
            kind='ended', outcome='failed', app=1, job=1, status=502, took=0.0, due=0.0,
            at=0.0, scheduled=0, attempt=1, retry_at=0.0, detail='no\\r\\nnot this'))
    print([event['message'] for event in sent])
"""


def test_sentry_is_not_imported_where_it_is_not(stage, monkeypatch):
    monkeypatch.delitem(sys.modules, 'sentry_sdk', raising=False)
    stage.start()
    stage.pass_by(60)
    stage.answer(status=404)
    assert 'sentry_sdk' not in sys.modules


def test_a_run_that_is_skipped_is_recorded_and_said(stage, caplog):
    stage.start()
    stage.pass_by(60)
    held = stage.native.take()
    claim = stage.ledger.claim(Run('org/zug', 'tidy', NOW))
    stage.pass_by(60)
    stage.service.reporter.drain()   # what came of the decision to skip it
    assert stage.rows() == [('running', 0, 1), ('skipped_overlap', 1, 1)]
    assert 'was skipped: its run of' in caplog.text
    assert f'has been executing for 0 s, in process {os.getpid()} on' in caplog.text
    stage.ledger.finish(claim, 'ok', took=60.0)
    stage.native.complete(held.run, 200, outcome='ok')
    assert stage.native.take() is None


def test_a_run_that_was_only_sent_keeps_the_next_one_waiting(stage, caplog):
    stage.start()
    stage.pass_by(60)
    sent = stage.native.take()
    stage.pass_by(60)
    assert stage.rows() == []
    assert 'skipped' not in caplog.text
    stage.native.complete(sent.run, 200, outcome='ok')
    stage.native.advance(0.001)
    assert stage.fired() == [1]


def test_an_outcome_of_the_view_is_not_overwritten(stage):
    stage.start()
    stage.pass_by(60)
    claim = stage.ledger.claim(Run('org/zug', 'tidy', NOW))
    stage.ledger.finish(claim, 'failed', took=0.1, detail='LookupError: no such town')
    stage.answer(status=500, detail='Internal Server Error')
    assert stage.ledger.history()[0].detail == 'LookupError: no such town'


def test_trouble_in_the_reporter_does_not_end_it(stage, caplog, monkeypatch):
    stage.start()

    def refuse(*arguments, **options):
        raise LookupError('no such thing')

    monkeypatch.setattr(stage.ledger, 'record', refuse)
    stage.pass_by(60)
    stage.answer(status=404)
    assert 'the reporter had trouble and goes on' in caplog.text
    stage.pass_by(60)
    stage.answer()
    assert lines(caplog)[-1][1].endswith('finished in 0.000s')


def refusing(ledger, name):
    """Fills the disk under the test's own ledger; returns what makes room."""
    whole, full = getattr(ledger, name), [True]

    def refuse(*arguments, **options):
        if full:
            raise LedgerError('the disk is full')
        return whole(*arguments, **options)

    setattr(ledger, name, refuse)
    return full.clear


def test_what_the_ledger_does_not_take_is_written_when_it_can_be(stage, caplog):
    stage.start()
    make_room = refusing(stage.ledger, 'record')
    for _ in range(2):
        stage.pass_by(60)
        stage.answer(status=404)
    assert 'Kept in memory until the ledger can be written: the disk is full' in caplog.text
    assert caplog.text.count('failed: status 404') == 2   # said all the same
    make_room()
    assert stage.rows() == []
    stage.service.reporter._housekeeping.late.write_all()
    assert stage.rows() == [('failed', 0, 1), ('failed', 1, 1)]


def test_a_clock_that_is_set_is_said(stage, caplog):
    stage.start()
    stage.native.advance(1, -5)
    stage.service.reporter.drain()
    assert 'The clock was set by -5.000 s' in caplog.text


# -- catching up ------------------------------------------------------------------


@pytest.fixture
def start_after(make_stage, ledger):
    """Starts a job whose last run was so many minutes from now."""

    def start(last_minute, **options):
        stage = make_stage(**options)
        seen(ledger, last_minute)
        stage.start()
        return stage

    return start


def seen(ledger, *minutes):
    ledger.seen('org/zug', 'http://127.0.0.1:8080', ['tidy'], NOW - 7200)
    for minute in minutes:
        claim = ledger.claim(Run('org/zug', 'tidy', NOW + 60 * minute))
        ledger.finish(claim, 'ok', took=0.1)


def test_a_job_that_was_never_seen_catches_nothing_up(stage):
    stage.start()
    assert stage.fired() == []
    assert stage.rows() == []


def test_the_latest_missing_run_is_fired_and_the_others_are_missed(start_after):
    stage = start_after(-5)
    assert stage.fired() == [-1]
    assert stage.rows()[1:] == [('missed', -4, 3)]


def test_a_run_that_was_sent_before_anybody_looked_hides_none_that_is_missing(start_after, ledger):
    seen(ledger, 0)   # due after this process became the owner
    stage = start_after(-5)
    assert stage.fired()[0] == -1
    assert ('missed', -4, 3) in stage.rows()


def test_a_run_that_its_owner_left_between_others_is_missed(start_after, ledger):
    seen(ledger, -6, -5, -3)
    stage = start_after(-1)
    assert stage.fired() == []
    assert [row for row in stage.rows() if row[0] == 'missed'] == [
        ('missed', -4, 1), ('missed', -2, 1)]


def test_a_run_that_its_owner_left_between_others_fires_where_each_counts(start_after, ledger):
    seen(ledger, -6, -5, -3)
    assert start_after(-1, coalesce=False).fired() == [-4, -2]


def test_each_missing_run_fires_though_one_was_sent_before_anybody_looked(start_after, ledger):
    seen(ledger, 0)
    stage = start_after(-15, coalesce=False)
    assert stage.fired()[:10] == list(range(-10, 0))
    assert ('missed', -14, 4) in stage.rows()


def test_what_was_missed_once_is_not_missed_again(start_after, ledger):
    ledger.seen('org/zug', 'http://127.0.0.1:8080', ['tidy'], NOW - 7200)
    missed = Run('org/zug', 'tidy', NOW - 480)
    ledger.record(missed, 'missed', at=NOW - 200, until=NOW - 240, count=5)
    stage = start_after(-3)
    assert stage.fired() == [-1]
    assert [row for row in stage.rows() if row[0] == 'missed'] == [
        ('missed', -8, 5), ('missed', -2, 1)]


def test_a_schedule_that_was_changed_has_missed_nothing_before_its_last_run(make_stage, ledger):
    ledger.seen('org/zug', 'http://127.0.0.1:8080', {'tidy': Plan('*/5 * * * *')}, NOW - 7200)
    seen(ledger, -10, -5, -1)
    stage = make_stage(coalesce=False)
    stage.start()
    assert stage.fired() == []


def test_who_takes_over_while_the_ledger_is_away_catches_up_later(start_after, ledger):
    make_room = refusing(ledger, 'recover')
    stage = start_after(-2)
    assert stage.fired() == []
    make_room()
    stage.service.reporter._housekeeping.run_due()
    stage.service.reporter.drain()
    assert stage.fired() == [-1]


def test_who_takes_over_by_a_clock_that_is_set_back_misses_nothing_that_is_to_come(
    make_stage, ledger,
):
    stage = make_stage(coalesce=False)
    seen(ledger, -2)
    make_room = refusing(ledger, 'recover')
    stage.native.advance(0, 3600)
    stage.start()
    stage.native.advance(0, -3600)
    make_room()
    stage.service.reporter._housekeeping.run_due()
    stage.service.reporter.drain()
    assert stage.fired() == [-1]
    assert all(minute < 0 for _, minute, _ in stage.rows())


def test_what_nobody_missed_is_not_fired(start_after):
    assert start_after(-1).fired() == []


def test_a_run_that_is_too_late_is_missed(start_after):
    stage = start_after(-60, expression='30 * * * *')
    assert stage.fired() == []
    assert stage.rows()[1:] == [('missed', -30, 1)]


def test_a_job_may_say_that_no_run_is_too_late(start_after):
    stage = start_after(-60, expression='30 * * * *', catch_up=None)
    assert stage.fired() == [-30]


def test_every_missing_run_is_fired_in_order_where_the_job_says_so(start_after):
    stage = start_after(-15, coalesce=False, overlap='allow')
    assert sorted(stage.fired()) == list(range(-10, 0))
    assert stage.rows()[1:] == [('missed', -14, 4)]


def test_a_hole_between_two_runs_is_filled_where_each_run_counts(make_stage, ledger):
    stage = make_stage(coalesce=False, overlap='allow')
    seen(ledger, -5, -4, -2, -1)
    stage.start()
    assert stage.fired() == [-3]


def test_a_job_that_runs_once_catches_nothing_up(start_after):
    assert start_after(-5, once=True).fired() == []


def test_a_run_that_waits_for_its_offset_is_not_missing(make_stage, ledger):
    stage = make_stage(max_offset=7200)
    seen(ledger, -100)
    stage.start()
    latest = int((NOW - stage.bound.offset_of(0)) // 60) - NOW // 60
    assert latest < -1
    assert stage.fired() == [latest]


def test_a_run_whose_process_died_is_lost_and_repeated_if_the_job_has_retries(make_stage, ledger):
    for retries, expected in ((0, []), (1, [-1])):
        run = Run('org/zug', f'tidy-{retries}', NOW - 60)
        stage = make_stage(name=f'tidy-{retries}', retries=retries)
        stage.start()
        claimed_by_the_dead(ledger, run, retries)
        stage.service.reporter._housekeeping.recover()
        stage.service.reporter._housekeeping.fire_attempts()
        assert stage.fired() == expected
        assert ledger.find(run).state == 'lost'


def claimed_by_the_dead(ledger, run, retries):
    import multiprocessing

    context = multiprocessing.get_context('spawn')
    process = context.Process(target=_claim, args=(str(ledger.path), run, retries))
    process.start()
    process.join()


def _claim(path, run, retries):
    open_ledger(f'sqlite://{path}').claim(run, retries=retries)


# -- now and then -----------------------------------------------------------------


def test_a_run_that_is_asked_for_by_hand_is_fired(stage):
    stage.start()
    run = stage.ledger.request_run('org/zug', 'tidy', NOW)
    stage.service.reporter._housekeeping.fire_requested()
    delivery = stage.native.take()
    assert (delivery.scheduled, delivery.job_name) == (run.scheduled, 'tidy')


def test_old_runs_are_forgotten(stage, ledger):
    ledger.record(Run('org/zug', 'tidy', NOW - 31 * 86_400), 'ok', at=NOW - 31 * 86_400)
    ledger.record(Run('org/zug', 'tidy', NOW - 29 * 86_400), 'ok', at=NOW - 29 * 86_400)
    stage.start()
    stage.service.reporter._housekeeping.prune()
    kept = [row.run.scheduled for row in ledger.history() if row.state == 'ok']
    assert kept == [NOW - 29 * 86_400]


def test_no_run_is_forgotten_while_its_request_could_be_replayed(stage, ledger):
    ledger.record(Run('org/zug', 'tidy', NOW - 600), 'ok', at=NOW - 600)
    stage.app.cronjob_site = Site(Settings(history_days=0.0001), (), ledger)
    stage.start()
    stage.service.reporter._housekeeping.prune()
    assert NOW - 600 in [row.run.scheduled for row in ledger.history()]


def test_new_rules_of_a_zone_move_what_is_due(make_stage, caplog, monkeypatch):
    stage = make_stage(expression='0 12 * * *', timezone='Europe/Zurich')
    stage.start()
    before = stage.native.idle()
    job = stage.registry.cronjobs['tidy']
    fresh = zones.resolve('Asia/Tokyo')
    monkeypatch.setattr(zones, 'refresh', lambda: {job.schedule.zone: fresh})
    stage.service.reporter._housekeeping.refresh_zones()
    assert stage.native.idle() != before
    assert job.schedule.zone is fresh
    assert 'New rules for Europe/Zurich: 1 job(s) planned anew' in caplog.text


def test_what_another_process_found_to_be_lost_is_repeated_by_the_next_owner(make_stage, ledger):
    lost = {'tidy-0': 0, 'tidy-1': 1}
    for name, retries in lost.items():
        stage = make_stage(name=name, retries=retries)
        ledger.seen('org/zug', 'http://127.0.0.1:8080', [name], NOW - 7200)
        run = Run('org/zug', name, NOW - 60)
        claimed_by_the_dead(ledger, run, retries)
        ledger.recover(START)
        assert ledger.find(run).state == 'lost'
        stage.start()
        stage.service.reporter._housekeeping.fire_attempts()
        assert stage.fired() == [-1] * retries


def test_a_lost_run_that_was_followed_by_another_is_not_repeated(make_stage, ledger):
    stage = make_stage(retries=1)
    ledger.seen('org/zug', 'http://127.0.0.1:8080', ['tidy'], NOW - 7200)
    claimed_by_the_dead(ledger, Run('org/zug', 'tidy', NOW - 120), 1)
    ledger.recover(time.time())
    seen(ledger, -1)
    stage.start()
    stage.service.reporter._housekeeping.fire_attempts()
    assert stage.fired() == []


def test_a_request_that_cannot_be_fired_keeps_no_other_from_it(stage, ledger, caplog, monkeypatch):
    stage.start()
    wanted = [ledger.request_run('org/zug', 'tidy', NOW + 7 + each) for each in range(2)]
    whole, refused = stage.bound.fire, []

    def fire(self, index, scheduled, **options):
        if not refused:
            refused.append(scheduled)
            raise SchedulerError('another process owns it')
        whole(index, scheduled, **options)

    monkeypatch.setattr(ApplicationBoundCronjobs, 'fire', fire)
    stage.service.reporter._housekeeping.fire_requested()
    assert refused == [wanted[0].scheduled]
    assert stage.native.take().scheduled == wanted[1].scheduled
    assert 'tidy of org/zug was not fired: another process owns it' in caplog.text


def test_what_another_has_taken_over_meanwhile_is_not_tried_to_the_end(
    make_stage, ledger, caplog, monkeypatch,
):
    """As by a machine whose clock is an hour ahead: thousands seem to be late."""
    stage = make_stage(coalesce=False)
    seen(ledger, -5)
    stage.start()
    ownership, refused = stage.service.reporter._housekeeping.ownership, []

    def fire(self, index, scheduled, **options):
        refused.append(scheduled)
        raise SchedulerError('fire: not possible in this state')

    monkeypatch.setattr(ApplicationBoundCronjobs, 'fire', fire)
    ownership._state = SimpleNamespace(
        native=SimpleNamespace(owned=dict), telling=ownership._state.telling)
    ownership.look_again(stage.bound, NOW + 0.0)
    ownership.catch_up()
    assert len(refused) == 1
    assert 'was not fired' not in caplog.text


def test_runs_whose_events_found_no_room_are_looked_for(make_stage, ledger, caplog):
    stage = make_stage(events=16)
    seen(ledger, -1)
    stage.start()
    for _ in range(20):   # nobody listens, for minutes
        stage.native.advance(60)
        stage.native.complete(stage.native.take().run, 404)
    housekeeping = stage.service.reporter._housekeeping
    housekeeping.look_again()
    assert 'event(s) were dropped' in caplog.text
    stage.service.reporter.drain()
    recorded = stage.rows()[-1][1]
    assert 1 < recorded < 19
    with clock.in_place(lambda: START + 1300):
        housekeeping._doubtful = START + 1200
        housekeeping.look_again()
        housekeeping.settle()
        assert stage.fired() == [19]
        assert housekeeping._doubtful is None


def test_more_missed_runs_than_are_counted_are_said_to_be_many(stage, caplog):
    stage.start()
    event = SimpleNamespace(
        kind='missed', outcome=None, app=1, job=1, scheduled=NOW, due=NOW, until=NOW + 100_001,
        count=-1, at=NOW + 100_002.0, attempt=0, status=0, detail=None, retry_at=0.0, instead=0,
    )
    stage.service.apps[1] = stage.bound
    stage.service.jobs[1] = stage.bound.registered[0]
    stage.service.reporter.tell(event)
    assert 'missed more than 100000 run(s)' in caplog.text
    assert stage.ledger.history()[0].count == 100_001
