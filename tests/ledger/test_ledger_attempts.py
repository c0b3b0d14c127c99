"""What a ledger keeps of a run beyond its sender: attempts, who waits, who is
late. Held by every store, as `test_ledger.py`."""

from __future__ import annotations

import time

import pytest
from test_ledger import (
    APPLICATION,
    JOB,
    claimer,
    ended,
    granted,
    ledger,
    row_of,
    run,
    state_of,
    url,
)

from cronsched.base import clock
from cronsched.ledger import BUCKETS, Declared, Missed, Owner, Pause, Plan, Run

__all__ = ['claimer', 'ledger', 'url']   # fixtures

NOW = time.time()


@pytest.fixture(autouse=True)
def the_time_of_this_file(ledger):
    """Times are compared with NOW, which is as old as the run of all tests.
    The clock of a database is told what Python's is."""
    if hasattr(ledger, 'clock'):
        ledger.clock = clock.now
    with clock.in_place(lambda: NOW):
        yield


def due(ledger, at, *, application_ids=(APPLICATION,)):
    return [(each.run, each.attempt) for each in ledger.attempts_due(application_ids, at)]


# -- Attempts that are left

def test_the_next_attempt_of_a_run_that_failed_is_due_after_its_backoff(ledger):
    ended(ledger, run(), 'failed', retries=2, backoff=4.0)
    failed = row_of(ledger, run())
    assert failed.attempts_left == 2
    assert failed.next_attempt == pytest.approx(failed.ended + 4.0)
    assert due(ledger, failed.ended + 3.9) == []
    assert due(ledger, failed.ended + 4.1) == [(run(), 2)]
    assert due(ledger, failed.ended + 4.1, application_ids=('org/bern',)) == []
    ended(ledger, run(), 'failed', attempt=2, retries=2, backoff=4.0)
    failed = row_of(ledger, run())
    assert (failed.attempts_left, failed.next_attempt) == (1, pytest.approx(failed.ended + 8.0))


def test_an_attempt_stays_due_until_it_is_claimed(ledger):
    ended(ledger, run(), 'failed', retries=1)
    for _ in range(2):   # whoever owns the application id may die meanwhile
        assert due(ledger, NOW + 2) == [(run(), 2)]
    granted(ledger, run(), attempt=2, retries=1)
    assert due(ledger, NOW + 2) == []


@pytest.mark.parametrize('outcome', ['ok', 'skipped_paused'])
def test_after_what_is_final_no_attempt_is_due(ledger, outcome):
    ended(ledger, run(), outcome, retries=3)
    assert due(ledger, NOW + 3600) == []


def test_after_the_last_attempt_none_is_due(ledger):
    ended(ledger, run(), 'failed', retries=1)
    ended(ledger, run(), 'failed', attempt=2, retries=1)
    assert due(ledger, NOW + 3600) == []
    assert row_of(ledger, run()).attempts_left == 0


def test_the_sender_knows_best_whether_another_attempt_follows(ledger):
    ended(ledger, run(0), 'failed', retries=3)
    ledger.record(run(0), 'failed', at=NOW, status=404)            # it would only be the same
    assert due(ledger, NOW + 3600) == []
    ended(ledger, run(1), 'failed', retries=3)
    ledger.record(run(1), 'failed', at=NOW, status=503, retry_at=NOW + 90, attempts_left=3)
    assert row_of(ledger, run(1)).next_attempt == NOW + 90


def test_a_run_that_nobody_claimed_keeps_its_attempts_too(ledger):
    ledger.record(run(), 'unreachable', at=NOW, retry_at=NOW + 5, attempts_left=2)
    assert due(ledger, NOW + 5) == [(run(), 2)]
    claim = granted(ledger, run(), attempt=2, retries=2, timestamp=5)
    assert claim.attempt == 2


def test_a_further_attempt_that_nobody_claimed_is_followed_by_the_next(ledger):
    ended(ledger, run(), 'failed', retries=3)
    ledger.record(
        run(), 'unreachable', at=NOW, attempt=2, detail='refused', retry_at=NOW + 9,
        attempts_left=2)
    row = row_of(ledger, run())
    assert (row.state, row.attempt, row.detail) == ('unreachable', 2, 'refused')
    assert due(ledger, NOW + 8) == []
    assert due(ledger, NOW + 9) == [(run(), 3)]


