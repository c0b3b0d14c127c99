"""What every ledger promises, whatever keeps it.

A further store is one more entry in STORES. Time is given where the interface
takes it; processes are real.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import postgres
import pytest

from cronsched._cronsched import sign_headers
from cronsched.base.keys import derive_key
from cronsched.ledger import (
    OUTCOMES,
    Claim,
    Declared,
    KnownJob,
    Ledger,
    LedgerError,
    Plan,
    Row,
    Run,
    open_ledger,
)
from cronsched.ledger.process import Process
from cronsched.web.signing import Refused, verify

APPLICATION, JOB = 'org/zug', 'cleanup'
MINUTE = 60
FIRST = 1700000040    # past: a ledger that several machines share looks at its clock

STORES: dict[str, Callable[[Path], str]] = {
    'sqlite': lambda directory: f'sqlite://{directory}/ledger.sqlite3',
    'postgresql': lambda directory: postgres.server().clean_database(),
    'pgbouncer': lambda directory: postgres.pooler().through(postgres.server().clean_database()),
}


# A pooler is slow to look through, and changes nothing that a claim does.
PARAMETERS = [
    pytest.param(store, marks=pytest.mark.soak if store == 'pgbouncer' else ())
    for store in STORES
]


@pytest.fixture(params=PARAMETERS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return STORES[request.param](tmp_path)


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    ledger = open_ledger(url)
    yield ledger
    ledger.close()


def run(minute: int = 0, job: str = JOB, application_id: str = APPLICATION) -> Run:
    return Run(application_id, job, FIRST + minute * MINUTE)


def row_of(ledger: Ledger, wanted: Run) -> Row:
    row = ledger.find(wanted)
    assert row is not None
    return row


def state_of(ledger: Ledger, wanted: Run) -> str:
    return row_of(ledger, wanted).state


def granted(ledger: Ledger, wanted: Run, **options: object) -> Claim:
    claim = ledger.claim(wanted, **options)  # type: ignore[arg-type]
    assert claim.granted, claim
    return claim


def ended(ledger: Ledger, wanted: Run, outcome: str, **options: object) -> None:
    ledger.finish(granted(ledger, wanted, **options), outcome, took=0.1)


CLAIMER = """
import sys
from cronsched.ledger import Owner, Run, open_ledger
ledger = open_ledger(sys.argv[1])
claim = ledger.claim(
    Run(sys.argv[2], sys.argv[3], int(sys.argv[4])), overlap='allow', timestamp=1,
    retries=int(sys.argv[5]))
ledger.own([Owner(each, 'http://localhost', '/', 1.0) for each in sys.argv[6:]])
print(claim.verdict, flush=True)
for line in sys.stdin:   # until it is killed, or told how it ends
    ledger.finish(claim, line.strip(), took=1.0)
    print('finished', flush=True)
