"""What a PostgreSQL ledger does when the database is in trouble, and what only
it does."""

from __future__ import annotations

import itertools
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import postgres
import psycopg
import pytest
from postgres_proxy import Proxy
from processes import run_python
from servers import wait_for

from cronsched.base import clock
from cronsched.ledger import Ledger, LedgerError, Run
from cronsched.ledger.postgres import PostgresLedger, watch
from cronsched.ledger.postgres.connections import Source, disconnect, execute
from cronsched.ledger.rules import Known, again

JOB = 'org/zug', 'cleanup'
FIRST = 1700000040


def run(minute: int = 0) -> Run:
    return Run(*JOB, FIRST + 60 * minute)


def state_of(ledger: Ledger, wanted: Run) -> str:
    row = ledger.find(wanted)
    assert row is not None
    return row.state


@pytest.fixture(scope='module')
def own_server() -> Iterator[postgres.Server]:
    """One to be stopped and broken."""
    postgres.server()   # skips where there is none
    made = postgres.Server()
    yield made
    made.close()


@pytest.fixture
def server(own_server: postgres.Server) -> postgres.Server:
    own_server.clean_database()
    return own_server


@pytest.fixture
def ledger(server: postgres.Server) -> Iterator[PostgresLedger]:
    made = PostgresLedger(server.clean_database(), patience=1.0)
    yield made
    made.close()


# -- An answer that is lost

@pytest.fixture
def proxy(server: postgres.Server) -> Iterator[Proxy]:
    with Proxy(server.socket) as proxy:
        yield proxy


@pytest.fixture
def far(server: postgres.Server, proxy: Proxy) -> Iterator[PostgresLedger]:
    """A ledger behind the proxy."""
    database = postgres.database_of(server.clean_database())
    url = server.url(database, postgres.APPLICATION, '127.0.0.1', proxy.port)
    made = PostgresLedger(url, patience=2.0)
    made.jobs()
    yield made
    made.close()


def test_a_claim_whose_answer_is_lost_after_its_commit_executes_once(
    far: PostgresLedger, proxy: Proxy, ledger: PostgresLedger,
) -> None:
    for minute in range(200):
        proxy.lose(1, only_with=b'claim_v1')
        claim = far.claim(run(minute), overlap='allow')
        assert claim.granted
        far.finish(claim, 'ok', took=0.1)
    assert proxy.lost == 200
    rows = ledger.history(limit=1000)
    assert [row.state for row in rows] == ['ok'] * 200
    assert sum(total.count for total in ledger.totals()) == 200


def test_a_claim_that_is_given_up_is_made_again_by_whoever_asks_next(
    far: PostgresLedger, proxy: Proxy, ledger: PostgresLedger,
) -> None:
    proxy.lose(10**6, only_with=b'claim_v1')
    with pytest.raises(LedgerError, match='does not answer'):
        far.claim(run(), retries=0)
    assert state_of(ledger, run()) == 'running'
    assert ledger.claim(run()).verdict == 'duplicate'
    proxy.lose(0)
    far.take_requests([])       # the next use that works
    assert state_of(ledger, run()) == 'queued'
    assert [due.run for due in ledger.attempts_due([JOB[0]])] == [run()]
    claim = ledger.claim(run())
    assert (claim.verdict, claim.attempt) == ('granted', 1)
    ledger.finish(claim, 'ok', took=0.1)
    assert state_of(ledger, run()) == 'ok'
    assert [total.count for total in ledger.totals()] == [1]


