"""Missed runs of many application ids, logged in few lines.

Example::

    missed.add(app, job, Missed(run, until, 3), stood=False)
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
from cronsched.scheduler.telling import Telling
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
    apps: list[BoundApplication] = field(default_factory=list)
    runs: list[Missed] = field(default_factory=list)

    def text(self) -> str:
        first = min(each.run.scheduled for each in self.runs)
        last = max(each.until for each in self.runs)
        count = sum(each.count for each in self.runs)
        when = time_of(self.job, first)
        if last != first:
            when += f' to {time_of(self.job, last)}'
        return f'{self._who()} missed {count} run(s), of {when}'

    def fields(self) -> dict[str, Any]:
        """Of a line for several application ids, what they have in common."""
        first = self.runs[0].run
        if len({app.application_id for app in self.apps}) == 1:
            return fields(first.application_id, first.job, first.scheduled, outcome='missed')
        return {'cron_job': first.job, 'cron_outcome': 'missed'}

    def _who(self) -> str:
        names = list(dict.fromkeys(app.application_id for app in self.apps))
        if len(names) == 1:
            return name(self.apps[0], self.job)
        more = ', ...' if len(names) > NAMED else ''
        return (f'{printable(self.job.name)} of {len(names)} application ids '
                f'({", ".join(map(printable, names[:NAMED]))}{more})')


class MissedRuns:
    """See the module."""

    def __init__(self) -> None:
        self.records: list[Missed] = []
        self._by_job: dict[tuple[int, bool], _OfJob] = {}

    def add(self, app: BoundApplication, job: Job, missed: Missed, stood: bool) -> None:
        self.records.append(missed)
        key = id(job), stood
        of_job = self._by_job.get(key)
        if of_job is None:
            of_job = self._by_job[key] = _OfJob(job)
        of_job.apps.append(app)
        of_job.runs.append(missed)

    def tell(self, telling: Telling, at: float) -> None:
        for (_, stood), of_job in self._by_job.items():
            tell_missed(of_job.text(), of_job.fields(), stood=stood)
            for app, missed in zip(of_job.apps, of_job.runs, strict=True):
                scheduled = missed.run.scheduled
                telling.tell(
                    'ended', app, of_job.job, scheduled,
                    due=app.due_of(of_job.job, scheduled), at=at, attempt=0, outcome='missed',
                    missed=missed.count, until=missed.until, stood=stood)