"""


class Claimer:
    """Another process that claimed a run and has not ended it."""

    def __init__(self, url: str, wanted: Run, retries: int = 0, owns: str = '') -> None:
        arguments = [url, wanted.application_id, wanted.job, str(wanted.scheduled), str(retries),
                     *owns.split()]
        self.process = subprocess.Popen(
            [sys.executable, '-c', CLAIMER, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        assert self.answer() == 'granted'

    def answer(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def finish(self, outcome: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(f'{outcome}\n')
        assert self.answer() == 'finished'

    def kill(self, *, reap: bool = True) -> None:
        self.process.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)
        if reap:
            self.process.wait(10)


@pytest.fixture
def claimer(url: str) -> Iterator[Callable[..., Claimer]]:
    claimers: list[Claimer] = []

    def start(wanted: Run, **options: Any) -> Claimer:
        claimers.append(Claimer(url, wanted, **options))
        return claimers[-1]

    yield start
    for started in claimers:
        started.process.kill()
        started.process.communicate()


# -- A claim

def test_a_run_is_granted_once(ledger: Ledger) -> None:
    assert ledger.claim(run()).verdict == 'granted'
    assert ledger.claim(run()).verdict == 'duplicate'
    assert state_of(ledger, run()) == 'running'


def test_runs_of_other_jobs_applications_and_times_are_other_runs(ledger: Ledger) -> None:
    for other in (run(), run(1), run(job='other'), run(application_id='org/bern')):
        granted(ledger, other, overlap='allow')


def test_names_are_told_apart_to_the_letter(ledger: Ledger) -> None:
    names = ['a', 'A', '\u00e4', 'a\u0308', 'a ', '', 'a%', 'a_', "a'", 'a\nb']
    for name in names:
        granted(ledger, run(job=name))
    assert [job.job for job in ledger.jobs()] == sorted(names, key=str.encode)


@pytest.mark.parametrize('outcome', OUTCOMES)
def test_a_run_that_ended_is_not_granted_again(ledger: Ledger, outcome: str) -> None:
    ended(ledger, run(), outcome)
    assert ledger.claim(run(), timestamp=2).verdict in ('duplicate', 'lost')
    assert state_of(ledger, run()) == outcome


def test_a_granted_run_tells_what_came_before(ledger: Ledger) -> None:
    assert granted(ledger, run(0)).previous is None
    ended(ledger, run(1), 'ok', overlap='allow')
    ended(ledger, run(2), 'failed', overlap='allow')
    ledger.record(run(3), 'missed', at=0.0)
    claim = granted(ledger, run(4), overlap='allow')
    assert claim.previous == run(2).scheduled
    assert claim.last_success == run(1).scheduled


def test_a_granted_run_tells_how_long_after_its_time_it_is_due(ledger: Ledger) -> None:
    ledger.seen(APPLICATION, 'http://localhost', {JOB: Declared(Plan('* * * * *'), 12.5)}, 1.0)
    assert granted(ledger, run(0), retries=1).offset == 12.5
    assert ledger.claim(run(0)).offset is None
    ledger.finish(Claim(run(0), 'granted'), 'failed', took=0.1)
    assert granted(ledger, run(0), attempt=2, retries=1).offset == 12.5


def test_each_execution_of_a_job_has_a_greater_number(ledger: Ledger) -> None:
    first = granted(ledger, run(0), retries=1)
    assert first.fence > 0
    ledger.finish(first, 'failed', took=0.1)
    again = granted(ledger, run(0), attempt=2, retries=1)
    other = granted(ledger, run(5), overlap='allow')
    late = granted(ledger, run(3), overlap='allow')     # of an earlier time
    fences = [each.fence for each in (first, again, other, late)]
    assert fences == sorted(set(fences))
    assert ledger.claim(run(0)).fence == 0


def test_an_execution_is_current_until_it_ends_or_is_given_up(ledger: Ledger) -> None:
    first = granted(ledger, run(0), retries=2)
    other = granted(ledger, run(1), overlap='allow')
    assert ledger.is_current(first)
    ledger.record(run(0), 'timed_out', at=FIRST + 1.0)
    assert ledger.is_current(first)     # its sender waits no more, and it executes
    ledger.finish(first, 'failed', took=0.1)
    assert not ledger.is_current(first)
    second = granted(ledger, run(0), attempt=3, retries=2, overlap='allow')
    assert ledger.is_current(second)
    assert not ledger.is_current(first)
    assert ledger.is_current(other)


def test_a_late_run_is_told_what_came_before_it_not_after(ledger: Ledger) -> None:
    for minute in (0, 1, 5):
        ended(ledger, run(minute), 'ok')
    claim = granted(ledger, run(3))
    assert (claim.previous, claim.last_success) == (run(1).scheduled, run(1).scheduled)


def test_processes_that_race_for_runs_get_each_once(url: str) -> None:
    count = 1000 if url.startswith('sqlite') else 150
    with multiprocessing.get_context('spawn').Pool(4) as pool:
        answers = pool.starmap(claim_all, [(url, count)] * 4, chunksize=1)
    verdicts = Counter(verdict for answer in answers for verdict in answer)
    assert verdicts == {'granted': count, 'duplicate': 3 * count}
    for each in zip(*answers, strict=True):
        assert each.count('granted') == 1


def claim_all(url: str, count: int) -> list[str]:
    ledger = open_ledger(url)
    verdicts: list[str] = [
        ledger.claim(run(minute), overlap='allow').verdict for minute in range(count)]
    ledger.close()
    return verdicts


def test_threads_that_race_get_each_run_once(ledger: Ledger) -> None:
    verdicts: Counter[str] = Counter()
    start = threading.Barrier(8)

    def work() -> None:
        start.wait()
        mine = [ledger.claim(run(minute), overlap='allow').verdict for minute in range(100)]
        verdicts.update(mine)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verdicts == {'granted': 100, 'duplicate': 700}


# -- How a run ends

@pytest.mark.parametrize('outcome', OUTCOMES)
def test_a_run_ends_as_one_of_eight(ledger: Ledger, outcome: str) -> None:
    ended(ledger, run(), outcome)
    row = row_of(ledger, run())
    assert row.state == outcome
    assert row.started is not None
    assert row.ended is not None
    assert row.started <= row.ended
    assert (row.host, row.pid) == (Process.current().host, os.getpid())


def test_the_first_end_wins(ledger: Ledger) -> None:
    claim = granted(ledger, run())
    ledger.finish(claim, 'ok', took=0.1, detail='first')
    ledger.finish(claim, 'failed', took=0.1, detail='second')
    ledger.record(run(), 'timed_out', at=time.time())
    row = row_of(ledger, run())
    assert (row.state, row.detail) == ('ok', 'first')


def test_an_outcome_that_does_not_exist_is_an_error(ledger: Ledger) -> None:
    claim = granted(ledger, run())
    for outcome in ('running', 'OK', ''):
        with pytest.raises(LedgerError, match='is not an outcome'):
            ledger.finish(claim, outcome, took=0.0)
        with pytest.raises(LedgerError, match='is not an outcome'):
            ledger.record(run(1), outcome, at=0.0)


def test_what_was_not_granted_cannot_be_finished(ledger: Ledger) -> None:
    granted(ledger, run())
    with pytest.raises(LedgerError, match='not granted'):
        ledger.finish(ledger.claim(run()), 'ok', took=0.0)
    assert state_of(ledger, run()) == 'running'


def test_the_sender_ends_a_run_that_was_never_claimed(ledger: Ledger) -> None:
    ledger.record(run(), 'unreachable', at=5.0, attempt=3, detail='refused')
    row = row_of(ledger, run())
    assert (row.state, row.ended, row.attempt) == ('unreachable', 5.0, 3)
    assert (row.started, row.pid, row.detail) == (None, None, 'refused')


def test_the_sender_ends_no_run_that_executes(ledger: Ledger) -> None:
    claim = granted(ledger, run())
    for outcome in OUTCOMES:
        ledger.record(run(), outcome, at=time.time())
        assert state_of(ledger, run()) == 'running'
    ledger.finish(claim, 'ok', took=1.0)
    assert state_of(ledger, run()) == 'ok'


def test_a_timeout_of_an_earlier_attempt_ends_no_later_one(ledger: Ledger) -> None:
    ended(ledger, run(), 'failed', timestamp=1)
    granted(ledger, run(), attempt=2, timestamp=2, retries=1)
    ledger.record(run(), 'timed_out', at=time.time(), attempt=1)
    assert state_of(ledger, run()) == 'running'


def test_the_sender_adds_the_status_it_alone_knows(ledger: Ledger) -> None:
    ended(ledger, run(), 'failed')
    ledger.record(run(), 'failed', at=time.time(), status=500)
    assert row_of(ledger, run()).status == 500


def test_one_row_stands_for_all_runs_that_were_missed(ledger: Ledger) -> None:
    ended(ledger, run(0), 'ok')
    ledger.record(run(1), 'missed', at=0.0, until=run(9).scheduled, count=9)
    assert ledger.last_runs(APPLICATION) == {JOB: run(9).scheduled}
    row = row_of(ledger, run(5))
    assert (row.run, row.until, row.count) == (run(1), run(9).scheduled, 9)
    assert ledger.find(run(10)) is None


def test_a_run_within_those_missed_is_not_granted(ledger: Ledger) -> None:
    ledger.record(run(1), 'missed', at=0.0, until=run(9).scheduled, count=9)
    ended(ledger, run(0), 'ok')
    ledger.record(run(4), 'failed', at=0.0)
    for minute in (1, 5, 9):
        assert ledger.claim(run(minute)).verdict == 'duplicate'
    granted(ledger, run(10))


# -- Another attempt

@pytest.mark.parametrize('outcome', ['failed', 'timed_out', 'unreachable', 'lost'])
def test_a_retry_of_what_failed_is_granted(ledger: Ledger, outcome: str) -> None:
    ended(ledger, run(), outcome, timestamp=100)
    claim = ledger.claim(run(), attempt=2, timestamp=101, retries=1)
    assert (claim.verdict, claim.attempt) == ('granted', 2)
    row = row_of(ledger, run())
    assert (row.state, row.attempt, row.ended, row.detail) == ('running', 2, None, None)
    ledger.finish(claim, 'ok', took=0.1)
    assert state_of(ledger, run()) == 'ok'


@pytest.mark.parametrize('outcome', ['ok', 'skipped_overlap', 'skipped_paused', 'missed'])
def test_a_retry_of_what_is_final_is_not(ledger: Ledger, outcome: str) -> None:
    ended(ledger, run(), outcome, timestamp=100)
    claim = ledger.claim(run(), attempt=2, timestamp=101, retries=5)
    assert claim.verdict == 'duplicate'


def test_a_retry_after_no_claim_at_all_is_granted(ledger: Ledger) -> None:
    ledger.record(run(), 'unreachable', at=0.0)
    assert granted(ledger, run(), attempt=2, timestamp=5, retries=1).attempt == 2


def test_there_are_no_more_attempts_than_retries_and_one(ledger: Ledger) -> None:
    ended(ledger, run(), 'failed', timestamp=1)
    ended(ledger, run(), 'failed', attempt=2, timestamp=2, retries=2)
    ended(ledger, run(), 'failed', attempt=3, timestamp=3, retries=2)
    assert ledger.claim(run(), attempt=4, timestamp=4, retries=2).verdict == 'duplicate'


def test_a_retry_without_retries_is_not_granted(ledger: Ledger) -> None:
    ended(ledger, run(), 'failed', timestamp=1)
    assert ledger.claim(run(), attempt=2, timestamp=2).verdict == 'duplicate'


@pytest.mark.parametrize('timestamp', [99, 100, None])
def test_a_further_attempt_is_new_whatever_the_clocks_say(
    ledger: Ledger, timestamp: int | None,
) -> None:
    ended(ledger, run(), 'failed', timestamp=100, retries=3)
    assert ledger.claim(run(), attempt=1, timestamp=101, retries=3).verdict == 'duplicate'
    granted(ledger, run(), attempt=2, timestamp=timestamp, retries=3)


def test_a_captured_request_with_another_attempt_is_never_granted(ledger: Ledger) -> None:
    key = derive_key('a secret', APPLICATION)
    headers = sign_headers(APPLICATION, JOB, FIRST, key=key, now=FIRST + 7, attempt=1)
    for attempt in range(1, 100):
        headers['Cronsched-Attempt'] = str(attempt)
        if attempt > 1:
            with pytest.raises(Refused):
                verify(headers, application_id=APPLICATION, job=JOB, keys=[key], now=FIRST + 8)
            continue
        signed = verify(
            headers, application_id=APPLICATION, job=JOB, keys=[key], now=FIRST + 8)
        claim = ledger.claim(
            signed.run, attempt=signed.attempt, timestamp=signed.timestamp, retries=99)
        assert claim.granted == (attempt == 1)
        if claim.granted:
            ledger.finish(claim, 'failed', took=0.1)


def test_a_run_that_timed_out_but_executes_is_not_granted_again(ledger: Ledger) -> None:
    claim = granted(ledger, run(), timestamp=1, retries=1)
    ledger.record(run(), 'timed_out', at=time.time(), retry_at=time.time(), attempts_left=1)
    again = ledger.claim(run(), attempt=2, timestamp=2, retries=1, overlap='allow')
    assert again.verdict == 'executing'
    assert ledger.claim(run(), attempt=3, timestamp=2, retries=1).verdict == 'duplicate'
    ledger.finish(claim, 'ok', took=1.0)
    granted(ledger, run(), attempt=2, timestamp=2, retries=1)


# -- Overlap

def test_a_run_that_comes_while_another_executes_is_skipped(ledger: Ledger) -> None:
    claim = granted(ledger, run(0))
    assert ledger.claim(run(1)).verdict == 'skipped_overlap'
    assert state_of(ledger, run(1)) == 'skipped_overlap'
    ledger.finish(claim, 'ok', took=1.0)
    assert ledger.claim(run(1)).verdict == 'duplicate'
    granted(ledger, run(2))


def test_runs_may_overlap_where_the_job_says_so(ledger: Ledger) -> None:
    granted(ledger, run(0))
    granted(ledger, run(1), overlap='allow')


def test_only_runs_of_the_same_job_and_application_overlap(ledger: Ledger) -> None:
    granted(ledger, run(0))
    granted(ledger, run(1, job='other'))
    granted(ledger, run(1, application_id='org/bern'))


def test_what_its_sender_gave_up_still_overlaps(ledger: Ledger) -> None:
    claim = granted(ledger, run(0))
    ledger.record(run(0), 'timed_out', at=time.time())
    assert ledger.claim(run(1)).verdict == 'skipped_overlap'
    ledger.finish(claim, 'ok', took=1.0)
    granted(ledger, run(2))


def test_a_retry_while_another_run_executes_keeps_its_end(ledger: Ledger) -> None:
    ended(ledger, run(0), 'failed', timestamp=1)
    granted(ledger, run(1))
    claim = ledger.claim(run(0), attempt=2, timestamp=2, retries=1)
    assert claim.verdict == 'skipped_overlap'   # none was owed: it allowed no retries
    assert state_of(ledger, run(0)) == 'failed'


def test_what_a_dead_process_executed_does_not_overlap(
    ledger: Ledger, claimer: Callable[[Run], Claimer],
) -> None:
    other = claimer(run(0))
    assert ledger.claim(run(1)).verdict == 'skipped_overlap'
    other.kill()
    granted(ledger, run(2))
    assert state_of(ledger, run(0)) == 'lost'


# -- Lost

@pytest.mark.parametrize('reap', [True, False])
def test_a_run_whose_process_was_killed_is_lost(
    ledger: Ledger, claimer: Callable[[Run], Claimer], reap: bool,
) -> None:
    other = claimer(run())
    assert ledger.recover(time.time()) == []
    other.kill(reap=reap)
    assert ledger.recover(time.time()) == [run()]
    assert ledger.recover(time.time()) == []
    row = row_of(ledger, run())
    assert row.state == 'lost'
    assert str(other.process.pid) in (row.detail or '')


def test_a_claim_finds_out_that_the_process_was_killed(
    ledger: Ledger, claimer: Callable[[Run], Claimer],
) -> None:
    other = claimer(run())
    assert ledger.claim(run(), timestamp=2, retries=3).verdict == 'duplicate'
    other.kill()
    assert ledger.claim(run(), timestamp=2).verdict == 'lost'
    assert state_of(ledger, run()) == 'lost'


@pytest.mark.parametrize('attempt', [1, 2])
@pytest.mark.parametrize('recovered', [True, False])
def test_a_lost_run_with_retries_is_granted_anew(
    ledger: Ledger, claimer: Callable[[Run], Claimer], attempt: int, recovered: bool,
) -> None:
    claimer(run()).kill()
    if recovered:
        ledger.recover(time.time())
    if attempt == 1:
        assert ledger.claim(run(), timestamp=0, retries=1).verdict == 'replayed'
    # Takeover may be within the second of the first attempt.
    claim = ledger.claim(run(), attempt=attempt, timestamp=1, retries=1)
    assert (claim.verdict, claim.attempt) == ('granted', 2)
    ledger.finish(claim, 'ok', took=0.1)
    assert state_of(ledger, run()) == 'ok'


def test_the_sender_of_a_run_whose_process_was_killed_records_it_lost(
    ledger: Ledger, claimer: Callable[[Run], Claimer],
) -> None:
    claimer(run()).kill()
    ledger.record(run(), 'unreachable', at=time.time(), detail='connection reset')
    assert state_of(ledger, run()) == 'lost'


def test_a_run_past_its_timeout_executes_while_its_process_lives(ledger: Ledger) -> None:
    claim = granted(ledger, run(0), timeout=60.0)
    assert ledger.recover(time.time() + 59) == []
    assert row_of(ledger, run(0)).gave_up is None
    assert ledger.recover(time.time() + 70) == []
    assert row_of(ledger, run(0)).gave_up is not None
    assert state_of(ledger, run(0)) == 'running'
    assert ledger.claim(run(1)).verdict == 'skipped_overlap'
    ledger.finish(claim, 'ok', took=80.0)
    row = row_of(ledger, run(0))
    assert (row.state, row.late) == ('ok', True)
    granted(ledger, run(2))


WORKER = """
import os, sys
from cronsched.ledger import Run, open_ledger
ledger = open_ledger(sys.argv[1])
executed = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
print(flush=True)
minute = 0
while True:
    claim = ledger.claim(Run('org/zug', 'cleanup', minute), overlap='allow')
    if claim.granted:
        os.write(executed, b'%d\\n' % minute)
        ledger.finish(claim, 'ok', took=0.0)
    minute += 1
