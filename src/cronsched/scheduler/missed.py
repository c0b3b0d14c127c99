"""Missed runs of many application ids, logged in few lines.

Example::

    missed.add(app, job, Missed(run, until, 3), due, stood=False)
    missed.records             # for the ledger
    missed.tell(telling, at)   # 'cleanup of org/zug missed 3 run(s), ...'

An error where nothing ran in time. A warning where a later run replaced those
that were missed (`coalesce`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cronsched.base.text import printable
from cronsched.jobs.job import Job
from cronsched.ledger import Missed
from cronsched.scheduler.bound import BoundApplication
from cronsched.scheduler.safe_log import alarm, say
from cronsched.scheduler.telling import Telling, ToldMissed
from cronsched.scheduler.words import name, time_of
from cronsched.telemetry.fields import fields

__all__ = ['MissedRuns', 'tell_missed']

NAMED = 5   # application ids


def tell_missed(text: str, extra: Mapping[str, Any], *, stood: bool) -> None:
    if stood:
        say(logging.WARNING, '%s: a later run replaces them', text, extra=extra)
    else:
        alarm('%s: nothing ran in time', text, extra=extra)


@dataclass(slots=True)
class _OfJob:
    job: Job
    every: list[ToldMissed] = field(default_factory=list)

    def text(self) -> str:
        every = [missed for _, missed, _ in self.every]
        first = min(each.run.scheduled for each in every)
        last = max(each.until for each in every)
        when = time_of(self.job, first)
        if last != first:
            when += f' to {time_of(self.job, last)}'
        return f'{self._who()} missed {sum(each.count for each in every)} run(s), of {when}'

    def fields(self) -> dict[str, Any]:
        """Of a line for several application ids, what they have in common."""
        first = self.every[0][1].run
        if len(self._names()) == 1:
            return fields(first.application_id, first.job, first.scheduled, outcome='missed')
        return {'cron_job': first.job, 'cron_outcome': 'missed'}

    def _who(self) -> str:
        names = self._names()
        if len(names) == 1:
            return name(self.every[0][0], self.job)
        more = ', ...' if len(names) > NAMED else ''
        return (f'{printable(self.job.name)} of {len(names)} application ids '
                f'({", ".join(map(printable, names[:NAMED]))}{more})')

    def _names(self) -> list[str]:
        return list(dict.fromkeys([app.application_id for app, _, _ in self.every]))


class MissedRuns:
    """See the module."""

    def __init__(self) -> None:
        self.records: list[Missed] = []
        self._by_job: dict[tuple[int, bool], _OfJob] = {}

    def add(
        self, app: BoundApplication, job: Job, missed: Missed, due: float, stood: bool,
    ) -> None:
        self.records.append(missed)
        key = id(job), stood
        of_job = self._by_job.get(key)
        if of_job is None:
            of_job = self._by_job[key] = _OfJob(job)
        of_job.every.append((app, missed, due))

    def tell(self, telling: Telling, at: float) -> None:
        for (_, stood), of_job in self._by_job.items():
            tell_missed(of_job.text(), of_job.fields(), stood=stood)
            telling.tell_missed(of_job.job, of_job.every, at=at, stood=stood)
