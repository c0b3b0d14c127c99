"""What a PostgreSQL ledger does for several machines: who was deposed records
nothing, and what a promoted standby does not know is said again."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator

import postgres
import pytest
from processes import thread_names
from servers import wait_for

from cronsched.base import clock
from cronsched.ledger import Fleet, LedgerError, Missed, Run
from cronsched.ledger.postgres import PostgresLedger
from cronsched.ledger.postgres.connections import Source, disconnect, execute
from cronsched.ledger.postgres.session import Session

NOW = int(clock.now())
TOMORROW = 86_400


def run(after: int = 0) -> Run:
    return Run('org/zug', 'cleanup', NOW - 100 + after)


class Database:
    def __init__(self, url: str) -> None:
        self.url = url
        self._connection = Source(postgres.server().url(postgres.database_of(url))).connect(5.0)
        self.sql("DELETE FROM cronsched.state WHERE key IN ('timeline', 'quiet')")

    def sql(self, text: str) -> list[tuple[object, ...]]:
        return execute(self._connection, text)

    def promote(self, *, quiet: bool = False) -> None:
        """As another server, from whose clock it is seen a while ago."""
        self.sql("INSERT INTO cronsched.state VALUES ('timeline', '0') "
                 'ON CONFLICT (key) DO UPDATE SET value = excluded.value')
        if not quiet:
            self.sql('SELECT cronsched.quiet_v1()')
            self.end_quiet()

    def end_quiet(self) -> None:
        self.sql("UPDATE cronsched.state SET value = split_part(value, ' ', 1) || ' 0' "
                 "WHERE key = 'quiet'")

    def lose(self) -> None:
        """The commits of which the standby had not heard."""
        self.sql('DELETE FROM cronsched.runs; DELETE FROM cronsched.executions')

    def close(self) -> None:
        disconnect(self._connection)


@pytest.fixture
def database() -> Iterator[Database]:
    database = Database(postgres.server().clean_database())
    yield database
    database.close()


@pytest.fixture
def ledgers(database: Database) -> Iterator[tuple[PostgresLedger, PostgresLedger]]:
    both = PostgresLedger(database.url), PostgresLedger(database.url)
    yield both
    for ledger in both:
        ledger.close()


def notice(ledger: PostgresLedger, database: Database) -> None:
    database.promote()
    ledger._lineage = 0     # the server that it knew
    ledger.take_requests([])


def states(ledger: PostgresLedger) -> dict[int, str]:
    return {row.run.scheduled - NOW + 100: row.state for row in ledger.history()}


# -- the fence -----------------------------------------------------------------

def test_a_deposed_sender_records_nothing(ledgers, database) -> None:
    deposed, heir = ledgers
    seats = deposed.seats('a')
    seats.join()
    assert seats.take(['org/zug']) == {'org/zug': 1}
    assert deposed.record(run(), 'unreachable', at=NOW) is None
    database.sql(f'UPDATE cronsched.seats SET member = {heir._member()}, epoch = 2')
    deposed.record(run(60), 'unreachable', at=NOW)
    deposed.miss([Missed(run(70), run(80).scheduled, 10)], NOW)
    assert states(heir) == {0: 'unreachable'}
    assert heir.claim(run(60), timestamp=NOW, epoch=2).granted
    heir.record(run(90), 'unreachable', at=NOW)
    assert states(heir)[90] == 'unreachable'
    seats.close()


def test_nor_does_one_whose_seat_is_free(ledgers, database) -> None:
    ledger, _ = ledgers
    seats = ledger.seats('a')
    seats.join()
    seats.take(['org/zug'])
    seats.leave()
    ledger.record(run(), 'unreachable', at=NOW)
    assert states(ledger) == {}
    seats.close()


def test_whoever_executes_may_end_its_run_all_the_same(ledgers, database) -> None:
    """It runs where the request went, whoever sent it, and whoever was deposed since."""
    executing, _ = ledgers
    claim = executing.claim(run(), timestamp=NOW)
    database.sql("INSERT INTO cronsched.seats VALUES ('org/zug', 999, 5)")
    executing.finish(claim, 'ok', took=1.0)
    assert states(executing) == {0: 'ok'}


# -- after a failover ----------------------------------------------------------

def test_claims_that_were_lost_are_said_again(ledgers, database) -> None:
    ledger, other = ledgers
    ended, executing = ledger.claim(run(), timestamp=NOW), ledger.claim(
        run(10), timestamp=NOW, timeout=TOMORROW, overlap='allow')
    ledger.finish(ended, 'ok', took=0.2)
    ledger.take_requests(['org/zug'])     # it knows this server
    database.lose()
    notice(ledger, database)
    assert states(other) == {0: 'ok', 10: 'running'}
    assert not other.claim(run(), timestamp=NOW + 1).granted
    assert not other.claim(run(10), timestamp=NOW + 1, overlap='allow').granted
    ledger.finish(executing, 'failed', took=2.0, detail='so it was')
    assert [row.detail for row in other.history(limit=1)] == ['so it was']


def test_a_further_attempt_is_said_again_over_the_one_before(ledgers, database) -> None:
    ledger, other = ledgers
    first = ledger.claim(run(), timestamp=NOW, retries=2)
    ledger.finish(first, 'failed', took=0.1)
    ledger.take_requests([])
    rows = database.sql('SELECT attempt, next_attempt FROM cronsched.runs')
    second = ledger.claim(run(), attempt=2, timestamp=NOW, retries=2)
    assert second.granted
    database.sql(f"UPDATE cronsched.runs SET state = 'failed', attempt = {rows[0][0]}, "
                 f'next_attempt = {rows[0][1]}; DELETE FROM cronsched.executions')
    notice(ledger, database)
    row, = other.history()
    assert (row.state, row.attempt, row.attempts_left) == ('running', 2, 1)
    assert not other.claim(run(), attempt=2, timestamp=NOW + 1, retries=2).granted


def test_an_end_that_was_lost_is_said_again(ledgers, database) -> None:
    ledger, other = ledgers
    claim = ledger.claim(run(), timestamp=NOW)
    ledger.take_requests([])
    executions = database.sql('SELECT job_id, scheduled, attempt, member, thread, deadline, '
                              'retries, backoff FROM cronsched.executions')[0]
    ledger.finish(claim, 'ok', took=0.2)
    database.sql("UPDATE cronsched.runs SET state = 'running', ended = NULL")
    database.sql('INSERT INTO cronsched.executions VALUES ({}, {}, {}, {}, \'{}\', {}, {}, {})'
                 .format(*executions))
    notice(ledger, database)
    assert states(other) == {0: 'ok'}
    assert other.executing() == []


def test_what_was_granted_to_another_since_is_left_alone(ledgers, database) -> None:
    ledger, other = ledgers
    ledger.claim(run(), timestamp=NOW)
    ledger.take_requests([])
    database.lose()
    database.promote()
    assert other.claim(run(), timestamp=NOW).granted
    member = database.sql('SELECT member FROM cronsched.runs')
    notice(ledger, database)
    assert database.sql('SELECT member FROM cronsched.runs') == member


def test_what_was_not_lost_costs_a_look_and_no_lock(ledgers, database, monkeypatch) -> None:
    """Of ten minutes there are thousands, and the last seconds of them are lost."""
    monkeypatch.setattr('cronsched.ledger.postgres.again.PIECE', 2)
    ledger, other = ledgers
    for second in range(5):
        claim = ledger.claim(run(second), timestamp=NOW, overlap='allow')
        ledger.finish(claim, 'ok', took=0.1)
    lost = ledger.claim(Run('org/uri', 'cleanup', NOW - 100), timestamp=NOW)
    ledger.finish(lost, 'ok', took=0.1)
    database.sql("DELETE FROM cronsched.runs AS r USING cronsched.jobs AS j "
                 "WHERE j.id = r.job_id AND j.application_id = 'org/uri'")
    busy = Database(database.url)
    busy.sql("BEGIN; SELECT FROM cronsched.jobs WHERE application_id = 'org/zug' FOR UPDATE")
    impatient = Session(Source(database.url), 1.0)
    assert ledger._say_again(impatient) == 1
    impatient.close()
    busy.close()
    assert Counter(row.run.application_id for row in other.history()) == {
        'org/zug': 5, 'org/uri': 1}


def test_a_promoted_server_grants_nothing_before_all_have_spoken(ledgers, database) -> None:
    ledger, _ = ledgers
    ledger.claim(run(), timestamp=NOW)
    database.promote(quiet=True)
    with pytest.raises(LedgerError, match='another server than before'):
        ledger.claim(run(10), timestamp=NOW, overlap='allow')
    left, = database.sql('SELECT cronsched.quiet_v1()')[0]
    assert 1.0 < left <= 3.0
    database.end_quiet()
    assert ledger.claim(run(10), timestamp=NOW, overlap='allow').granted


def test_after_a_failover_the_numbers_go_on_above_those_that_were_lost(
    ledgers, database,
) -> None:
    ledger, other = ledgers
    before = ledger.claim(run(), timestamp=NOW, overlap='allow')
    ledger.take_requests([])
    database.lose()
    database.sql('UPDATE cronsched.jobs SET fence = 0')
    timeline, = database.sql('SELECT cronsched.timeline_v1()')[0]
    database.sql('ALTER FUNCTION cronsched.timeline_v1() RENAME TO real_timeline')
    database.sql('CREATE FUNCTION cronsched.timeline_v1() RETURNS bigint LANGUAGE sql AS '
                 f"'SELECT {timeline + 1}::bigint'; GRANT EXECUTE ON FUNCTION "
                 'cronsched.timeline_v1() TO PUBLIC')
    try:
        database.sql('SELECT cronsched.quiet_v1()')
        database.end_quiet()
        # It is asked before it had time to hear of the new server.
        assert ledger.is_current(before)
        assert other.claim(run(10), timestamp=NOW, overlap='allow').fence > before.fence
    finally:
        database.sql('DROP FUNCTION cronsched.timeline_v1(); '
                     'ALTER FUNCTION cronsched.real_timeline() RENAME TO timeline_v1')


def test_what_was_given_up_is_not_current(ledgers, database) -> None:
    ledger, other = ledgers
    claim = ledger.claim(run(), timestamp=NOW, retries=1)
    database.sql("UPDATE cronsched.members SET boot = 'of another time'")
    other.recover()
    assert states(other) == {0: 'lost'}
    assert not ledger.is_current(claim)
    anew = other.claim(run(), attempt=2, timestamp=NOW + 1, retries=1)
    assert anew.fence > claim.fence
    assert not ledger.is_current(claim)


def test_beats_may_take_another_way(ledgers, database) -> None:
    ledger, _ = ledgers
    seats = ledger.seats('a', f'{database.url}&application_name=beats')
    seats.join()
    assert seats.take(['org/zug']) == {'org/zug': 1}
    assert ledger._member() == seats.member
    ways = database.sql("SELECT application_name, count(*) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND usename = 'app' GROUP BY 1")
    assert dict(ways) == {'beats': 1, 'cronsched': 1}
    seats.close()


def test_what_happens_among_members_is_counted(ledgers, database) -> None:
    ledger, _ = ledgers
    seats = ledger.seats('a')
    seats.join(hold=1.0)
    seats.take(['org/zug', 'org/bern'])
    seats.beat()
    assert ledger.fleet() == Fleet()
    database.sql('UPDATE cronsched.members SET seen = seen - 1.5')
    seats.beat()
    seats.beat()
    seats.give(['org/bern'])
    ledger.claim(run(), timestamp=NOW)
    ledger.take_requests([])
    database.lose()
    notice(ledger, database)
    assert ledger.fleet() == Fleet(free=1, lapses=1, said_again=1)
    seats.close()


def test_a_machine_that_will_never_be_back_is_given_up(ledgers, database) -> None:
    ledger, other = ledgers
    seats = ledger.seats('a')
    seats.join()
    seats.take(['org/zug'])
    claim = ledger.claim(run(), timestamp=NOW, retries=1)
    other.claim(run(10), timestamp=NOW, overlap='allow')
    assert other.give_up([seats.member]) == [run()]
    assert states(other) == {0: 'lost', 10: 'running'}
    row = other.find(run())
    assert row.detail == 'its machine was given up by hand'
    assert other.fleet().free == 1
    assert not ledger.is_current(claim)
    assert other.claim(run(), attempt=2, timestamp=NOW + 1, retries=1, overlap='allow').granted
    assert not seats.beat().alive    # and begins anew
    seats.close()


def test_a_worker_that_only_executes_says_its_claims_again_too(ledgers, database) -> None:
    """Nobody asks it for anything: no scheduler, no further request."""
    worker, other = ledgers
    assert worker.claim(run(), timestamp=NOW, timeout=TOMORROW).granted
    database.promote()
    database.lose()
    worker._lineage = 0     # the server that it knew
    end = time.monotonic() + 20
    while not states(other) and time.monotonic() < end:
        time.sleep(0.05)
    assert states(other) == {0: 'running'}


# -- who there is --------------------------------------------------------------

def test_members_are_listed(ledgers, database) -> None:
    here, other = ledgers
    seats = here.seats('a')
    seats.join()
    seats.take(['org/zug', 'org/bern'])
    seats.beat(0.25)
    other._member()
    database.sql("UPDATE cronsched.seats SET epoch = 7 WHERE application_id = 'org/bern'")
    database.sql("INSERT INTO cronsched.members (machine, boot, namespace, pid, started, host, "
                 "since, seen, dead) VALUES ('far', 'b', 'n', 12, 1, 'web9', 1, 2, true)")
    gone, mine, third = here.members()
    assert (gone.host, gone.alive, gone.seats) == ('web9', False, 0)
    assert (mine.id, mine.alive, mine.seats, mine.epoch, mine.offset) == (
        seats.member, True, 2, 7, 0.25)
    assert mine.beat is not None
    assert (third.alive, third.beat, third.seats) == (True, None, 0)
    seats.close()


# -- a machine that nobody hears -----------------------------------------------

@pytest.mark.parametrize(('dead', 'silent', 'after', 'state'), [
    (True, 61, 60, 'lost'), (True, 50, 60, 'running'), (False, 500, 60, 'running'),
    (True, 61, 300, 'running'), (True, 10_000, 'NULL', 'running'),
])
def test_what_executes_on_a_lost_machine_is_lost_after_a_minute(
    ledgers, database, dead: bool, silent: int, after: int | str, state: str,
) -> None:
    """Without a conviction, it may be the database that was away."""
    ledger, _ = ledgers
    ledger.claim(run(), timestamp=NOW, timeout=TOMORROW)
    (far,), = database.sql(
        "INSERT INTO cronsched.members (machine, boot, namespace, pid, started, host, since, "
        "seen, dead, lost_after) VALUES ('far', 'other boot', 'n', 12, 1, 'web9', 1, "
        f'cronsched.now_v1(NULL) - {silent}, {dead}, {after}) RETURNING id')
    database.sql(f'UPDATE cronsched.executions SET member = {far}')
    ledger.recover()
    assert states(ledger) == {0: state}
    verdict = ledger.claim(run(30), timestamp=NOW, overlap='skip').verdict
    assert verdict == ('granted' if state == 'lost' else 'skipped_overlap')


def test_what_executes_in_a_lost_container_is_lost_though_its_machine_lives(
    ledgers, database,
) -> None:
    """Of another container of one's own machine no process can be looked for."""
    ledger, _ = ledgers
    seats = ledger.seats('a')
    seats.join()
    ledger.claim(run(), timestamp=NOW, timeout=TOMORROW)
    (gone,), = database.sql(
        "INSERT INTO cronsched.members (machine, boot, namespace, pid, started, host, since, "
        "seen, dead, lost_after) SELECT machine, boot, 'of a container', 12, 1, 'shop-1', 1, "
        'cronsched.now_v1(NULL) - 50, true, 60 FROM cronsched.members RETURNING id')
    database.sql(f'UPDATE cronsched.executions SET member = {gone}')
    ledger.recover()
    assert states(ledger) == {0: 'running'}
    database.sql(f'UPDATE cronsched.members SET seen = seen - 20 WHERE id = {gone}')
    ledger.recover()
    assert states(ledger) == {0: 'lost'}
    seats.close()


# -- forks ---------------------------------------------------------------------

def test_no_thread_of_the_ledger_is_there_during_a_fork(ledgers) -> None:
    ledger, _ = ledgers
    ledger.claim(run(), timestamp=NOW)      # the threads that watch run
    there = threads()
    assert {each.name for each in there} == {'cronsched-ledger', 'cronsched-claims'}
    pid = os.fork()
    if not pid:
        os._exit(0 if wait_for(is_alone) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert not any(each.is_alive() for each in there)
    ledger.claim(run(10), timestamp=NOW, overlap='allow')
    assert {each.name for each in threads()} == {'cronsched-ledger', 'cronsched-claims'}


def is_alone() -> bool:
    """But for the native thread of a test before, which begins again in a child
    and is soon named."""
    return len([each for each in thread_names() if each != 'cronsched']) == 1


def threads() -> set[threading.Thread]:
    """Those of a ledger; a server that a test before had in this process has others."""
    ours = ('cronsched-ledger', 'cronsched-claims')
    return {each for each in threading.enumerate() if each.name in ours}
