"""Three hosts whose clocks differ by ten seconds, and what may happen to them.

The short form kills a host and the primary server. `make fleet MINUTES=30` has
them tormented for so long, directly and through pgbouncer, with each safety
net in place, and prints figures; then once more with nets removed, where the
checker has to find what they are there for.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import statistics
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from laboratory import Laboratory, missing

MINUTES = float(os.environ.get('FLEET_MINUTES', '5'))
SKEW = {'a': 5, 'c': -5}

# For what is late: the slowest clock, a takeover, and a second.
REST = 5 + 6 + 1


@pytest.fixture(scope='module')
def allowed() -> None:
    if reason := missing():
        pytest.skip(reason)


def takeover(laboratory: Laboratory, name: str, action: Callable[[], None]) -> float:
    """What befalls a host, and how long until others have its last seat, in
    seconds."""
    members = laboratory.members()
    had = {each: members[each] for each, host in laboratory.seated().items() if host == name}
    action()
    return laboratory.until(lambda: all(
        member not in (None, had.get(each, 0)) for each, member in laboratory.members().items()))


def greatest(laboratory: Laboratory) -> str:
    """The host that has most seats."""
    owners = list(laboratory.seated().values())
    return max(sorted(set(owners)), key=owners.count)


def kill_owner(laboratory: Laboratory) -> float:
    name = greatest(laboratory)
    took = takeover(laboratory, name, laboratory.hosts[name].kill)
    laboratory.until(lambda: name not in laboratory.owners().values())
    laboratory.hosts[name].start()
    return took


def test_a_host_and_the_primary_server_die(allowed: None, tmp_path: Path) -> None:
    with Laboratory(tmp_path, skew=SKEW, standby=True) as laboratory:
        laboratory.start()
        laboratory.until(lambda: laboratory.all_seated(3))
        laboratory.until(lambda: len(laboratory.owners()) == laboratory.ids)
        first = int(time.time()) + max(SKEW.values()) + 1
        took = kill_owner(laboratory)
        laboratory.failover(lag=0.7)
        time.sleep(3)
        count = len(laboratory.executions())
        laboratory.until(lambda: len(laboratory.executions()) > count)
        last = int(time.time()) + min(SKEW.values())
        time.sleep(REST)
        laboratory.rest()
        problems = laboratory.problems(first, last)
        assert problems == [], '\n'.join([*problems[:20], laboratory.report()])
        assert took < 6.0
        assert laboratory.requests_per_run() < 1.2


# -- minutes -------------------------------------------------------------------

class Nemesis:
    """What happens to a laboratory, at random, but the same each time."""

    def __init__(self, laboratory: Laboratory, seed: int) -> None:
        self.laboratory = laboratory
        self.chance = random.Random(seed)
        self.takeovers: dict[str, list[float]] = {}
        self.count = 0

    def _host(self) -> str:
        return greatest(self.laboratory)

    def _take(self, what: str, name: str, action: Callable[[], None]) -> None:
        took = takeover(self.laboratory, name, action)
        self.takeovers.setdefault(what, []).append(took)

    def kill(self) -> None:
        name = self._host()
        self._take('killed', name, self.laboratory.hosts[name].kill)
        self.laboratory.hosts[name].start()

    def stop(self) -> None:
        name = self._host()
        host = self.laboratory.hosts[name]
        self._take('stopped', name, lambda: host.tell(signal.SIGSTOP))
        time.sleep(self.chance.choice([1, 8]))
        host.tell(signal.SIGCONT)

    def cut(self) -> None:
        name = self._host()
        self._take('cut', name, self.laboratory.hosts[name].cut)
        time.sleep(self.chance.choice([1, 8]))
        self.laboratory.hosts[name].mend()

    def deploy(self) -> None:
        name = self._host()
        host = self.laboratory.hosts[name]
        self._take(f'left, {host.kind}', name, host.stop)
        host.start()

    def blip(self) -> None:
        name = self._host()
        self.laboratory.hosts[name].cut()
        time.sleep(1)
        self.laboratory.hosts[name].mend()

    def stall(self) -> None:
        self.laboratory.primary.tell(signal.SIGSTOP, children=True)
        time.sleep(2.5)
        self.laboratory.primary.tell(signal.SIGCONT, children=True)

    def crash(self) -> None:
        self.laboratory.primary.stop(signal.SIGQUIT)
        time.sleep(self.chance.choice([1, 15]))
        self.laboratory.primary.start()

    def lose_answers(self) -> None:
        self.laboratory.way.lose_each = 10
        time.sleep(6)
        self.laboratory.way.lose_each = 0

    def terminate(self) -> None:
        self.laboratory.sql('SELECT pg_terminate_backend(pid) FROM pg_stat_activity '
                            "WHERE usename = 'owner' AND pid <> pg_backend_pid()")

    def run(self, minutes: float) -> None:
        """One after the other, each as often."""
        end = time.monotonic() + minutes * 60
        deck: list[Callable[[], None]] = []
        while time.monotonic() < end:
            deck = deck or [self.kill, self.stop, self.cut, self.deploy, self.blip, self.stall,
                            self.crash, self.lose_answers, self.terminate]
            deck.pop(self.chance.randrange(len(deck)))()
            self.count += 1
            time.sleep(self.chance.uniform(3, 8))
            self.laboratory.until(lambda: self.laboratory.all_seated(3), 60)


@pytest.mark.fleet
@pytest.mark.parametrize('pooler', [False, True], ids=['direct', 'pgbouncer'])
def test_every_run_happens_once_whatever_happens(
    allowed: None, tmp_path: Path, pooler: bool,
) -> None:
    if pooler and shutil.which('pgbouncer') is None:
        pytest.skip('pgbouncer is not installed')
    with Laboratory(tmp_path, ids=6, jobs=3, skew=SKEW, standby=True, pooler=pooler) as laboratory:
        laboratory.start()
        laboratory.until(lambda: laboratory.all_seated(3))
        laboratory.until(lambda: len(laboratory.owners()) == laboratory.ids)
        first = int(time.time()) + max(SKEW.values()) + 1
        nemesis = Nemesis(laboratory, seed=13)
        nemesis.run(MINUTES / 2)
        laboratory.failover(lag=1.5)
        time.sleep(8)
        last = int(time.time()) + min(SKEW.values())
        time.sleep(2 * REST)
        laboratory.rest()
        problems = laboratory.problems(first, last)
        tell(laboratory, nemesis)
        assert problems == [], '\n'.join([*problems[:20], laboratory.report()])


def tell(laboratory: Laboratory, nemesis: Nemesis) -> None:
    states = Counter(row.state for row in laboratory.rows())
    print(f'\n{nemesis.count} torments; {dict(states)}; {laboratory.way.lost} answers lost; '
          f'{laboratory.requests_per_run():.3f} requests per run')
    for what, took in sorted(nemesis.takeovers.items()):
        print(f'  takeover, {what}: {statistics.median(took):.2f} s, at most {max(took):.2f} s '
              f'({len(took)} times)')


# -- without a net -------------------------------------------------------------

def lost_claims(laboratory: Laboratory) -> list[str]:
    """The owner's claims are lost with the server, and then it dies itself."""
    laboratory.start()
    laboratory.until(lambda: laboratory.all_seated(3))
    laboratory.until(lambda: len(laboratory.owners()) == laboratory.ids)
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


@pytest.mark.fleet
def test_claims_lost_with_the_server_are_not_granted_again(
    allowed: None, tmp_path: Path,
) -> None:
    with Laboratory(tmp_path, ids=4, jobs=4, standby=True) as laboratory:
        assert lost_claims(laboratory) == []


@pytest.mark.fleet
def test_without_saying_them_again_the_checker_finds_doubles(
    allowed: None, tmp_path: Path,
) -> None:
    with Laboratory(tmp_path, ids=4, jobs=4, standby=True) as laboratory:
        laboratory.sql(NETLESS['says again'])
        time.sleep(0.5)
        assert lost_claims(laboratory)


@pytest.mark.fleet
def test_with_keys_pruned_early_the_checker_finds_doubles(
    allowed: None, tmp_path: Path,
) -> None:
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
        laboratory.start()
        laboratory.until(lambda: laboratory.all_seated(3))
        laboratory.until(lambda: len(laboratory.owners()) == laboratory.ids)
        kill_owner(laboratory)
        time.sleep(4)
        doubles = [each for each in laboratory.problems(1, 0) if 'executed 2' in each]
        assert doubles
