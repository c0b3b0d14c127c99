"""What a PostgreSQL ledger tells: each method asks one statement or two."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from cronsched.ledger.known import Application, KnownJob, Owner, PastJob, Pause
from cronsched.ledger.pages import Found, Planned, Standing, Tally
from cronsched.ledger.pages import Wanted as WantedJobs
from cronsched.ledger.postgres import history, standing
from cronsched.ledger.postgres.connections import Rows
from cronsched.ledger.postgres.history import Wanted
from cronsched.ledger.postgres.looking import looked_at
from cronsched.ledger.postgres.members import fleet, listed
from cronsched.ledger.postgres.past import past
from cronsched.ledger.postgres.records import KNOWN, known_job
from cronsched.ledger.postgres.session import Session
from cronsched.ledger.process import Process
from cronsched.ledger.rules import LONGEST_BACKOFF
from cronsched.ledger.seats import Fleet, Member
from cronsched.ledger.sums import added_up
from cronsched.ledger.values import Due, Executing, LedgerError, Row, Run, Total

__all__ = ['Reading']

# Rows that are read at once.
PIECE: Final = 2000
AHEAD: Final = 2 * LONGEST_BACKOFF   # seconds

EXECUTING: Final = (
    'SELECT j.application_id, j.job, e.scheduled, e.attempt, coalesce(r.started, 0), e.deadline, '
    "r.gave_up, coalesce(m.host, ''), coalesce(m.pid, 0), e.thread, e.member "
    'FROM cronsched.executions AS e JOIN cronsched.jobs AS j ON j.id = e.job_id '
    'LEFT JOIN cronsched.members AS m ON m.id = e.member '
    'LEFT JOIN cronsched.runs AS r ON r.job_id = e.job_id AND r.scheduled = e.scheduled ')
DUE: Final = (
    'SELECT j.application_id, j.job, r.scheduled, r.attempt, r.next_attempt, r.state, '
    "r.gave_up IS NOT NULL OR r.state = 'queued', "
    'EXISTS (SELECT FROM cronsched.executions AS e WHERE e.job_id = r.job_id) '
    'FROM cronsched.runs AS r JOIN cronsched.jobs AS j ON j.id = r.job_id, '
    'cronsched.now_v1(%s) AS now '
    'WHERE r.next_attempt IS NOT NULL '
    # One that is further ahead than any back-off was said by a wrong clock.
    'AND (r.next_attempt <= now OR r.next_attempt > now + %s) AND NOT EXISTS (SELECT '
    'FROM cronsched.executions AS e WHERE e.job_id = r.job_id AND e.scheduled = r.scheduled) '
    'ORDER BY r.scheduled')
OWNERS: Final = (
    'SELECT o.application_id, o.address, o.code_root, o.since, o.implicit, o.member, '
    "coalesce(m.machine, ''), coalesce(m.host, ''), coalesce(m.pid, 0), a.lives, a.look "
    'FROM cronsched.owners AS o LEFT JOIN cronsched.members AS m ON m.id = o.member '
    # Once for each process, which may own ten thousand.
    'JOIN (SELECT d.member, cronsched.lives_v1(d.member, %s, %s::jsonb) AS lives, '
    'cronsched.look_v1(ARRAY[d.member]) AS look FROM '
    '(SELECT DISTINCT member FROM cronsched.owners) AS d) AS a ON a.member = o.member ')
# Where this machine reached it last, if it did; else where anybody did.
APPLICATIONS: Final = (
    'SELECT a.application_id, coalesce((SELECT d.base_url FROM cronsched.addresses AS d '
    'JOIN cronsched.members AS m ON m.id = d.member WHERE d.application_id = a.application_id '
    "AND m.machine = %s AND m.machine <> '' ORDER BY d.seen DESC LIMIT 1), a.base_url), a.seen "
    'FROM cronsched.applications AS a ORDER BY 1')
TOTALS: Final = (
    'SELECT j.application_id, j.job, t.outcome, t.bucket, t.late_bucket, t.count, t.seconds, '
    't.late_seconds FROM cronsched.totals AS t JOIN cronsched.jobs AS j ON j.id = t.job_id '
    'ORDER BY 1, 2, 3')


class Reading:
    """See the module, and `cronsched.ledger.protocol`."""

    clock: Callable[[], float | None]

    def __init__(self, session: Session, *, looking: bool) -> None:
        self._session = session
        self._looking = looking

    def members(self) -> list[Member]:
        return listed(self._session)

    def fleet(self) -> Fleet | None:
        return fleet(self._session)

    def attempts_due(
        self, application_ids: Collection[str], now: float | None = None,
    ) -> list[Due]:
        return [
            Due(Run(*row[:3]), row[3] + (row[5] != 'queued'), row[4], row[5], row[6], row[7])
            for row in self._session.ask(DUE, (self._at(now), AHEAD)) if row[0] in application_ids
        ]

    def executing(self, application_id: str | None = None) -> list[Executing]:
        where, values = ('', ()) if application_id is None else (
            'WHERE j.application_id = %s ', (application_id,))
        return [_executing(row) for row in self._session.ask(
            f'{EXECUTING}{where}ORDER BY r.started', values)]

    def _executing_now(self, run: Run) -> Executing | None:
        rows = self._session.ask(
            f'{EXECUTING}WHERE j.application_id = %s AND j.job = %s AND e.scheduled = %s',
            (run.application_id, run.job, run.scheduled))
        return _executing(rows[0]) if rows else None

    def applications(self) -> Collection[Application]:
        return [Application(*row) for row in self._session.ask(
            APPLICATIONS, (Process.current().machine,))]

    def jobs(self, application_id: str | None = None) -> Collection[KnownJob]:
        where, values = ('', ()) if application_id is None else (
            'WHERE j.application_id = %s ', (application_id,))
        return [known_job(row) for row in self._session.ask(
            f'SELECT {KNOWN} FROM cronsched.jobs AS j {where}ORDER BY 1, 2', values)]

    def last_runs(self, application_id: str) -> Mapping[str, int]:
        return {
            job.job: int(job.since) if job.newest is None else job.newest
            for job in self.jobs(application_id)
        }

    def past(
        self, at: Mapping[str, float], reach: float,
    ) -> dict[str, list[PastJob]]:
        return past(self._session, at, reach, self._at(None))

    def owners(self, application_ids: Collection[str] | None = None) -> Mapping[str, Owner]:
        # An id that only looks has no row of its own to be compared with.
        where, values = ('', ()) if application_ids is None else (
            'WHERE o.application_id = ANY (%s::text[]) ', (list(application_ids),))
        member = None if self._looking else self._member()
        rows = self._session.ask(
            f'{OWNERS}{where}ORDER BY 1', (member, None, *values))
        alive = {row[5]: _is_alive(*row[9:]) for row in {row[5]: row for row in rows}.values()}
        return {row[0]: Owner(
            row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], row[8],
            alive[row[5]]) for row in rows}

    def history(
        self,
        *,
        application_id: str | None = None,
        job: str | None = None,
        since: float | None = None,
        until: float | None = None,
        limit: int = 100,
        oldest_first: bool = False,
        states: Collection[str] = (),
        requested: bool | None = None,
        skip: int = 0,
    ) -> list[Row]:
        return history.history(self._session, Wanted(
            application_id, job, since, until, oldest_first, limit, None, tuple(states),
            requested, skip))

    def histories(
        self,
        jobs: Collection[tuple[str, str]],
        *,
        since: float | None = None,
        until: float | None = None,
        limit: int = 100,
    ) -> Mapping[tuple[str, str], list[Row]]:
        return history.histories(
            self._session, jobs, Wanted(since=since, until=until, limit=limit))

    def tally(
        self, application_id: str, job: str, *, since: int, until: int, step: int,
    ) -> list[Tally]:
        return standing.tally(self._session, application_id, job, since, until, step)

    def find_jobs(self, wanted: WantedJobs) -> tuple[list[Found], int]:
        return standing.find_jobs(self._session, wanted)

    def standings(self) -> list[Standing]:
        return standing.standings(self._session)

    def states(self) -> Mapping[str, int]:
        return standing.states(self._session)

    def planned(self) -> list[Planned]:
        return standing.planned(self._session)

    def timezones(self) -> list[str]:
        return standing.timezones(self._session)

    def walk(
        self,
        *,
        application_id: str | None = None,
        job: str | None = None,
        since: float | None = None,
        until: float | None = None,
    ) -> Iterator[Row]:
        return history.walk(self._session, Wanted(application_id, job, since, until), PIECE)

    def latest(self, application_id: str | None = None) -> Mapping[tuple[str, str], Row]:
        return history.latest(self._session, application_id)

    def find(self, run: Run) -> Row | None:
        return history.find(self._session, run)

    def totals(self) -> list[Total]:
        return added_up(self._session.ask(TOTALS))

    def paused(self) -> Mapping[tuple[str | None, str], str]:
        return {(each.application_id, each.job): each.note for each in self.pauses()}

    def pauses(self) -> list[Pause]:
        return [Pause(*row) for row in self._session.ask(
            'SELECT application_id, job, note, at, asked_by FROM cronsched.pauses '
            'ORDER BY job, application_id NULLS FIRST')]

    def _at(self, now: float | None) -> float | None:
        return self.clock() if now is None else now

    def _member(self) -> int:
        if self._looking:
            raise LedgerError('the ledger is only looked at here: it cannot be written')
        return self._session.member()

    def _write(
        self, sql: str, values: Sequence[Any], patience: float | None = None,
    ) -> Rows:
        if self._looking:
            raise LedgerError('the ledger is only looked at here: it cannot be written')
        return self._session.ask(sql, values, patience=patience)


def _executing(row: tuple[Any, ...]) -> Executing:
    return Executing(Run(*row[:3]), *row[3:])


def _is_alive(lives: str, look: Any) -> bool:
    """Of whom nothing is known, it is not said that it is dead."""
    looked = looked_at(look)
    return lives != 'dead' and (looked is None or '"dead"' not in looked)