def test_a_claim_that_arrives_after_it_was_given_up_is_refused(
    ledger: PostgresLedger, server: postgres.Server,
) -> None:
    """A server that stood still goes on with what it had received."""
    token = 77
    lost = (*JOB, FIRST, token)
    ledger._session.ask('SELECT cronsched.void_v1(%s, %s, %s, %s)', lost)
    member = ledger._session.member()
    late = ledger._session.ask(
        'SELECT verdict FROM cronsched.claim_v1(ROW(%s, %s, %s, 1, NULL, 0, 0, 1.0, %s, 60.0, %s, '
        "%s, 'thread', 'host', 1, NULL)::cronsched.wish_v1)",
        (*JOB, FIRST, 'skip', token, member))
    assert late == [('duplicate',)]
    assert ledger.claim(run()).granted


def test_each_thing_that_is_said_twice_counts_once(
    far: PostgresLedger, proxy: Proxy, ledger: PostgresLedger,
) -> None:
    claim = far.claim(run())
    proxy.lose(1)
    far.finish(claim, 'ok', took=0.1)
    proxy.lose(1)
    far.record(run(1), 'unreachable', at=1.0)
    proxy.lose(1)
    wanted = far.request_run(*JOB, FIRST + 3600)
    assert wanted == run(60)
    proxy.lose(1, only_with=b'take_requests_v1')
    assert far.take_requests([JOB[0]], FIRST + 3600) == [wanted]
    assert far.take_requests([JOB[0]], FIRST + 3600) == []
    assert proxy.lost == 4
    assert [(total.outcome, total.count) for total in ledger.totals()] == [
        ('ok', 1), ('unreachable', 1)]


# -- A database that is away

def test_a_server_that_stands_still_is_not_waited_for_for_ever(
    ledger: PostgresLedger, server: postgres.Server,
) -> None:
    claim = ledger.claim(run(0), overlap='allow')
    server.freeze()
    try:
        began = time.monotonic()
        with pytest.raises(LedgerError, match='does not answer'):
            ledger.claim(run(1), overlap='allow')
        assert time.monotonic() - began < 20.0
        ledger.finish(claim, 'ok', took=1.0)
    finally:
        server.thaw()
    assert ledger.claim(run(2), overlap='allow').granted
    assert state_of(ledger, run(0)) == 'ok'
    assert ledger.claim(run(1), overlap='allow').granted     # which the server had received


def test_nothing_is_lost_with_a_server_that_crashes(
    ledger: PostgresLedger, server: postgres.Server, caplog: pytest.LogCaptureFixture,
) -> None:
    claims = [ledger.claim(run(minute), overlap='allow') for minute in range(3)]
    ledger.finish(claims[0], 'ok', took=1.0)
    server.stop(signal.SIGQUIT)
    with pytest.raises(LedgerError, match='does not answer'):
        ledger.claim(run(3), overlap='allow')
    with caplog.at_level(logging.ERROR):
        ledger.finish(claims[1], 'ok', took=1.0)
    assert 'kept in memory' in caplog.text
    server.start()
    assert ledger.claim(run(3), overlap='allow').granted
    assert [row.state for row in ledger.history(oldest_first=True)] == [
        'ok', 'ok', 'running', 'running']


def test_while_the_server_is_away_one_waits_and_the_others_are_told(
    ledger: PostgresLedger, server: postgres.Server,
) -> None:
    server.stop(signal.SIGQUIT)
    patient = PostgresLedger(server.clean_url, patience=1.5)
    took = []
    for _ in range(20):
        began = time.monotonic()
        with pytest.raises(LedgerError, match='does not answer'):
            patient.record(run(), 'missed', at=1.0)
        took.append(time.monotonic() - began)
    server.start()
    assert took[0] > 1.0
    assert sum(took[1:]) < 10.0
    patient.record(run(), 'missed', at=1.0)
    patient.close()


def test_a_server_that_comes_back_in_time_is_waited_for(
    server: postgres.Server,
) -> None:
    patient = PostgresLedger(server.clean_database(), patience=20.0)
    assert patient.claim(run(0), overlap='allow').granted
    server.stop(signal.SIGQUIT)
    verdicts: list[str] = []
    waiting = threading.Thread(
        target=lambda: verdicts.append(patient.claim(run(1), overlap='allow').verdict))
    waiting.start()
    time.sleep(0.2)
    server.start()
    waiting.join()
    assert verdicts == ['granted']
    patient.close()


