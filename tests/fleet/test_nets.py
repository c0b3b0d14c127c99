"""With a safety net removed, the checker finds what it is there for."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from laboratory import DATABASE, TIMEOUT, Laboratory, missing
from nemeses import kill_owner

from cronsched.ledger.postgres.connections import Source, disconnect, execute

pytestmark = pytest.mark.fleet


@pytest.fixture(scope='module', autouse=True)
def allowed() -> None:
    if reason := missing():
        pytest.skip(reason)


def lost_claims(laboratory: Laboratory) -> list[str]:
    """The owner's claims are lost with the server, and then it dies itself."""
    laboratory.settle()
    laboratory.failover(lag=2.5)
    time.sleep(5)
    kill_owner(laboratory)
    time.sleep(4)
    laboratory.rest()
    return [each for each in laboratory.problems(1, 0) if each.startswith('executed 2 times')]


NETLESS = {
    'says again': 'CREATE OR REPLACE FUNCTION cronsched.say_again_v1(p_claims jsonb) RETURNS '
                  "integer LANGUAGE sql AS 'SELECT 0'",
    'the fence': 'CREATE OR REPLACE FUNCTION cronsched.is_deposed_v1(p_application_id text, '
                 "p_member bigint) RETURNS boolean LANGUAGE sql AS 'SELECT false'",
}


def test_claims_lost_with_the_server_are_not_granted_again(tmp_path: Path) -> None:
    with Laboratory(tmp_path, ids=4, jobs=4, standby=True) as laboratory:
        assert lost_claims(laboratory) == []


def test_without_saying_them_again_the_checker_finds_doubles(tmp_path: Path) -> None:
    with Laboratory(tmp_path, ids=4, jobs=4, standby=True) as laboratory:
        laboratory.sql(NETLESS['says again'])
        time.sleep(0.5)
        assert lost_claims(laboratory)


def test_with_keys_pruned_early_the_checker_finds_doubles(tmp_path: Path) -> None:
    with Laboratory(tmp_path, ids=4, jobs=4) as laboratory:
        laboratory.sql('''
            CREATE FUNCTION cronsched.forget() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                DELETE FROM cronsched.runs WHERE job_id = NEW.job_id
                    AND scheduled < NEW.scheduled;
                RETURN NULL;
            END $$;
            CREATE TRIGGER forget AFTER INSERT ON cronsched.runs
                FOR EACH ROW EXECUTE FUNCTION cronsched.forget()''')
        laboratory.settle()
        time.sleep(3)   # of each job, some runs are forgotten
        kill_owner(laboratory)
        time.sleep(4)
        doubles = [each for each in laboratory.problems(1, 0) if 'executed 2' in each]
        assert doubles


@contextmanager
def uncounted(laboratory: Laboratory) -> Iterator[None]:
    """Who is deposed hears of it later, as the beat that tells it is counted first."""
    connection = Source(laboratory.database.url(DATABASE)).connect(5.0)
    try:
        execute(connection, 'BEGIN')
        execute(connection, 'LOCK TABLE cronsched.counters IN EXCLUSIVE MODE')
        yield
    finally:
        disconnect(connection)


def told_by_who_is_deposed(laboratory: Laboratory) -> list[str]:
    """The owner's requests hang, it stands still until they have timed out, and says so
    of runs that are another's by then, who has not been able to fire them yet. It does
    not know that before it has said so."""
    laboratory.settle('a')
    laboratory.start('b')
    laboratory.until(lambda: laboratory.all_seated(2))
    owner, heir = laboratory.hosts['a'], laboratory.hosts['b']
    with heir.half_cut('webless'), owner.half_cut('webless'):
        time.sleep(1.5)     # what is sent over a connection that stands
        owner.tell(signal.SIGSTOP)
        time.sleep(TIMEOUT + 1)
        assert laboratory.seated() == {'fleet-0': 'b'}
        with uncounted(laboratory):
            owner.tell(signal.SIGCONT)
            time.sleep(3)
        owner.kill()
    last = int(time.time())
    laboratory.until(lambda: laboratory.caught_up(last))
    laboratory.rest()
    return [each for each in laboratory.problems(1, 0) if each.startswith('never executed')]


def test_who_is_deposed_tells_nothing_of_what_is_anothers(tmp_path: Path) -> None:
    with Laboratory(tmp_path, ids=1, jobs=4) as laboratory:
        assert told_by_who_is_deposed(laboratory) == []


def test_without_the_fence_the_checker_finds_what_was_never_executed(tmp_path: Path) -> None:
    with Laboratory(tmp_path, ids=1, jobs=4) as laboratory:
        laboratory.sql(NETLESS['the fence'])
        assert told_by_who_is_deposed(laboratory)