def test_what_waited_is_due_since_the_end_that_it_waited_for(ledger):
    first = granted(ledger, run(0), overlap='queue')
    ledger.claim(run(1), overlap='queue')
    ledger.finish(first, 'ok', took=7200.0)
    waiting, = ledger.attempts_due([APPLICATION], NOW + 1e6)
    assert waiting.since > NOW + 7000


def test_an_attempt_that_is_dropped_is_not_due_any_more(ledger):
    ended(ledger, run(), 'failed', retries=3)
    found, = ledger.attempts_due([APPLICATION], NOW + 60)
    ledger.drop_attempt(found)
    assert due(ledger, NOW + 3600) == []
    assert state_of(ledger, run()) == 'failed'


def test_a_run_that_was_lost_with_attempts_left_is_due_at_once(ledger, claimer):
    granted(ledger, run(1), retries=1)   # lives
    claimer(run(0), retries=1).kill()
    assert ledger.recover() == [run(0)]
    assert due(ledger, NOW) == [(run(0), 2)]


def test_an_attempt_that_a_wrong_clock_put_ahead_is_due(ledger):
    with clock.in_place(lambda: NOW + 10_800):
        ended(ledger, run(), 'failed', retries=1)
    assert due(ledger, NOW) == [(run(), 2)]


# -- A sender that gave up

def test_a_timeout_ends_the_wait_and_not_the_run(ledger):
    claim = granted(ledger, run(), timeout=2.0)
    executing = ledger.record(run(), 'timed_out', at=NOW + 2, detail='after 2 s')
    assert (executing.run, executing.attempt, executing.gave_up) == (run(), 1, NOW + 2)
    assert executing.thread.startswith('MainThread (')
    row = row_of(ledger, run())
    assert (row.state, row.gave_up, row.ended) == ('running', NOW + 2, None)
    ledger.finish(claim, 'ok', took=5.0)
    row = row_of(ledger, run())
    assert (row.state, row.late) == ('ok', True)


def test_what_times_out_without_being_claimed_has_ended(ledger):
    assert ledger.record(run(), 'timed_out', at=NOW) is None
    assert state_of(ledger, run()) == 'timed_out'
    assert ledger.claim(run(), timestamp=1).verdict == 'duplicate'   # it waited in a queue


@pytest.mark.parametrize('outcome', ['ok', 'failed'])
def test_the_attempt_after_a_timeout_waits_for_the_first_to_end(ledger, outcome):
    claim = granted(ledger, run(), retries=3, timestamp=1)
    ledger.record(run(), 'timed_out', at=NOW + 2, retry_at=NOW + 3, attempts_left=3)
    assert due(ledger, NOW + 60) == []
    assert ledger.claim(run(), attempt=2, timestamp=2, retries=3).verdict == 'executing'
    ledger.finish(claim, outcome, took=5.0)
    assert state_of(ledger, run()) == 'timed_out'
    assert due(ledger, NOW + 60) == [(run(), 2)]
    ended(ledger, run(), 'ok', attempt=2, timestamp=3, retries=3)
    assert (state_of(ledger, run()), due(ledger, NOW + 3600)) == ('ok', [])


def test_the_attempt_after_a_timeout_follows_the_death_of_the_first(ledger, claimer):
    first = claimer(run(), retries=1)
    ledger.record(run(), 'timed_out', at=NOW, retry_at=NOW, attempts_left=1)
    assert due(ledger, NOW) == []
    first.kill()
    ledger.recover()
    assert due(ledger, NOW) == [(run(), 2)]


def test_who_asks_for_the_next_attempt_has_given_up_on_the_last(ledger):
    claim = granted(ledger, run(), retries=1, timestamp=1)
    assert ledger.claim(run(), attempt=2, retries=1, timestamp=2).verdict == 'executing'
    assert row_of(ledger, run()).gave_up is not None
    ledger.finish(claim, 'failed', took=1.0)
    assert due(ledger, NOW + 5) == [(run(), 2)]


# -- Who waits