def test_a_server_that_became_a_standby_is_down(
    ledger: PostgresLedger, server: postgres.Server,
) -> None:
    claim = ledger.claim(run(0), overlap='allow')
    server.sql('ALTER SYSTEM SET default_transaction_read_only = on')
    server.reload()
    try:
        with pytest.raises(LedgerError, match=r'is read-only.*target_session_attrs=read-write'):
            ledger.claim(run(1), overlap='allow')
        ledger.finish(claim, 'ok', took=1.0)
        assert state_of(ledger, run(0)) == 'running'
    finally:
        server.sql('ALTER SYSTEM RESET default_transaction_read_only')
        server.reload()
    assert ledger.claim(run(1), overlap='allow').granted
    assert state_of(ledger, run(0)) == 'ok'


def test_a_connection_that_the_server_ended_is_made_anew(
    ledger: PostgresLedger, server: postgres.Server,
) -> None:
    for minute in range(3):
        assert ledger.claim(run(minute), overlap='allow').granted
        server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                   "WHERE application_name = 'cronsched' AND pid <> pg_backend_pid()")
    assert len(ledger.history()) == 3


def test_a_connection_that_nobody_uses_is_given_back(
    server: postgres.Server, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch, 'IDLE_TURNS', 3)
    ledger = PostgresLedger(server.clean_database())
    assert ledger.claim(run(0), overlap='allow').granted
    ours = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'"
    end = time.monotonic() + 30
    while server.sql(ours) != [(0,)]:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert ledger.claim(run(1), overlap='allow').granted
    ledger.close()


# -- What is not waited for any longer

def left_behind(server: postgres.Server) -> list[tuple[object, ...]]:
    """What connections of ledgers still wait for in the server."""
    return server.sql("SELECT wait_event FROM pg_stat_activity WHERE usename = 'app' "
                      "AND state = 'active'")


@pytest.fixture
def cancels() -> None:
    if not psycopg.capabilities.has_cancel_safe():
        pytest.skip('needs psycopg 3.2 with libpq 17, which cancels within a time')


@pytest.mark.usefixtures('cancels')
def test_a_standby_that_is_gone_takes_no_connections(
    ledger: PostgresLedger, server: postgres.Server,
) -> None:
    """Nothing is granted that it has not, and each claim that waits in vain
    gives its connection back: the application needs them when it is there again."""
    assert ledger.claim(run(0), overlap='allow').granted
    server.sql("ALTER SYSTEM SET synchronous_standby_names = 'gone'")
    server.reload()
    try:
        for minute in range(1, 4):
            with pytest.raises(LedgerError, match='does not answer in time: look at its standby'):
                ledger.claim(run(minute), overlap='allow')
        wait_for(lambda: left_behind(server) == [])
    finally:
        server.sql('ALTER SYSTEM RESET synchronous_standby_names')
        server.reload()
    assert ledger.claim(run(4), overlap='allow').granted
    # The first was committed and not granted; those after it were not asked for.
    assert [(row.run, row.state) for row in ledger.history()] == [
        (run(4), 'running'), (run(1), 'queued'), (run(0), 'running')]
    assert ledger.claim(run(1), overlap='allow').granted


@pytest.mark.usefixtures('cancels')
def test_a_lock_that_somebody_holds_takes_one_connection_at_a_time(
    ledger: PostgresLedger, server: postgres.Server,
) -> None:
    assert ledger.claim(run(0), overlap='allow').granted
    connection = Source(server.url(postgres.database_of(server.clean_url))).connect(5.0)
    try:
        execute(connection, 'BEGIN')
        execute(connection, 'SELECT FROM cronsched.jobs FOR UPDATE')
        for minute in range(1, 4):
            with pytest.raises(LedgerError, match='who holds locks'):
                ledger.claim(run(minute), overlap='allow')
        wait_for(lambda: left_behind(server) == [])
    finally:
        disconnect(connection)
    assert ledger.claim(run(4), overlap='allow').granted


