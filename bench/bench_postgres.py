"""What a claim in PostgreSQL costs, beside what the server can do at all, and
beside SQLite.

    python bench/bench_postgres.py [seconds] [clients]

The server is one of its own, with fsync. pgbench makes single rows with a unique
key (the least that "once" can cost), claims that do no more than they must
(`plain_claim.sql`), those of the ledger, and whole runs, in turn, three times
each; the same through pgbouncer in transaction mode. What is counted begins when
each connection has planned its statements. Then one process makes the same one
after the other, and runs through both ledgers, in turn; and two members convict
each other, each time taking the seats of the other. Printed are medians, and
their ratio.
"""

from __future__ import annotations

import itertools
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / 'tests'))

import postgres

from cronsched.ledger import Ledger, Run, open_ledger
from cronsched.ledger.postgres.connections import Source, disconnect, execute

ROUNDS, RUNS, CALLS = 3, 300, 3000
WARM_UP = 5     # seconds
POOL = 20       # connections of pgbouncer
SEATS, CHANGES = 10_000, 8

SETUP = """
CREATE TABLE bare (id bigint PRIMARY KEY, application text NOT NULL, job text NOT NULL,
    state text NOT NULL, at double precision NOT NULL);
GRANT INSERT ON bare TO app;
""" + Path(__file__).with_name('plain_claim.sql').read_text()
# Each client has application ids of its own, whose runs come one after the other.
NEXT = r"""
\set number :number + 1
\set id :base + :client_id * 100000 + :number
\set at :base + :number
\set application :client_id * 50 + random(1, 50)
\set token random(1, 9000000000000000000)
"""
CLAIM = NEXT + """
SELECT verdict, attempt, previous, last_success, look, delay, fence FROM cronsched.claim_v1(
    ('(org/' || :application || ',{job},' || :at || ',1,,0,0,1.0,{overlap},60.0,' || :token
    || ',1,thread,host,1,)')::cronsched.wish_v1);
"""
END = "SELECT cronsched.finish_v1('org/' || :application, 'ended', :at, 1, 'ok', 0.1, NULL);\n"
BARE_INSERT = "INSERT INTO bare VALUES (%s, 'org/zug', 'cleanup', 'running', 1.0)"
PLAIN_CLAIM = ("SELECT verdict, previous, last_ok FROM plain.claim("
               "'org/alone', 'cleanup', %s, 1, 'allow', 60.0, %s, 1)")
FIRST = 1_700_000_000   # scheduled, of those one after the other
SCRIPTS = {
    'bare insert': NEXT + "INSERT INTO bare VALUES (:id, 'org/zug', 'cleanup', 'running', 1.0);\n",
    'plain claim': NEXT + """
SELECT verdict, previous, last_ok FROM plain.claim(
    'org/' || :application, 'cleanup', :at, 1, 'allow', 60.0, :token, 1);
""",
    'claim': CLAIM.format(job='claimed', overlap='allow'),
    'claim and end': CLAIM.format(job='ended', overlap='skip') + END,
}


def main(seconds: str = '5', clients: str = '16') -> None:
    if postgres.programs() is None:
        print('no PostgreSQL: tools/system-packages.sh --postgresql installs it')
        return
    server = postgres.Server(**postgres.DURABLE, max_connections=str(int(clients) + 50))
    pooler = None
    try:
        url = server.fresh_database()
        server.sql(SETUP, postgres.database_of(url))
        throughput('direct', url, seconds, clients)
        if postgres.has_pooler():
            pooler = postgres.Pooler(server, POOL)
            throughput('pgbouncer', pooler.through(url), seconds, clients)
        one_after_the_other(url)
        beside_sqlite(url)
        change_hands(server)
    finally:
        if pooler:
            pooler.close()
        server.close()


def throughput(way: str, url: str, seconds: str, clients: str) -> None:
    found: dict[str, list[float]] = {name: [] for name in SCRIPTS}
    for _ in range(ROUNDS):
        for name, script in SCRIPTS.items():
            found[name].append(pgbench(url, script, seconds, clients))
    bare = statistics.median(found['bare insert'])
    for name, each in found.items():
        rate = statistics.median(each)
        print(f'{way}, {clients} clients: {name} {rate:,.0f}/s, {rate / bare:.2f} of the insert',
              flush=True)


# Where the scheduled times of a call begin, far from those of the call before.
_bases = itertools.count(100_000_000, 30_000_000)