"""


def test_no_kill_makes_a_run_happen_twice_or_vanish(
    ledger: Ledger, url: str, tmp_path: Path,
) -> None:
    chance, log = random.Random(6), tmp_path / 'executed'

    def start() -> subprocess.Popen[bytes]:
        worker = subprocess.Popen(
            [sys.executable, '-c', WORKER, url, str(log)], stdout=subprocess.PIPE)
        assert worker.stdout
        worker.stdout.readline()
        return worker

    workers = [start() for _ in range(3)]
    for _ in range(20 if url.startswith('sqlite') else 5):
        time.sleep(chance.uniform(0.0, 0.05))
        victim = workers.pop(chance.randrange(len(workers)))
        victim.kill()
        victim.communicate()
        workers.append(start())
    for worker in workers:
        worker.kill()
        worker.communicate()
    ledger.recover(time.time())
    executed = [int(line) for line in log.read_text().split()]
    states = {row.run.scheduled: row.state for row in ledger.history(limit=10**6)}
    assert len(executed) == len(set(executed)) > 100
    assert set(executed) <= set(states)
    # Who is killed between the claim and the log line has executed nothing.
    assert {minute for minute, state in states.items() if state == 'ok'} <= set(executed)
    assert set(states.values()) <= {'ok', 'lost'}
    assert sorted(states) == list(range(len(states)))
    assert sum(state == 'lost' for state in states.values()) <= 23


# -- Pause

@pytest.mark.parametrize('application_id', [APPLICATION, None])
def test_a_paused_job_is_skipped(ledger: Ledger, application_id: str | None) -> None:
    ledger.pause(application_id, JOB, note='new server', at=5.0)
    assert ledger.paused() == {(application_id, JOB): 'new server'}
    assert ledger.claim(run()).verdict == 'skipped_paused'
    assert state_of(ledger, run()) == 'skipped_paused'
    ledger.resume(application_id, JOB)
    assert ledger.paused() == {}
    assert ledger.claim(run()).verdict == 'duplicate'
    granted(ledger, run(1))


def test_a_pause_holds_for_its_job_and_application(ledger: Ledger) -> None:
    ledger.pause('org/bern', JOB)
    ledger.pause(None, 'other')
    granted(ledger, run())
    ledger.resume(None, JOB)
    assert set(ledger.paused()) == {('org/bern', JOB), (None, 'other')}


def test_a_second_pause_replaces_the_note(ledger: Ledger) -> None:
    for application_id in (APPLICATION, None):
        ledger.pause(application_id, JOB, note='first')
        ledger.pause(application_id, JOB, note='second')
    assert set(ledger.paused().values()) == {'second'}


def test_a_retry_of_a_paused_job_keeps_its_end(ledger: Ledger) -> None:
    ended(ledger, run(), 'failed', timestamp=1)
    ledger.pause(None, JOB)
    assert ledger.claim(run(), attempt=2, timestamp=2, retries=1).verdict == 'skipped_paused'
    assert state_of(ledger, run()) == 'failed'


# -- Jobs, applications, history

def test_a_job_that_never_ran_starts_when_it_is_first_seen(ledger: Ledger) -> None:
    ledger.seen(APPLICATION, 'http://localhost', ['a', 'b'], 100.9)
    ledger.seen(APPLICATION, 'http://localhost', ['a', 'b', 'c'], 200.0)
    assert ledger.last_runs(APPLICATION) == {'a': 100, 'b': 100, 'c': 200}
    assert ledger.last_runs('org/bern') == {}


@pytest.mark.parametrize('outcome', OUTCOMES)
def test_the_last_run_counts_however_it_ended(ledger: Ledger, outcome: str) -> None:
    ledger.record(run(3), outcome, at=0.0)
    ledger.record(run(1), outcome, at=0.0)
    assert ledger.last_runs(APPLICATION) == {JOB: run(3).scheduled}


def test_applications_are_known_by_their_latest_address(ledger: Ledger) -> None:
    ledger.seen('b', 'http://b', [], 1.0)
    ledger.seen('a', 'http://old', [], 2.0)
    ledger.seen('a', 'http://new', [], 3.0)
    found = [(one.application_id, one.base_url, one.seen) for one in ledger.applications()]
    assert found == [('a', 'http://new', 3.0), ('b', 'http://b', 1.0)]


def test_jobs_keep_their_plan(ledger: Ledger) -> None:
    plan = Plan('0 8 * * *', 'Europe/Zurich', 'seed')
    ledger.seen('a', 'http://a', {'x': Plan('0 7 * * *'), 'y': plan}, 1.5)
    ledger.seen('a', 'http://a', {'x': plan}, 2.5)
    ledger.seen('a', 'http://a', ['x', 'y'], 3.5)
    assert ledger.jobs('a') == [
        KnownJob('a', 'x', 1.5, None, None, plan, planned=2.5),
        KnownJob('a', 'y', 1.5, None, None, plan, planned=1.5),
    ]
    assert ledger.jobs('b') == []


def test_a_job_that_is_no_longer_in_the_code_is_known_as_that(ledger: Ledger) -> None:
    ledger.seen('a', 'http://a', ['x', 'y'], 1.0)
    ledger.seen('a', 'http://a', {'x': Plan('0 7 * * *')}, 2.0)
    assert [(job.job, job.declared) for job in ledger.jobs()] == [('x', True), ('y', False)]
    ledger.seen('a', 'http://a', ['x', 'y'], 3.0)
    assert [job.declared for job in ledger.jobs()] == [True, True]


def test_what_the_code_says_of_a_job_is_kept(ledger: Ledger) -> None:
    declared = Declared(
        Plan('0 7 * * *', 'UTC', 'x'), 12.5, '{"retries": 2}', 'shop.py:12', 'at 07:00')
    ledger.seen('a', 'http://a', {'x': declared}, 1.0)
    job, = ledger.jobs()
    assert (job.plan, job.offset, job.options, job.place, job.words) == (
        declared.plan, 12.5, '{"retries": 2}', 'shop.py:12', 'at 07:00')


def test_the_history_is_told_newest_first(ledger: Ledger) -> None:
    for minute in (2, 0, 1):
        ended(ledger, run(minute), 'ok')
    assert [row.run for row in ledger.history()] == [run(2), run(1), run(0)]
    assert [row.run for row in ledger.history(oldest_first=True)] == [run(0), run(1), run(2)]
    assert [row.run for row in ledger.history(limit=2)] == [run(2), run(1)]


def test_the_history_is_filtered(ledger: Ledger) -> None:
    for other in (run(0), run(1, job='other'), run(2, application_id='org/bern'), run(3)):
        ended(ledger, other, 'ok')

    def minutes(**wanted: object) -> list[int]:
        rows = ledger.history(**wanted)  # type: ignore[arg-type]
        return [(row.run.scheduled - FIRST) // MINUTE for row in rows]

    assert minutes(application_id=APPLICATION) == [3, 1, 0]
    assert minutes(job=JOB) == [3, 2, 0]
    assert minutes(application_id=APPLICATION, job=JOB) == [3, 0]
    assert minutes(since=run(1).scheduled, until=run(2).scheduled) == [2, 1]
    assert minutes(job='none') == []


def test_what_was_missed_since_then_is_part_of_the_history(ledger: Ledger) -> None:
    ledger.record(run(1), 'missed', at=0.0, until=run(9).scheduled, count=9)
    assert len(ledger.history(since=run(5).scheduled)) == 1
    assert ledger.history(since=run(10).scheduled) == []


def test_pruning_forgets_runs_but_not_what_is_known_of_the_job(ledger: Ledger) -> None:
    for minute in range(500):
        ledger.record(run(minute), 'ok' if minute == 7 else 'failed', at=run(minute).scheduled)
    ended(ledger, run(500), 'ok')
    granted(ledger, run(501))
    assert ledger.prune(run(400).scheduled) == 400
    assert len(ledger.history(limit=1000)) == 102
    assert ledger.prune(run(400).scheduled) == 0
    assert ledger.prune(time.time() + 1e9) == 101
    assert [row.state for row in ledger.history()] == ['running']
    assert ledger.last_runs(APPLICATION) == {JOB: run(501).scheduled}
    claim = granted(ledger, run(502), overlap='allow')
    assert claim.last_success == run(500).scheduled


# -- Runs asked for by hand

def test_a_run_that_is_asked_for_is_given_to_one_owner(ledger: Ledger) -> None:
    wanted = ledger.request_run(APPLICATION, JOB, FIRST + 0.7)
    assert wanted == run(0)
    assert ledger.take_requests(['org/bern'], FIRST) == []
    assert ledger.take_requests({APPLICATION, 'org/bern'}, FIRST) == [wanted]
    assert ledger.take_requests([APPLICATION], FIRST) == []


def test_a_run_that_is_asked_for_has_a_time_of_its_own(ledger: Ledger) -> None:
    ended(ledger, run(0), 'ok')
    seconds = [ledger.request_run(APPLICATION, JOB, FIRST).scheduled for _ in range(3)]
    assert seconds == [FIRST + 1, FIRST + 2, FIRST + 3]


def test_a_run_that_is_asked_for_stands_for_no_scheduled_time(ledger: Ledger) -> None:
    ended(ledger, run(0), 'ok')
    wanted = ledger.request_run(APPLICATION, JOB, FIRST + 90)
    ledger.take_requests([APPLICATION], FIRST + 90)
    ended(ledger, wanted, 'ok')
    assert row_of(ledger, wanted).requested
    assert not row_of(ledger, run(0)).requested
    assert ledger.last_runs(APPLICATION) == {JOB: run(0).scheduled}


def test_a_run_that_is_asked_for_is_not_paused_but_overlaps(ledger: Ledger) -> None:
    ledger.pause(None, JOB)
    wanted = [ledger.request_run(APPLICATION, JOB, FIRST) for _ in range(2)]
    granted(ledger, wanted[0])
    assert ledger.claim(wanted[1]).verdict == 'skipped_overlap'


def test_a_run_that_nobody_took_in_ten_minutes_is_forgotten(ledger: Ledger) -> None:
    ledger.request_run(APPLICATION, JOB, FIRST)
    assert ledger.take_requests([APPLICATION], FIRST + 601) == []
    assert ledger.take_requests([APPLICATION], FIRST) == []


# -- Processes

def test_a_claim_in_a_child_is_seen_by_its_parent(ledger: Ledger) -> None:
    granted(ledger, run(0), overlap='allow')
    process = multiprocessing.get_context('fork').Process(
        target=ended, args=(ledger, run(1), 'ok'), kwargs={'overlap': 'allow'})
    process.start()
    process.join(10)
    assert process.exitcode == 0
    assert state_of(ledger, run(1)) == 'ok'
    assert ledger.claim(run(0)).verdict == 'duplicate'
    granted(ledger, run(2), overlap='allow')


def test_a_ledger_is_used_again_after_it_was_closed(ledger: Ledger) -> None:
    claim = granted(ledger, run())
    ledger.close()
    ledger.close()
    ledger.finish(claim, 'ok', took=1.0)
    assert state_of(ledger, run()) == 'ok'