# -- Whose clock

def test_a_run_that_is_far_ahead_of_the_database_is_not_claimed(ledger: PostgresLedger) -> None:
    tomorrow = Run(*JOB, int(time.time()) + 86_400)
    with clock.in_place(lambda: time.time() + 86_400):
        with pytest.raises(LedgerError, match='ahead of the clock of the database'):
            ledger.claim(tomorrow)
        assert ledger.find(tomorrow) is None
        claim = ledger.claim(run())
    row = ledger.find(run())
    assert claim.granted
    assert row is not None
    assert abs((row.started or 0) - time.time()) < 60


def test_a_sender_whose_clock_is_seconds_ahead_is_believed(ledger: PostgresLedger) -> None:
    ledger.record(run(), 'unreachable', at=time.time() + 6, retry_at=time.time() + 7,
                  attempts_left=1)
    assert ledger.claim(run()).verdict == 'duplicate'
    row = ledger.find(run())
    assert row is not None
    assert (row.ended or 0) <= time.time()
    assert 0.5 < (row.next_attempt or 0) - (row.ended or 0) < 1.5


# -- Who lives

def member_like(ledger: PostgresLedger, **changed: object) -> int:
    """A process like this one, but for what is changed."""
    mine = ledger._session.member()
    columns = 'machine', 'boot', 'namespace', 'pid', 'started', 'host'
    row = dict(zip(columns, ledger._session.ask(
        f'SELECT {", ".join(columns)} FROM cronsched.members WHERE id = %s', (mine,))[0],
        strict=True))
    values = [{**row, **changed}[name] for name in columns]
    return ledger._session.ask(
        'SELECT cronsched.register_v1(%s, %s, %s, %s, %s, %s)', values)[0][0]


@pytest.mark.parametrize(('changed', 'overdue', 'state'), [
    ({'machine': 'another', 'boot': 'another'}, False, 'running'),     # nobody knows
    ({'machine': 'another', 'boot': 'another'}, True, 'lost'),
    ({'boot': 'earlier'}, False, 'lost'),                              # it was started anew
    ({'namespace': 'pid:[1]'}, False, 'running'),                      # a container beside
    ({'pid': 2**22 + 7}, False, 'lost'),                               # no such process here
    ({'pid': os.getpid()}, True, 'running'),                           # late, and it lives
])
def test_of_another_machine_a_run_executes_until_its_deadline(
    ledger: PostgresLedger, server: postgres.Server, changed: dict[str, object], overdue: bool,
    state: str,
) -> None:
    assert ledger.claim(run()).granted
    other = member_like(ledger, **changed)
    server.sql(f'UPDATE cronsched.executions SET member = {other}',
               postgres.database_of(server.clean_url))
    now = time.time() + (3700 if overdue else 0)
    ledger.recover(now)
    assert state_of(ledger, run()) == state
    verdict = ledger.claim(run(1)).verdict
    assert verdict == ('granted' if state == 'lost' else 'skipped_overlap')