def test_a_run_of_a_job_that_queues_waits_at_the_claim(ledger):
    first = granted(ledger, run(0), overlap='queue')
    assert ledger.claim(run(1), overlap='queue').verdict == 'queued'
    assert (state_of(ledger, run(1)), due(ledger, NOW + 60)) == ('queued', [(run(1), 1)])
    waiting, = ledger.attempts_due([APPLICATION], NOW + 60)
    assert (waiting.overlaps, waiting.waited) == (True, True)
    assert ledger.claim(run(1), overlap='queue').verdict == 'queued'
    ledger.finish(first, 'ok', took=1.0)
    waiting, = ledger.attempts_due([APPLICATION], NOW + 60)
    assert not waiting.overlaps
    claim = granted(ledger, run(1), overlap='queue')
    assert (claim.attempt, state_of(ledger, run(1))) == (1, 'running')


def test_one_run_waits_at_most(ledger):
    granted(ledger, run(0), overlap='queue')
    assert ledger.claim(run(1), overlap='queue').verdict == 'queued'
    assert ledger.claim(run(2), overlap='queue').verdict == 'skipped_overlap'
    assert state_of(ledger, run(2)) == 'skipped_overlap'


def test_a_run_that_waits_is_not_executed_once_its_job_is_paused(ledger):
    first = granted(ledger, run(0), overlap='queue')
    ledger.claim(run(1), overlap='queue')
    ledger.pause(None, JOB, note='moving')
    ledger.finish(first, 'ok', took=1.0)
    assert ledger.claim(run(1), overlap='queue').verdict == 'skipped_paused'
    row = row_of(ledger, run(1))
    assert (row.state, row.detail) == ('skipped_paused', 'moving')
    assert due(ledger, NOW + 60) == []


def test_a_run_that_waits_and_is_dropped_was_skipped(ledger):
    granted(ledger, run(0), overlap='queue')
    ledger.claim(run(1), overlap='queue')
    waiting, = ledger.attempts_due([APPLICATION], NOW + 60)
    ledger.drop_attempt(waiting)
    assert state_of(ledger, run(1)) == 'skipped_overlap'


def test_an_attempt_that_overlaps_another_run_stays_owed(ledger):
    ended(ledger, run(0), 'failed', timestamp=1, retries=1)
    other = granted(ledger, run(1))
    assert ledger.claim(run(0), attempt=2, timestamp=2, retries=1).verdict == 'queued'
    owed, = ledger.attempts_due([APPLICATION], NOW + 60)
    assert owed.overlaps is True
    ledger.finish(other, 'ok', took=0.1)
    owed, = ledger.attempts_due([APPLICATION], NOW + 60)
    assert owed.overlaps is False


# -- Whose clock was wrong

@pytest.mark.parametrize('outcome', ['missed', 'skipped_overlap', 'unreachable'])
def test_what_never_ran_runs_though_a_fast_clock_recorded_it(ledger, outcome):
    with clock.in_place(lambda: NOW + 7200):
        ledger.record(run(), outcome, at=NOW + 7200)
    with clock.in_place(lambda: NOW):
        granted(ledger, run())


def test_a_range_that_a_fast_clock_missed_is_not_trusted(ledger):
    ledger.record(run(1), 'missed', at=NOW + 7200, until=run(9).scheduled, count=9)
    with clock.in_place(lambda: NOW):
        granted(ledger, run(5))
        assert ledger.past({APPLICATION: NOW}, 1e9)[APPLICATION][0].ranges == ()


def test_what_a_fast_clock_missed_is_told_as_it_was_then(ledger):
    with clock.in_place(lambda: NOW + 7200):
        ledger.record(run(1), 'missed', at=NOW + 7200, until=run(9).scheduled, count=9)
    with clock.in_place(lambda: NOW):
        ledger.record(run(1), 'skipped_overlap', at=NOW, detail='another executed')
        ledger.record(run(1), 'missed', at=NOW)     # the first end wins, where it is trusted
    row = ledger.find(run(1))
    assert (row.state, row.until, row.count, row.ended, row.detail) == (
        'skipped_overlap', None, 1, NOW, 'another executed')


