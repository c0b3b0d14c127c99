"""What several machines are asked for, each by itself and with its figure: what
stalls, outages, lost answers, failovers, cuts and deployments may cost.

    make fleet MINUTES=40      # all of it; with fewer minutes, fewer repetitions
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import releases
import torments
from checker import figures
from laboratory import Laboratory, missing
from nemeses import greatest

from cronsched.scheduler.membership import CALM

pytestmark = pytest.mark.fleet

MINUTES = float(os.environ.get('FLEET_MINUTES', '5'))
IN_FULL = MINUTES >= 30
SKEW = {'a': 5, 'c': -5}
REST = 12       # the slowest clock, a takeover, and a second


@pytest.fixture(scope='module', autouse=True)
def allowed() -> None:
    if reason := missing():
        pytest.skip(reason)


def finish(laboratory: Laboratory, first: int) -> None:
    """What was executed is what the ledger says, and what it should be."""
    last = int(time.time()) - 6
    laboratory.until(lambda: laboratory.caught_up(last), 300)
    time.sleep(REST)
    laboratory.rest()
    problems = laboratory.problems(first, last)
    print(figures(laboratory.record.all(), laboratory.rows(), laboratory.wanted(first, last)))
    assert problems == [], '\n'.join([*problems[:20], laboratory.report()])


def beginning() -> int:
    """The first time that counts."""
    return int(time.time()) + 6


def epochs(laboratory: Laboratory) -> dict[str, int]:
    return dict(laboratory.sql('SELECT application_id, epoch FROM cronsched.seats'))


def balanced(laboratory: Laboratory) -> dict[str, int]:
    """The epochs, once no seat changes hands any more by itself."""
    laboratory.settle()
    before: dict[str, int] = {}
    while before != (before := epochs(laboratory)):
        time.sleep(CALM + 5)
    return before


def waiting_for_more(laboratory: Laboratory) -> float:
    count = len(laboratory.record.all())
    return laboratory.until(lambda: len(laboratory.record.all()) > count)


def test_calm_is_a_request_and_a_connection_each(tmp_path: Path) -> None:
    # So many that by the hash each host has some of them.
    with Laboratory(tmp_path, ids=18, jobs=2, skew=SKEW) as laboratory:
        laboratory.settle()
        laboratory.until(lambda: min(laboratory.seats().values()) > 0, 90)   # they share
        first = beginning()
        time.sleep(60)
        connections = laboratory.sql(
            "SELECT client_addr::text, query, state_change - backend_start FROM pg_stat_activity "
            "WHERE datname = 'fleet' AND backend_type = 'client backend' "
            'AND pid <> pg_backend_pid() ORDER BY 1')
        (members,), = laboratory.sql(   # each process that owns any: two of a host, it may be
            'SELECT count(*) FROM cronsched.members WHERE seen IS NOT NULL AND NOT dead')
        processes = 2 + 2 + 1
        print(f'\n{laboratory.requests_per_run():.4f} requests per run; {len(connections)} '
              f'connections of {processes} processes and {members} members')
        assert len(connections) <= processes + members, '\n'.join(map(str, connections))
        finish(laboratory, first)
        assert laboratory.requests_per_run() <= 1.01


def test_nobody_is_convicted_while_the_database_stands_still(tmp_path: Path) -> None:
    stalls = 50 if IN_FULL else 10
    with Laboratory(tmp_path, ids=6, jobs=2, skew=SKEW) as laboratory:
        before, first = balanced(laboratory), beginning()
        for _ in range(stalls):
            laboratory.primary.freeze()
            time.sleep(2.5)
            laboratory.primary.thaw()
            time.sleep(1.5)
        print(f'\n{stalls} stalls of 2.5 s: {laboratory.convictions()} convictions')
        assert laboratory.convictions() == 0
        assert epochs(laboratory) == before
        finish(laboratory, first)


def test_an_outage_of_a_minute_costs_nothing_but_the_minute(tmp_path: Path) -> None:
    with Laboratory(tmp_path, ids=6, jobs=2, skew=SKEW) as laboratory:
        before, first = balanced(laboratory), beginning()
        for took in outages(laboratory, 5 if IN_FULL else 2):
            print(f'\nresumed {took:.2f} s after the return')
            assert took <= 1.5, laboratory.report()
        print(f'{laboratory.convictions()} convictions')
        assert laboratory.convictions() == 0
        assert epochs(laboratory) == before     # so nothing was looked up
        finish(laboratory, first)


def outages(laboratory: Laboratory, count: int) -> Iterator[float]:
    for _ in range(count):
        laboratory.primary.stop()
        time.sleep(60)
        laboratory.primary.start()
        yield waiting_for_more(laboratory)
        time.sleep(8)


def test_a_process_that_is_kept_from_its_work_doubles_nothing(tmp_path: Path) -> None:
    with Laboratory(tmp_path, ids=6, jobs=2, skew=SKEW) as laboratory:
        laboratory.settle()
        first = beginning()
        for what, number in ('busy', torments.BUSY), ('held', torments.HOLD):
            before = laboratory.convictions()
            for pid in set(laboratory.seat_pids().values()):
                os.kill(pid, number)
                time.sleep(torments.SECONDS + 4)
            print(f'\n{what}: {laboratory.convictions() - before} convictions')
            assert laboratory.convictions() == before
        finish(laboratory, first)


def test_a_claim_whose_answer_is_lost_is_executed_once(tmp_path: Path) -> None:
    wanted = 2000
    with Laboratory(tmp_path, ids=6, jobs=6, skew=SKEW) as laboratory:
        laboratory.settle()
        first = beginning()
        laboratory.way.lose_each = 2
        took = laboratory.until(lambda: laboratory.way.lost >= wanted, 600)
        laboratory.way.lose_each = 0
        print(f'\n{laboratory.way.lost} answers lost in {took:.0f} s; '
              f'{laboratory.requests_per_run():.3f} requests per run')
        time.sleep(6)
        finish(laboratory, first)


def test_a_synchronous_standby_has_all_whatever_dies(tmp_path: Path) -> None:
    with Laboratory(
        tmp_path, ids=6, jobs=6, skew=SKEW, standby=True,
        settings={'synchronous_standby_names': '*'},
    ) as laboratory:
        laboratory.settle()
        first = beginning()
        time.sleep(10)
        host = greatest(laboratory)
        laboratory.failover(lag=0.7)    # what is not confirmed is not granted
        host.kill()
        print(f'\nresumed {waiting_for_more(laboratory):.2f} s after the promotion')
        host.start()
        time.sleep(15)
        finish(laboratory, first)


def test_a_deployment_has_two_releases_at_work(tmp_path: Path) -> None:
    with Laboratory(
        tmp_path, ids=6, jobs=6, skew=SKEW, settings={'track_functions': 'all'},
    ) as laboratory:
        laboratory.settle()
        first = beginning()
        time.sleep(5)
        releases.migrate(laboratory.database, 'fleet')
        for host in laboratory.hosts.values():
            time.sleep(5)
            host.stop()
            host.release = 2
            host.start()
            laboratory.until(lambda: laboratory.all_seated(3))
        time.sleep(10)
        used = dict(laboratory.sql("SELECT funcname, calls FROM pg_stat_user_functions "
                                   "WHERE funcname ~ '^claim_v'"))
        print(f'\n{used}')
        assert set(used) == {'claim_v1', 'claim_v2'}
        finish(laboratory, first)


def test_what_executes_on_a_cut_off_machine_is_lost_after_a_minute(tmp_path: Path) -> None:
    """It blocks the runs after it until then. What became of it in truth is added."""
    with Laboratory(tmp_path, ids=3, jobs=1, long=True) as laboratory:
        laboratory.settle()
        first, host = beginning(), laboratory.hosts[laboratory.seated()['fleet-0']]
        hold = tmp_path / f'hold-{host.name}'
        hold.touch()
        laboratory.until(lambda: 'running' in states(laboratory).values())
        time.sleep(3)
        held, = (each for each, state in states(laboratory).items() if state == 'running')
        host.cut()
        lost = laboratory.until(lambda: states(laboratory)[held] == 'lost', 85)
        again = lost + laboratory.until(lambda: list(states(laboratory).values())[-1] == 'ok', 20)
        time.sleep(max(90 - again, 0))
        host.mend()
        hold.unlink()
        laboratory.until(lambda: is_told_later(laboratory, held), 30)
        between = Counter(state for each, state in states(laboratory).items()
                          if held < each < held + lost - 10)
        print(f'\ncut off for 90 s: lost after {lost:.1f} s, executed again after {again:.1f} s; '
              f'before that {dict(between)}')
        assert 59 <= lost <= 72     # since it was heard last
        assert set(between) <= {'skipped_overlap', 'missed'}
        finish(laboratory, first)


def states(laboratory: Laboratory) -> dict[int, str]:
    """Of the job that executes for long, by the scheduled time, in order."""
    return {int(scheduled): str(state) for scheduled, state in laboratory.sql(
        'SELECT r.scheduled, r.state FROM cronsched.runs AS r JOIN cronsched.jobs AS j '
        "ON j.id = r.job_id WHERE j.job = 'long' ORDER BY r.scheduled")}


def is_told_later(laboratory: Laboratory, held: int) -> bool:
    return bool(laboratory.sql(
        "SELECT FROM cronsched.runs WHERE state = 'lost' AND detail LIKE '%ended later: ok%' "
        f'AND scheduled = {held}'))
