"""Beats of the native thread over connections of each driver, to a real server;
and what becomes of them when something comes between."""

from __future__ import annotations

import ctypes
import importlib
import itertools
import os
import select
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import postgres
import pytest
from processes import command, run_python, thread_names
from servers import wait_for

from cronsched._cronsched import Heartbeat, Scheduler, SchedulerError
from cronsched.ledger import LedgerError
from cronsched.ledger.postgres import PostgresLedger, heartbeat
from cronsched.ledger.postgres.connections import Source, disconnect, execute
from cronsched.ledger.postgres.members import BEAT_OF_PYTHON, PostgresSeats
from cronsched.ledger.seats import Beat
from cronsched.scheduler.members import Beating
from cronsched.scheduler.pace import Pace

DRIVERS = ('psycopg', 'psycopg2')


def heart_of(native: Scheduler, **times: float) -> Heartbeat:
    defaults = {'period': 0.05, 'hold': 3.0, 'patience': 5.0, 'silence': 30.0}
    return Heartbeat(native, native.granter(), **defaults | times)


class Place:
    """A member, with what belongs to it."""

    def __init__(self, source: Any, **times: float) -> None:
        self.ledger = PostgresLedger(source)
        self.native = Scheduler()
        self.heart = heart_of(self.native, **times)
        self.seats = self.ledger.seats('a')
        self.seats.join(heart=self.heart)

    def beat(self, lineage: int | None = None) -> Beat:
        answer = self.seats.beat(lineage=lineage)
        assert answer is not None
        return answer

    def beat_on(self) -> None:
        while True:
            self.beat()

    def close(self) -> None:
        self.seats.close()
        self.ledger.close()


_numbers = itertools.count()


class Database:
    def __init__(self) -> None:
        clean = postgres.server().clean_database()
        self._name = f'beats-{next(_numbers)}'     # to be told from those of other tests
        self.url = f'{clean}&application_name={self._name}'
        self._connection = Source(
            postgres.server().url(postgres.database_of(clean))).connect(5.0)

    def sql(self, text: str) -> list[tuple[Any, ...]]:
        return execute(self._connection, text)

    def connections(self) -> list[tuple[int, str]]:
        return self.sql("SELECT pid, query FROM pg_stat_activity "
                        f"WHERE application_name = '{self._name}'")

    def beats_of(self, seats: PostgresSeats) -> int:
        return int(self.sql(f'SELECT beat FROM cronsched.members WHERE id = {seats.member}')[0][0])

    def close(self) -> None:
        disconnect(self._connection)


@pytest.fixture
def database() -> Iterator[Database]:
    database = Database()
    yield database
    database.close()


@pytest.fixture
def place(database: Database) -> Iterator[Place]:
    place = Place(database.url)
    yield place
    place.close()


def by(driver: str, url: str) -> Callable[[], Any]:
    if driver == 'psycopg2':
        pytest.importorskip('psycopg2')
    return lambda: importlib.import_module(driver).connect(url)


@pytest.mark.parametrize('driver', DRIVERS)
def test_each_driver_lends_its_connection(driver: str, database: Database) -> None:
    place = Place(by(driver, database.url))
    began = place.native.monotonic()
    answers = [place.beat() for _ in range(3)]
    assert all(answer.alive and answer.timing is not None for answer in answers)
    timings = [answer.timing for answer in answers if answer.timing is not None]
    assert began <= timings[0].began <= timings[0].ended <= timings[1].began
    assert answers[0].places == ('a',)
    assert answers[0].history == answers[1].history != ''
    assert abs(timings[0].sent - answers[0].now) < 1.0
    assert database.beats_of(place.seats) >= 3
    place.close()


def test_what_is_to_be_said_now_is_said_with_the_next_beat(
    place: Place, database: Database,
) -> None:
    place.beat()
    place.seats.beat(0.25)
    wait_for(lambda: database.sql('SELECT clock_offset FROM cronsched.members '
                                  f'WHERE id = {place.seats.member}') == [(0.25,)])