def test_what_ran_since_has_its_attempts_when_the_fast_clock_is_caught_up_with(ledger):
    with clock.in_place(lambda: NOW + 7200):
        ledger.record(run(1), 'missed', at=NOW + 7200, until=run(9).scheduled, count=9)
    with clock.in_place(lambda: NOW):
        ended(ledger, run(5), 'failed', retries=1)
    with clock.in_place(lambda: NOW + 7300):
        granted(ledger, run(5), attempt=2, retries=1)
        assert ledger.claim(run(6), retries=1).verdict == 'duplicate'


def test_what_ran_by_a_fast_clock_does_not_run_again(ledger):
    with clock.in_place(lambda: NOW + 7200):
        ended(ledger, run(), 'ok')
    with clock.in_place(lambda: NOW):
        assert ledger.claim(run(), timestamp=9).verdict == 'duplicate'


def test_a_successor_with_a_slower_clock_makes_the_next_attempt(ledger):
    ended(ledger, run(), 'failed', timestamp=100, epoch=1, retries=1)
    granted(ledger, run(), attempt=2, timestamp=90, epoch=2, retries=1)


# -- What is known of many at once

def test_the_past_of_many_application_ids_is_one_question(ledger):
    for name in ('a', 'b', 'c'):
        ended(ledger, run(0, application_id=name), 'ok')
        ended(ledger, run(5, application_id=name), 'failed')
    ledger.record(run(1, application_id='b'), 'missed', at=NOW, until=run(3).scheduled, count=3)
    at = run(6).scheduled
    past = ledger.past(dict.fromkeys('abd', at), at - run(4).scheduled)
    assert {name: [job.known.job for job in jobs] for name, jobs in past.items()} == {
        'a': [JOB], 'b': [JOB], 'd': []}
    assert past['a'][0].before == run(0).scheduled
    assert list(past['a'][0].single) == [run(5).scheduled]
    assert past['a'][0].floor == run(3).scheduled   # as far back from its newest
    assert past['b'][0].before == run(3).scheduled
    assert past['b'][0].ranges == ((run(1).scheduled, run(3).scheduled),)


def test_many_missed_runs_are_recorded_at_once(ledger):
    ledger.miss([Missed(run(0, f'job {number}'), run(9).scheduled, 10, 'nobody there')
                 for number in range(500)], NOW)
    rows = ledger.history(limit=1000)
    assert len(rows) == 500
    assert {(row.state, row.until, row.count, row.detail, row.ended) for row in rows} == {
        ('missed', run(9).scheduled, 10, 'nobody there', NOW)}


def test_one_of_many_missed_runs_that_ran_keeps_its_end(ledger):
    ledger.seen(APPLICATION, 'http://a', [f'job {number}' for number in range(9)], 100.0)
    ended(ledger, run(0, 'job 4'), 'ok')
    ledger.miss([
        Missed(run(0, f'job {number}'), run(2).scheduled, 3) for number in range(10)], NOW)
    rows = {row.run.job: row.state for row in ledger.history()}
    assert rows == {f'job {number}': 'ok' if number == 4 else 'missed' for number in range(10)}
    counted = {each.job: each.count for each in ledger.totals() if each.outcome == 'missed'}
    assert counted == {f'job {number}': 3 for number in range(10) if number != 4}
    newest = {job.job: job.newest for job in ledger.jobs()}
    assert {newest[f'job {number}'] for number in (0, 9)} == {run(2).scheduled}


def test_a_new_plan_is_as_new(ledger):
    ledger.seen(APPLICATION, 'http://a', {JOB: Plan('0 9 1 * *')}, 100.0)
    ledger.seen(APPLICATION, 'http://a', {JOB: Plan('0 9 1 * *')}, 200.0)
    assert ledger.jobs()[0].planned == 100.0
    ledger.seen(APPLICATION, 'http://a', {JOB: Declared(Plan('0 8 5 * *'))}, 300.0)
    assert (ledger.jobs()[0].planned, ledger.jobs()[0].since) == (300.0, 100.0)


# -- Who owns what

def owner(name, root='/srv/a', address='http://127.0.0.1:8080'):
    return Owner(name, address, root, 5.0, implicit=True)


