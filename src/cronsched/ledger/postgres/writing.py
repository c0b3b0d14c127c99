"""What a PostgreSQL ledger is told besides runs; see `cronsched.ledger.protocol`.
Each method calls one function of the database."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from cronsched.base.pieces import pieces
from cronsched.ledger.known import Declared, Owner, Plan, Seen
from cronsched.ledger.postgres.looking import looked_at
from cronsched.ledger.postgres.reading import Reading
from cronsched.ledger.postgres.records import declaration, storable
from cronsched.ledger.values import Due, Run

__all__ = ['Writing', 'random_token']

SEEN_AT_ONCE: Final = 500
PRUNED_AT_ONCE: Final = 1000


class Writing(Reading):
    """See the module."""

    def drop_attempt(self, due: Due) -> None:
        run = due.run
        self._write('SELECT cronsched.drop_attempt_v1(%s, %s, %s, %s)',
                    (run.application_id, run.job, run.scheduled, self._at(None)))

    def seen(
        self, application_id: str, base_url: str,
        jobs: Iterable[str] | Mapping[str, Plan | Declared | None], at: float,
    ) -> None:
        told = dict(jobs) if isinstance(jobs, Mapping) else dict.fromkeys(jobs)
        self.see([Seen(application_id, base_url, told, at)])

    def see(self, seen: Iterable[Seen]) -> None:
        for piece in pieces(seen, SEEN_AT_ONCE):
            told = [{
                'id': each.application_id, 'base_url': each.base_url, 'at': each.at,
                'jobs': None if each.jobs is None else [
                    declaration(name, said) for name, said in each.jobs.items()],
            } for each in piece]
            self._write('SELECT cronsched.see_v1(%s::jsonb, %s)',
                        (json.dumps(told), self._member()))

    def own(self, owners: Iterable[Owner]) -> None:
        told = [[each.application_id, each.address, each.code_root, each.implicit, each.since]
                for each in owners]
        self._write('SELECT cronsched.own_v1(%s::jsonb, %s)', (json.dumps(told), self._member()))

    def disown(self, application_ids: Iterable[str]) -> None:
        self._write('SELECT cronsched.disown_v1(%s::text[], %s)',
                    (list(application_ids), self._member()))

    def give_up(self, members: Collection[int]) -> list[Run]:
        return [Run(*row) for row in self._write(
            'SELECT * FROM cronsched.give_up_v1(%s::bigint[], %s)',
            (list(members), self._at(None)))]

    def pause(
        self, application_id: str | None, job: str, *, note: str = '', at: float = 0.0,
        by: str = '',
    ) -> None:
        self._write('SELECT cronsched.pause_v1(%s, %s, %s, %s, %s)',
                    (application_id, job, storable(note), at, storable(by)))

    def resume(self, application_id: str | None, job: str) -> None:
        self._write('SELECT cronsched.resume_v1(%s, %s)', (application_id, job))

    def request_run(self, application_id: str, job: str, at: float, *, by: str = '') -> Run:
        scheduled: int = self._write('SELECT cronsched.request_run_v1(%s, %s, %s, %s, %s)',
                                (application_id, job, int(at), by, random_token()))[0][0]
        return Run(application_id, job, scheduled)

    def prune(self, before: float) -> int:
        # In small bites, so that no vacuum and no standby waits for long.
        pruned: int = 0
        last = 0
        while True:
            bite, reached = self._write('SELECT pruned, last FROM cronsched.prune_v1(%s, %s, %s)',
                                        (before, last, PRUNED_AT_ONCE))[0]
            pruned += bite
            if not bite:
                break
            last = reached
        member = self._member()
        look = self._session.ask('SELECT cronsched.old_members_v1(%s, %s)', (member, before))[0][0]
        self._write('SELECT cronsched.forget_members_v1(%s, %s::jsonb, %s)',
                    (member, looked_at(look), before))
        return pruned


def random_token() -> int:
    """Of one claim, or request: 64 random bits, as PostgreSQL's bigint."""
    return int.from_bytes(secrets.token_bytes(8), 'big', signed=True)
