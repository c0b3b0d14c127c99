"""What a PostgreSQL ledger is told besides runs; see `cronsched.ledger.protocol`.
Each method calls one function of the database."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from cronsched.base.pieces import pieces
from cronsched.ledger.postgres.reading import Reading
from cronsched.ledger.postgres.records import declaration, storable
from cronsched.ledger.values import Declared, Due, Owner, Plan, Run, Seen

__all__ = ['Writing']

SEEN_AT_ONCE: Final = 500


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
