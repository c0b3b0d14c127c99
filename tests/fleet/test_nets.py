"""With a safety net removed, the checker finds what it is there for."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from laboratory import Laboratory, missing
from nemeses import kill_owner

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
        kill_owner(laboratory)
        time.sleep(4)
        doubles = [each for each in laboratory.problems(1, 0) if 'executed 2' in each]
        assert doubles
