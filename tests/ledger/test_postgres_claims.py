"""The short way of a claim in PostgreSQL (`claim_next_v1`) decides as the long
one does, which knows all rules."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import postgres
import pytest
from servers import wait_for

from cronsched.ledger import Run
from cronsched.ledger.postgres import ledger as postgres_ledger
from cronsched.ledger.postgres.connections import Source, disconnect, execute
from cronsched.ledger.postgres.ledger import PostgresLedger
from cronsched.ledger.postgres.records import composite
from cronsched.ledger.values import LedgerError, Missed

FIRST = 1_700_000_000
IDS, JOBS = ('org/zug', 'org/"uri", \\(b)'), ('cleanup', 'digest, weekly')
LONG_WAY = """
CREATE OR REPLACE FUNCTION cronsched.claim_next_v1(p_wish cronsched.wish_v1)
RETURNS cronsched.answer_v1 LANGUAGE sql AS 'SELECT NULL::cronsched.answer_v1'
"""


class Both:
    """A ledger whose claims go the short way where they can, and one where
    none does; each is told the same."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = float(FIRST)
        self.token = 0
        self.urls: list[str] = []
        self.short, self.long = self._ledger(), self._ledger()
        connection = Source(postgres.server().url(
            postgres.database_of(self.urls[1]))).connect(5.0)
        execute(connection, LONG_WAY)
        disconnect(connection)
        monkeypatch.setattr(postgres_ledger, 'random_token', lambda: self.token)

    def _ledger(self) -> PostgresLedger:
        url = postgres.server().fresh_database()
        self.urls.append(url)
        made = PostgresLedger(url)
        made.clock = lambda: self.now
        return made

    def ask(self, name: str, *values: Any, **options: Any) -> Any:
        """What both answer, which is the same."""
        answers = []
        for each in (self.short, self.long):
            try:
                answers.append(getattr(each, name)(*values, **options))
            except LedgerError as error:
                answers.append(str(error))
        first, second = answers
        if name == 'claim' and not isinstance(first, str):
            assert (first.fence > 0) == (second.fence > 0) == first.granted
            assert first._replace(fence=0) == second._replace(fence=0)
        else:
            assert first == second, name
        return first


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> Iterator[Both]:
    made = Both(monkeypatch)
    yield made
    made.short.close()
    made.long.close()


class Story:
    """What happens to the runs of a few jobs, at random."""

    def __init__(self, both: Both, seed: int) -> None:
        self.both, self.random = both, random.Random(seed)
        self.executing: list[tuple[Any, Any]] = []      # claims of either ledger
        self.wanted: list[Run] = []                     # by hand
        self.asked: list[tuple[Run, int]] = []          # of claims, with their token
        self.verdicts: set[str] = set()

    def ask(self) -> tuple[Run, int]:
        """A claim that is new, or whose answer was lost."""
        if self.asked and self.random.random() < 0.1:
            return self.random.choice(self.asked[-3:])
        self.asked.append((self.run(), self.random.getrandbits(60)))
        return self.asked[-1]

    def run(self) -> Run:
        if self.wanted and self.random.random() < 0.2:
            return self.random.choice(self.wanted)
        after = self.random.choice((0, 0, 0, 0, 0, 1, 5, 20, -1, -2, -7, -60))
        return Run(self.random.choice(IDS), self.random.choice(JOBS), int(self.both.now) + after)

    def claim(self) -> None:
        run, self.both.token = self.ask()
        claim = self.both.ask(
            'claim', run, attempt=self.random.choice((1, 1, 1, 2, 3)),
            timestamp=self.random.choice((None, int(self.both.now))),
            retries=self.random.choice((0, 0, 2)),
            overlap=self.random.choice(('skip', 'skip', 'queue', 'allow')))
        if isinstance(claim, str):
            self.verdicts.add('ahead')
            return
        self.verdicts.add(claim.verdict)
        if claim.granted:
            self.executing.append(claim)

    def end(self) -> None:
        if self.executing:
            claim = self.executing.pop(self.random.randrange(len(self.executing)))
            self.both.ask('finish', claim, self.random.choice(('ok', 'ok', 'failed')), took=0.5)

    def pause(self) -> None:
        job, where = self.random.choice(JOBS), self.random.choice((*IDS, None))
        self.both.ask('pause', where, job, note='for now')
        self.claim()
        self.claim()
        if self.random.random() < 0.8:
            self.both.ask('resume', where, job)

    def want(self) -> None:
        self.wanted.append(self.both.ask(
            'request_run', self.random.choice(IDS), self.random.choice(JOBS), self.both.now,
            by='somebody'))
        self.both.ask('take_requests', IDS)

    def miss(self) -> None:
        run = self.run()
        self.both.ask('miss', [Missed(run, run.scheduled + 3, 3, 'nobody was there')],
                      self.both.now)

    def record(self) -> None:
        self.both.ask('record', self.run(), 'unreachable', at=self.both.now)

    def void(self) -> None:
        run, token = self.ask()     # before or after it came
        for each in (self.both.short, self.both.long):
            each._session.ask(postgres_ledger.VOID, (*run, token, self.both.now))

    def go_on(self) -> None:
        self.both.now += self.random.choice((0.3, 1.0, 1.0, 2.0, 60.0))

    def tell(self, steps: int) -> None:
        acts = ([self.claim] * 12 + [self.end] * 9 + [self.go_on] * 8
                + [self.pause, self.want, self.miss, self.record, self.void])
        for number in range(steps):
            self.random.choice(acts)()
            if number % 50 == 49:
                self.compare()

    def compare(self) -> None:
        self.both.ask('history', limit=10_000)
        self.both.ask('jobs')
        self.both.ask('totals')
        self.both.ask('attempts_due', IDS)
        started = [
            execute(each._session._own().connection,
                    'SELECT application_id, job, last_started FROM cronsched.jobs ORDER BY 1, 2')
            for each in (self.both.short, self.both.long)]
        assert started[0] == started[1]