def test_a_claim_that_cannot_be_judged_is_sent_again(
    ledger: PostgresLedger, server: postgres.Server, monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert ledger.claim(run()).granted
    server.sql(f'UPDATE cronsched.executions SET member = {member_like(ledger)}',
               postgres.database_of(server.clean_url))
    monkeypatch.setattr('cronsched.ledger.postgres.ledger.looked_at', lambda *_: None)
    with pytest.raises(LedgerError, match='come and go while they are looked for'):
        ledger.claim(run(1))
    assert ledger.find(run(1)) is None
    monkeypatch.undo()
    assert ledger.claim(run(1)).verdict == 'skipped_overlap'


def test_an_application_is_reached_where_this_machine_reached_it(
    ledger: PostgresLedger,
) -> None:
    ledger.seen('a', 'http://127.0.0.1:8000', [], 1.0)
    told = '[{"id": "a", "base_url": "http://127.0.0.1:9000", "at": 2.0, "jobs": null}]'
    beside = member_like(ledger)
    for member, address in ((member_like(ledger, machine='another'), 8000), (beside, 9000)):
        ledger._session.ask('SELECT cronsched.see_v1(%s::jsonb, %s)', (told, member))
        application, = ledger.applications()
        assert application.base_url == f'http://127.0.0.1:{address}'
    ledger._session.ask(
        'SELECT cronsched.forget_members_v1(%s, %s::jsonb, %s)',
        (ledger._session.member(), f'{{"{beside}": "dead"}}', time.time() + 60))
    application, = ledger.applications()
    assert application.base_url == 'http://127.0.0.1:8000'


# -- The rules

def test_the_database_has_the_rules_of_python(ledger: PostgresLedger) -> None:
    stamps: list[tuple[int, int] | None] = [None, (0, 5), (1, 4)]
    cases = list(itertools.product(
        ('ok', 'failed', 'lost', 'running'), (1, 2), stamps, (False, True), (1, 2, 3), stamps,
        (0, 1, 2)))
    asked = [
        (state, known, stamp and stamp[1], stamp[0] if stamp else 0, executing, attempt,
         new and new[1], new[0] if new else 0, retries)
        for state, known, stamp, executing, attempt, new, retries in cases]
    rows = ledger._session.ask(
        'SELECT a.verdict, a.attempt FROM unnest(%s::text[], %s::int[], %s::bigint[], '
        '%s::bigint[], %s::boolean[], %s::int[], %s::bigint[], %s::bigint[], %s::int[]) '
        'WITH ORDINALITY AS c (state, known, ks, ke, executing, attempt, stamp, epoch, retries, n)'
        ', cronsched.again_v1(state, known, ks, ke, executing, c.attempt, stamp, epoch, retries) '
        'AS a ORDER BY n', [list(column) for column in zip(*asked, strict=True)])
    assert rows == [
        again(Known(state, known, stamp, executing), attempt=attempt, stamp=new, retries=retries)
        for state, known, stamp, executing, attempt, new, retries in cases]


# -- The role of the application

def test_the_application_writes_by_the_functions_alone(server: postgres.Server) -> None:
    connection = Source(server.clean_database()).connect(5.0)
    for statement in ("INSERT INTO cronsched.state VALUES ('a', 'b')",
                      'DELETE FROM cronsched.runs', 'DROP SCHEMA cronsched CASCADE',
                      'CREATE TABLE cronsched.a (b int)'):
        with pytest.raises(Exception, match=r'permission denied|must be owner'):
            execute(connection, statement)
    disconnect(connection)


def test_claims_and_ends_wait_for_the_disk_whatever_the_role_says(
    server: postgres.Server,
) -> None:
    connection = Source(server.clean_database()).connect(5.0)
    writes = (
        "SELECT cronsched.claim_v1('(a,b,60,1,,0,0,1.0,skip,60.0,5,1,t,h,1,)')",
        "SELECT cronsched.finish_v1('a', 'b', 60, 1, 'ok', 0.1, NULL)",
        "SELECT cronsched.record_v1('a', 'b', 60, 'ok', 1.0, 1, NULL, 1, NULL, NULL, NULL, 0, 1)",
        "SELECT cronsched.take_requests_v1('{a}', 5)", "SELECT cronsched.void_v1('a', 'b', 60, 5)")
    for write in writes:
        execute(connection, 'BEGIN')
        assert execute(connection, 'SHOW synchronous_commit') == [('off',)]
        execute(connection, write)
        assert execute(connection, 'SHOW synchronous_commit') == [('on',)]
        execute(connection, 'ROLLBACK')
    disconnect(connection)


def test_what_a_full_disk_refuses_is_asked_again(
    server: postgres.Server, ledger: PostgresLedger, caplog: pytest.LogCaptureFixture,
) -> None:
    database = postgres.database_of(server.clean_url)
    claim = ledger.claim(run())
    server.sql("""
        CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE 'no space left on device' USING ERRCODE = 'disk_full'; END $$;
        CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON cronsched.runs
            FOR EACH ROW EXECUTE FUNCTION full_disk()""", database)
    with pytest.raises(LedgerError, match='the disk is full: make room') as refused:
        ledger.claim(run(1))
    assert refused.value.passing    # its sender tries again
    ledger.finish(claim, 'ok', took=0.1)
    assert 'kept in memory' in caplog.text
    server.sql('DROP FUNCTION full_disk CASCADE', database)
    assert ledger.claim(run(1), overlap='allow').granted
    assert state_of(ledger, run()) == 'ok'


def test_a_role_without_rights_is_told_what_it_needs(server: postgres.Server) -> None:
    server.sql('CREATE ROLE stranger LOGIN')
    database = postgres.database_of(server.clean_database())
    stranger = PostgresLedger(server.url(database, 'stranger'), patience=1.0)
    with pytest.raises(LedgerError, match='cronsched ledger migrate URL --role NAME'):
        stranger.jobs()
    server.sql('DROP ROLE stranger')


def test_who_is_refused_is_told_why(server: postgres.Server) -> None:
    nowhere = PostgresLedger(server.url('no_such_database'), patience=0.3)
    with pytest.raises(LedgerError, match=r'refuses the connection.*no_such_database'):
        nowhere.jobs()


@pytest.mark.parametrize('text', ['a\0b', '\ud800'])
def test_a_text_that_the_database_cannot_keep_is_an_error(
    ledger: PostgresLedger, text: str,
) -> None:
    with pytest.raises(LedgerError, match='cannot keep such a text'):
        ledger.claim(Run('a', text, FIRST))
    claim = ledger.claim(Run('a', 'b', FIRST))
    assert claim.granted
    ledger.finish(claim, 'failed', took=0.1, detail=f'ValueError: {text}')
    assert state_of(ledger, claim.run) == 'failed'


# -- Processes

def test_a_child_leaves_the_connection_of_its_parent_alone(
    ledger: PostgresLedger, tmp_path: Path,
) -> None:
    before = ledger._session.ask('SELECT pg_backend_pid()')
    pid = os.fork()
    if pid == 0:
        try:
            answer = ledger._session.ask('SELECT pg_backend_pid()')
            (tmp_path / 'answer').write_text(str(answer != before))
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert (tmp_path / 'answer').read_text() == 'True'
    assert ledger._session.ask('SELECT pg_backend_pid()') == before


def test_a_process_that_ends_leaves_no_connection_behind(ledger: PostgresLedger) -> None:
    run_python(f'''
        from cronsched.ledger import open_ledger
        open_ledger({str(postgres.server().clean_url)!r}).jobs()
    ''')    # a driver warns of a connection that nobody closed


def test_a_ledger_that_is_only_looked_at_writes_nothing(
    ledger: PostgresLedger, server: postgres.Server,
) -> None:
    assert ledger.claim(run()).granted
    looking = PostgresLedger(server.clean_url, looking=True)
    assert state_of(looking, run()) == 'running'
    assert looking.owners() == {}
    for write in (lambda: looking.claim(run(1)), lambda: looking.pause(None, 'a'),
                  lambda: looking.recover(), lambda: looking.prune(0.0)):
        with pytest.raises(LedgerError, match='only looked at'):
            write()
    members = 'SELECT count(*) FROM cronsched.members'
    assert ledger._session.ask(members) == [(1,)]
    looking.close()