def pgbench(url: str, script: str, seconds: str, clients: str) -> float:
    binaries = postgres.programs()
    assert binaries
    base = next(_bases)
    with tempfile.NamedTemporaryFile('w', suffix='.sql') as file:
        file.write(script)
        file.flush()
        done = subprocess.run(
            [str(binaries / 'pgbench'), '-n', '-M', 'extended', '-c', clients, '-j', '2',
             '-T', str(WARM_UP + int(seconds)), '-P', '1', '-D', f'base={base}',
             '-D', 'number=0', '-f', file.name, url],
            capture_output=True, text=True, check=True)
    each = re.findall(r'^progress: .* s, ([0-9.]+) tps', done.stderr, re.MULTILINE)
    return statistics.mean(map(float, each[WARM_UP:]))


def one_after_the_other(url: str) -> None:
    ledger, connection = open_ledger(url), Source(url).connect(5.0)

    def claim(at: int) -> None:
        ledger.claim(Run('org/alone', 'cleanup', at), overlap='allow')

    calls: dict[str, Callable[[int], object]] = {
        'SELECT 1': lambda at: execute(connection, 'SELECT 1'),
        'bare insert': lambda at: execute(connection, BARE_INSERT, (at,)),
        'plain claim': lambda at: execute(connection, PLAIN_CLAIM, (at, at)),
        'claim': claim,
    }
    found: dict[str, list[float]] = {name: [] for name in calls}
    for at in range(FIRST, FIRST + CALLS):
        for name, call in calls.items():
            began = time.perf_counter()
            call(at)
            found[name].append(time.perf_counter() - began)
    for name, each in found.items():
        cuts = statistics.quantiles(each[CALLS // 10:], n=100)
        print(f'{name} from Python, one after the other: p50 {cuts[49] * 1e3:.2f} ms, p99 '
              f'{cuts[98] * 1e3:.2f} ms', flush=True)
    ledger.close()
    disconnect(connection)


def beside_sqlite(url: str) -> None:
    directory = Path(tempfile.mkdtemp(dir=Path.home()))
    ledgers = {
        'SQLite': open_ledger(f'sqlite://{directory}/ledger.sqlite3'),
        'SQLite, synchronous=FULL': open_ledger(
            f'sqlite://{directory}/full.sqlite3?synchronous=FULL'),
        'PostgreSQL': open_ledger(url),
    }
    found: dict[str, list[float]] = {name: [] for name in ledgers}
    try:
        for number in range(RUNS):
            for name, ledger in ledgers.items():
                found[name].append(run_once(ledger, number))
    finally:
        for ledger in ledgers.values():
            ledger.close()
        shutil.rmtree(directory)
    first = statistics.median(found['SQLite'])
    for name, each in found.items():
        cost = statistics.median(each)
        print(f'claim and end of a run in {name}: {cost * 1e3:.2f} ms, {cost / first:.1f} times '
              'SQLite', flush=True)


def change_hands(server: postgres.Server) -> None:
    url = server.fresh_database()
    ids = [f'org/{number}' for number in range(SEATS)]
    ledgers = [open_ledger(url), open_ledger(url)]
    heir, dying = (ledger.seats(str(place)) for place, ledger in enumerate(ledgers))
    assert heir
    assert dying
    dying.join()
    began = time.perf_counter()
    dying.take(ids)
    first = time.perf_counter() - began
    took: list[float] = []
    for _ in range(CHANGES):
        heir.join()
        suspect, beat = dying.member, server.sql(
            f'SELECT beat FROM cronsched.members WHERE id = {dying.member}',
            postgres.database_of(url))[0][0]
        began = time.perf_counter()
        assert heir.convict(suspect, beat)
        assert len(heir.take(ids)) == SEATS
        took.append(time.perf_counter() - began)
        heir, dying = dying, heir
    for each in (heir, dying, *ledgers):
        each.close()
    print(f'{SEATS:,} seats: taken at first {first:.2f} s; convicted and taken by another '
          f'{statistics.median(took):.2f} s, {max(took):.2f} s at most', flush=True)


def run_once(ledger: Ledger, number: int) -> float:
    began = time.perf_counter()
    claim = ledger.claim(Run('org/bench', 'cleanup', 1700000040 + number))
    ledger.finish(claim, 'ok', took=0.0)
    return time.perf_counter() - began


if __name__ == '__main__':
    main(*sys.argv[1:])