@pytest.mark.parametrize('seed', range(4))
def test_the_short_way_decides_as_the_long_one(both: Both, seed: int) -> None:
    story = Story(both, seed)
    story.tell(600)
    assert story.verdicts >= {
        'granted', 'duplicate', 'queued', 'skipped_overlap', 'skipped_paused', 'ahead'}


def test_a_claim_that_decides_nothing_leaves_the_job_as_it_was(both: Both) -> None:
    """Another member of this process executes: it is to be looked for first."""
    other = PostgresLedger(both.urls[0])
    other.clock = lambda: both.now
    both.token = 1
    assert other.claim(Run('org/zug', 'cleanup', FIRST)).granted
    before = other.jobs()
    wish = composite(('org/zug', 'cleanup', FIRST + 1, 1, None, 0, 0, 1.0, 'skip', 60.0, 2,
                      both.short._session.member(), 'thread', 'host', 1, both.now))
    (verdict, *_), = both.short._session.ask(postgres_ledger.CLAIM, (wish, None))
    assert verdict == 'look'
    assert other.jobs() == before
    other.close()


def test_what_executes_is_found_by_its_index_also_after_a_vacuum() -> None:
    """A table that was vacuumed while it was empty would be read as a whole
    ever after, with a dead row of each run since."""
    server = postgres.server()
    url = server.fresh_database()
    database = postgres.database_of(url)

    def execute_runs(first: int, count: int) -> None:
        ledger = PostgresLedger(url)
        for number in range(count):
            run = Run('org/zug', 'cleanup', first + number)
            ledger.finish(ledger.claim(run), 'ok', took=0.0)
        ledger.close()

    def scans(kind: str) -> int:
        (count,), = server.sql(
            f"SELECT {kind} FROM pg_stat_user_tables "
            "WHERE schemaname = 'cronsched' AND relname = 'executions'", database)
        assert isinstance(count, int)
        return count

    execute_runs(FIRST, 200)
    server.sql('VACUUM ANALYZE cronsched.executions', database)
    wait_for(lambda: scans('idx_scan') >= 200)
    whole, by_index = scans('seq_scan'), scans('idx_scan')
    execute_runs(FIRST + 1000, 50)
    wait_for(lambda: scans('idx_scan') >= by_index + 100)
    assert scans('seq_scan') == whole


def test_the_next_run_of_a_job_goes_the_short_way(both: Both) -> None:
    """Also after one that was hindered. The long way begins with `job_v1`."""
    run = Run(*IDS[:1], JOBS[0], FIRST)
    both.ask('finish', both.ask('claim', run), 'ok', took=0.5)
    both.ask('pause', None, JOBS[0])
    assert both.ask('claim', run._replace(scheduled=FIRST + 1)).verdict == 'skipped_paused'
    both.ask('resume', None, JOBS[0])
    server, database = postgres.server(), postgres.database_of(both.urls[0])
    server.sql('DROP FUNCTION cronsched.job_v1', database)
    claim = both.ask('claim', run._replace(scheduled=FIRST + 2))
    assert (claim.verdict, claim.previous, claim.last_success) == ('granted', FIRST, FIRST)
    with pytest.raises(LedgerError, match='job_v1'):
        both.short.claim(run._replace(scheduled=FIRST + 3))