def test_the_owner_of_an_application_id_is_known(ledger):
    ledger.own([owner('a'), owner('b')])
    found = ledger.owners()
    assert list(found) == ['a', 'b']
    here = found['a']
    assert (here.address, here.code_root, here.since, here.implicit, here.alive) == (
        'http://127.0.0.1:8080', '/srv/a', 5.0, True, True)
    assert list(ledger.owners(['b', 'c'])) == ['b']
    ledger.own([owner('a', root='/srv/b')])
    ledger.disown(['b', 'c'])
    assert {name: each.code_root for name, each in ledger.owners().items()} == {'a': '/srv/b'}


def test_an_owner_that_died_is_known_as_dead(ledger, claimer):
    other = claimer(run(), owns='a')
    assert ledger.owners()['a'].alive
    other.kill()
    assert not ledger.owners()['a'].alive


def test_who_executes_what_is_known(ledger, claimer):
    other = claimer(run(0))
    with clock.in_place(time.time):   # which the other process goes by
        granted(ledger, run(1, job='b'))
    first, second = ledger.executing()
    assert (first.run, first.pid) == (run(0), other.process.pid)
    assert second.run == run(1, job='b')
    assert ledger.executing('org/bern') == []
    assert not first.is_overdue(first.deadline)
    assert first.is_overdue(first.deadline + 1)


# -- Totals, requests, pauses

def test_totals_are_not_pruned(ledger):
    for minute in range(3):
        ledger.finish(granted(ledger, run(minute)), 'ok', took=2.0)
    ledger.finish(granted(ledger, run(3)), 'failed', took=5000.0)
    ledger.record(run(4), 'missed', at=NOW, until=run(8).scheduled, count=5)
    ledger.prune(NOW + 1e9)
    assert ledger.history() == []
    totals = {total.outcome: total for total in ledger.totals()}
    assert {outcome: total.count for outcome, total in totals.items()} == {
        'ok': 3, 'failed': 1, 'missed': 5}
    assert totals['ok'].seconds == pytest.approx(6.0)
    assert totals['ok'].buckets[BUCKETS.index(5.0)] == 3
    assert totals['failed'].buckets[-1] == 1
    assert sum(totals['missed'].buckets) == 0
    assert sum(totals['ok'].late_buckets) == 3


def test_each_run_is_counted_once(ledger, claimer):
    granted(ledger, run(0, 'a'))
    claimer(run(1, 'b')).kill()
    ledger.recover()
    ledger.record(run(1, 'b'), 'unreachable', at=NOW)
    ledger.record(run(2, 'c'), 'unreachable', at=NOW)
    ledger.pause(None, 'd')
    ledger.claim(run(3, 'd'))
    assert [(total.job, total.outcome, total.count) for total in ledger.totals()] == [
        ('b', 'lost', 1), ('c', 'unreachable', 1), ('d', 'skipped_paused', 1)]


def test_it_is_known_who_asked(ledger):
    wanted = ledger.request_run(APPLICATION, JOB, NOW, by='anna')
    ended(ledger, wanted, 'ok')
    assert (row_of(ledger, wanted).requested, row_of(ledger, wanted).by) == (True, 'anna')
    ledger.pause(None, JOB, note='moving', at=5.0, by='beat')
    assert ledger.pauses() == [Pause(None, JOB, 'moving', 5.0, 'beat')]


def test_the_newest_row_of_each_job_is_one_question(ledger):
    for minute, name in ((0, 'a'), (1, 'a'), (2, 'b')):
        ended(ledger, run(minute, name), 'ok')
    assert {key[1]: row.run.scheduled for key, row in ledger.latest().items()} == {
        'a': run(1).scheduled, 'b': run(2).scheduled}
    assert ledger.latest('org/bern') == {}


def test_a_long_history_is_walked_in_pieces(ledger, monkeypatch):
    for store in ('sqlite', 'postgres'):
        monkeypatch.setattr(f'cronsched.ledger.{store}.reading.PIECE', 3)
    for name in 'abcdefgh':   # more of a second than fit into a piece
        ledger.record(Run(APPLICATION, name, 60), 'failed', at=0.0)
    for minute in range(2, 8):
        ledger.record(Run(APPLICATION, 'a', 60 * minute), 'failed', at=0.0)
    walked = list(ledger.walk())
    assert walked == ledger.history(limit=100)
    assert len({row.run for row in walked}) == 14
    assert len(list(ledger.walk(job='a', since=180))) == 5