def test_so_does_psycopg_without_its_own_libpq(database: Database) -> None:
    if not _has_libpq():
        pytest.skip('no libpq is installed but those in wheels')
    assert run_python(
        "import os; os.environ['PSYCOPG_IMPL'] = 'python'",
        f"""
        import psycopg.pq
        assert psycopg.pq.__impl__ == 'python'
        from cronsched._cronsched import Heartbeat, Scheduler
        from cronsched.ledger.postgres import PostgresLedger
        native = Scheduler()
        seats = PostgresLedger({database.url!r}).seats('a')
        seats.join(heart=Heartbeat(
            native, native.granter(), period=0.05, hold=3.0, patience=5.0, silence=30.0))
        print(seats.beat().timing is not None, seats.beat().alive)
        seats.close()
        """) == 'True True\n'


def _has_libpq() -> bool:
    with suppress(ImportError):
        return bool(importlib.import_module('psycopg.pq.misc').find_libpq_full_path())
    return False


def test_who_has_the_gil_holds_up_no_beat(database: Database) -> None:
    """One call of C for seconds; no thread of Python runs."""
    process = subprocess.Popen(command(f"""
        import itertools, time
        from cronsched._cronsched import Heartbeat, Scheduler
        from cronsched.ledger.postgres import PostgresLedger
        native = Scheduler()
        seats = PostgresLedger({database.url!r}).seats('a')
        seats.join(heart=Heartbeat(
            native, native.granter(), period=0.1, hold=3.0, patience=5.0, silence=30.0))
        assert seats.beat().alive
        print(seats.member, flush=True)
        input()
        began, count = time.monotonic(), 1_000_000
        while time.monotonic() - began < 2.0:
            count *= 2
            last = time.monotonic()
            sum(itertools.repeat(1, count))
        print(time.monotonic() - last, flush=True)
        input()
        seats.close()
        """), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    assert process.stdout
    member = int(process.stdout.readline())
    seen = {0}
    process.stdin.write('\n')
    process.stdin.flush()
    while not _is_readable(process.stdout):
        seen.add(database.sql(f'SELECT beat FROM cronsched.members WHERE id = {member}')[0][0])
    held = float(process.stdout.readline())
    process.communicate('\n', timeout=60)
    # Of the last call alone, which took more than half of it all, half of the
    # beats: a machine under load may be slow.
    assert held > 0.5
    assert len(seen) > held / 0.1 / 2


def _is_readable(stream: Any) -> bool:
    return bool(select.select([stream], [], [], 0.01)[0])


@pytest.mark.skipif(sys.version_info >= (3, 15), reason='no gevent yet')
def test_no_greenlet_is_kept_waiting(database: Database) -> None:
    owner = postgres.server().url(postgres.database_of(database.url))
    assert run_python('import gevent.monkey; gevent.monkey.patch_all()', f"""
        import gevent, psycopg
        from cronsched._cronsched import Heartbeat, Scheduler
        from cronsched.ledger.postgres import PostgresLedger
        native = Scheduler()
        seats = PostgresLedger({database.url!r}).seats('a')
        seats.join(heart=Heartbeat(
            native, native.granter(), period=0.05, hold=3.0, patience=30.0, silence=30.0))
        with psycopg.connect({owner!r}) as other:
            other.execute('SELECT FROM cronsched.members FOR UPDATE')
            print(seats.beat())     # whatever is waited for, others go on
        while (answer := seats.beat()) is None:
            gevent.sleep(0.01)
        print(answer.alive, answer.timing is not None)
        seats.close()
        """) == 'None\nTrue True\n'


def test_a_connection_that_is_lost_is_made_anew(place: Place, database: Database) -> None:
    assert place.beat().alive
    member = place.seats.member
    for pid, _ in database.connections():
        database.sql(f'SELECT pg_terminate_backend({pid})')
    with pytest.raises(LedgerError, match=r'the ledger .*terminat'):
        place.beat_on()
    again = place.beat()
    assert again.alive
    assert again.timing is not None
    assert place.seats.member == member


def test_a_server_that_does_not_answer_is_given_up(database: Database) -> None:
    place = Place(database.url, patience=0.3)
    assert place.beat().alive
    database.sql('BEGIN')
    database.sql(f'SELECT FROM cronsched.members WHERE id = {place.seats.member} FOR UPDATE')
    with pytest.raises(LedgerError, match=r'the ledger .*: the server does not answer'):
        place.beat_on()
    database.sql('ROLLBACK')
    assert place.beat().alive
    place.close()


def test_who_was_deposed_begins_anew(place: Place, database: Database) -> None:
    assert place.beat().alive
    member = place.seats.member
    database.sql(f'UPDATE cronsched.members SET dead = true WHERE id = {member}')
    answer = place.beat()
    while answer.alive:
        answer = place.beat()
    database.sql('SELECT pg_sleep(0.3)')    # it beats no more: it was told once
    assert database.sql("SELECT count FROM cronsched.counters WHERE name = 'deposed'") == [(1,)]
    place.seats.join(heart=place.heart)
    assert place.seats.member != member
    assert place.beat().timing is not None


def test_nothing_is_good_while_it_is_quiet_or_in_another_lineage(database: Database) -> None:
    seats = PostgresLedger(database.url).seats('a')
    seats.join()
    lineage = seats.beat().lineage

    def good(known: object) -> object:
        member = str(seats.member)
        return database.sql(f"SELECT * FROM ({_bound(BEAT_OF_PYTHON, str(known), member)}) AS b "
                            '(good, said)')[0][0]

    assert [good(''), good(lineage), good(lineage + 1)] == [True, True, False]
    database.sql("UPDATE cronsched.state SET value = '0' WHERE key = 'timeline'")
    assert good(lineage) is False
    database.sql(f'UPDATE cronsched.members SET dead = true WHERE id = {seats.member}')
    assert good(lineage) is None
    seats.close()


def _bound(statement: str, lineage: str, member: str) -> str:
    return statement % (f"'{lineage}'", member, "''")


@pytest.mark.parametrize('native', [True, False])
def test_names_arrive_whatever_the_connection_makes_of_them(
    native: bool, database: Database,
) -> None:
    place = Place(lambda: _latin(database.url))
    if not native:
        place.seats.join()
    ids = ['org/zürich', 'org/genève']
    assert place.seats.take(ids).keys() == set(ids)
    database.sql('UPDATE cronsched.seats SET wanted_by = 99')
    answer = place.beat()
    assert (answer.timing is not None) == native
    assert sorted(answer.wanted) == sorted(ids)
    place.close()


def _latin(url: str) -> Any:
    return importlib.import_module('psycopg').connect(url, client_encoding='LATIN1')


def test_the_rest_has_a_connection_for_a_moment_only(place: Place, database: Database) -> None:
    place.beat()
    assert len(database.connections()) == 2     # that of the claims, and that of the beats
    assert place.seats.take(['org/zug'])
    assert len(database.connections()) == 3
    place.beat()
    wait_for(lambda: len(database.connections()) == 2)
    place.seats.leave()
    place.seats.close()
    wait_for(lambda: len(database.connections()) == 1)


def test_a_driver_that_lends_nothing_beats_in_python(
    place: Place, database: Database, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(heartbeat, '_lent', lambda connection: (connection.nothing, ''))
    assert [place.beat().timing for _ in range(2)] == [None, None]
    beats = database.beats_of(place.seats)
    assert beats == 2
    place.seats.join(heart=place.heart)
    monkeypatch.setattr(heartbeat, '_lent', lambda connection: (1, '/nowhere.so'))
    assert place.beat().timing is None
    wait_for(lambda: len(database.connections()) == 2)      # what was not lent is closed


@pytest.mark.parametrize('driver', DRIVERS)
def test_a_connection_that_somebody_keeps_beats_in_python(
    driver: str, database: Database,
) -> None:
    """A pool closes it one day, whoever has it: the native thread would not know."""
    kept: list[Any] = []

    def connect() -> Any:
        kept.append(by(driver, database.url)())
        return kept[-1]

    place = Place(connect)
    assert [place.beat().timing for _ in range(2)] == [None, None]
    for connection in list(kept):
        connection.close()
    assert place.beat().alive       # the driver says so, and another is made
    place.close()


def test_a_fork_leaves_the_connection_to_its_parent(place: Place, database: Database) -> None:
    place.beat()
    before = sorted(pid for pid, _ in database.connections())
    place.heart.pause()
    assert place.seats.beat() is None   # at once
    child = os.fork()
    if child == 0:
        # Nothing of it is told the server, and it can beat for itself.
        status = 1
        with suppress(BaseException):
            place.seats.close()
            place.heart.stop()
            native = Scheduler()
            place.seats.join(heart=heart_of(native))
            status = 0 if place.seats.beat() is not None else 2
            place.seats.leave()
        os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    place.heart.resume()
    assert [place.beat().alive for _ in range(3)] == [True] * 3
    wait_for(lambda: sorted(pid for pid, _ in database.connections()) == before)


@pytest.mark.skipif(sys.platform != 'linux', reason='without the hooks, the GIL is kept')
def test_a_fork_below_python_leaves_it_as_well(place: Place, database: Database) -> None:
    """No hook runs, as in uWSGI."""
    place.beat()
    before = sorted(pid for pid, _ in database.connections())
    child = ctypes.PyDLL(None).fork()
    if child == 0:
        with suppress(BaseException):
            place.seats.close()
        os._exit(0)
    os.waitpid(child, 0)
    assert [place.beat().alive for _ in range(3)] == [True] * 3
    assert sorted(pid for pid, _ in database.connections()) == before


def test_no_thread_beats_between_pause_and_start(database: Database) -> None:
    ledger, native = PostgresLedger(database.url), Scheduler()
    seats = ledger.seats('a')
    threads = thread_names()
    beating = Beating(native, seats, 'a', Pace(takeover=2.0))
    beating.calls.leased = lambda: {'org/zug'}  # type: ignore[method-assign]
    for _ in range(2):
        beats = database.beats_of(seats) if seats.member else 0
        beating.start()
        wait_for(lambda: seats.member and database.beats_of(seats) > beats + 2)  # noqa: B023
        beating.pause(10.0)
        assert thread_names().count('cronsched') == threads.count('cronsched')
    beating.leave()
    ledger.close()


def test_what_is_beaten_over_stays_while_others_stop_it(database: Database) -> None:
    heart = heart_of(Scheduler())
    connection = by('psycopg', database.url)()
    lent = heartbeat._lent(connection)
    ended = threading.Event()

    def stop() -> None:
        while not ended.is_set():
            heart.stop()

    def was_let_go() -> bool:
        keeper = type('Keeper', (), {})()
        reference = weakref.ref(keeper)
        with suppress(SchedulerError):
            heart.start(keeper, *lent, "SELECT 't', ''", [])
            del keeper
            for _ in range(20):
                is_gone = reference() is None
                heart.say([])       # refused where it was stopped meanwhile
                if is_gone:
                    return True
        return False

    thread = threading.Thread(target=stop)
    thread.start()
    try:
        assert not any(was_let_go() for _ in range(20_000))
    finally:
        ended.set()
        thread.join()
        heart.stop()
        connection.close()


def test_what_is_wrong_is_refused() -> None:
    native = Scheduler()
    with pytest.raises(ValueError, match='period is more than 0 seconds'):
        heart_of(native, period=0.0)
    with pytest.raises(TypeError):
        Heartbeat(object(), 0, period=1.0, hold=1.0, patience=1.0, silence=1.0)  # type: ignore
    heart = heart_of(native)
    with pytest.raises(ValueError, match='pointer is null'):
        heart.start(None, 0, sys.executable, 'SELECT', [])
    with pytest.raises(ValueError, match='PyCapsule_GetPointer called with incorrect name'):
        heart.start(None, importlib.import_module('datetime').datetime_CAPI, '', 'SELECT', [])
    with pytest.raises(TypeError):
        heart.start(None, 1, sys.executable, 'SELECT', [1])  # type: ignore[list-item]
    with pytest.raises(Exception, match='libpq is not found'):
        heart.start(None, 1, '/nowhere.so', 'SELECT', [])
    with pytest.raises(Exception, match='say: not possible in this state'):
        heart.say([])
    with pytest.raises(TypeError):
        heart.say([1])  # type: ignore[list-item]
    with pytest.raises(ValueError, match='timeout'):
        heart.take(-1.0)
    assert heart.take(0.01) is None
    heart.stop()
