"""What several machines cost a database: a claim, the beats of a hundred members,
ten thousand seats, two hundred thousand jobs that are taken over.

The figures are printed; how good they are depends on what else this machine
does, so what fails is only what no load explains.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import postgres
import pytest
from way import Way

from cronsched.ledger import Run, open_ledger
from cronsched.ledger.postgres.connections import Source, disconnect, execute

pytestmark = pytest.mark.fleet

ROOT = Path(__file__).parent.parent.parent
MEMBERS, SEATS, CLAIMS, SECONDS = 100, 10_000, 2000, 10
BEAT = 0.5      # seconds
NOW = 1_700_000_000


@pytest.fixture(scope='module')
def server() -> Iterator[postgres.Server]:
    if postgres.programs() is None:
        pytest.skip('PostgreSQL is not installed')
    made = postgres.Server(**postgres.DURABLE)
    yield made
    made.close()


class Members:
    """A hundred, of one connection."""

    def __init__(self, server: postgres.Server) -> None:
        url = server.url(postgres.database_of(server.fresh_database()))
        self._connection = Source(url).connect(5.0)
        self.ids = [
            self.ask("SELECT cronsched.register_v1('m' || %s, 'b', 'n', %s, 1, 'h')", each, each)
            for each in range(1, MEMBERS + 1)]
        for each in self.ids:
            self.ask("SELECT cronsched.enter_v1(%s, 'place ' || %s::text, 3.0, NULL)::int",
                     each, each)

    def ask(self, sql: str, *values: object) -> int:
        rows = execute(self._connection, sql, values)
        return int(rows[0][0] or 0)

    def close(self) -> None:
        disconnect(self._connection)


@pytest.fixture
def members(server: postgres.Server) -> Iterator[Members]:
    made = Members(server)
    yield made
    made.close()


def cpu_of(server: postgres.Server) -> float:
    """Seconds, of all its processes."""
    found = 0
    for pid in server._processes():
        fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
        found += int(fields[11]) + int(fields[12])
    return found / os.sysconf('SC_CLK_TCK')


def test_a_claim_is_one_round_trip(server: postgres.Server) -> None:
    way = Way('127.0.0.1', 0, str(server.socket))
    database = postgres.database_of(server.fresh_database())
    ledger = open_ledger(server.url(database, 'app', host='127.0.0.1', port=way.port))
    ledger.claim(Run('org/zug', 'cleanup', NOW), overlap='allow')
    before = way.asked
    for number in range(1, 101):
        assert ledger.claim(Run('org/zug', 'cleanup', NOW + number), overlap='allow').granted
    asked = way.asked - before
    ledger.close()
    way.close()
    assert asked == 100


def test_a_claim_takes_some_hundred_microseconds(server: postgres.Server) -> None:
    ledger = open_ledger(server.fresh_database())
    took = []
    for number in range(CLAIMS):
        began = time.perf_counter()
        claim = ledger.claim(Run('org/zug', 'cleanup', NOW + number), overlap='allow')
        took.append(time.perf_counter() - began)
        assert claim.granted
        ledger.finish(claim, 'ok', took=0.0)
    ledger.close()
    percentiles = statistics.quantiles(took, n=100)
    print(f'\nclaim: p50 {percentiles[49] * 1e3:.2f} ms, p99 {percentiles[98] * 1e3:.2f} ms')
    assert percentiles[49] < 0.005


def test_a_hundred_members_beat(server: postgres.Server, members: Members) -> None:
    before, end = cpu_of(server), time.monotonic() + SECONDS
    number = 0
    while time.monotonic() < end:
        number += 1
        next_turn = time.monotonic() + BEAT
        for each in members.ids:
            members.ask('SELECT alive::int FROM cronsched.beat_v1(%s, %s, 0.0)', each, number)
        time.sleep(max(next_turn - time.monotonic(), 0))
    share = (cpu_of(server) - before) / SECONDS / 2
    rate = number * MEMBERS / SECONDS
    print(f'\n{rate:.0f} beats/s of {MEMBERS} members: {share:.1%} of two cores')
    assert share <= 0.1


def test_ten_thousand_seats_change_hands(members: Members) -> None:
    names = [f'org/{number}' for number in range(SEATS)]
    first, second = members.ids[:2]
    take = 'SELECT count(*) FROM cronsched.take_v1(%s, %s::text[])'
    began = time.perf_counter()
    assert members.ask(take, first, names) == SEATS
    taken = time.perf_counter()
    assert members.ask('SELECT cronsched.convict_v1(%s, %s, 0)::int', second, first)
    assert members.ask(take, second, names) == SEATS
    changed = time.perf_counter()
    print(f'\n{SEATS} seats taken in {taken - began:.2f} s, '
          f'changed hands in {changed - taken:.2f} s')
    assert changed - taken < 5


def test_two_hundred_thousand_jobs_are_taken_over(server: postgres.Server) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / 'bench/bench_takeover.py', '10000', '20', 'postgresql'],
        capture_output=True, text=True, check=True)
    print(f'\n{done.stdout}')
    first = re.search(r'first +([0-9.]+) s', done.stdout)
    assert first
    assert float(first[1]) <= 4.0
