"""The time zones of the jobs in a table.

Example::

    zones = Zones(ledger.jobs())
    zones.of('org/zug', 'cleanup')      # a tzinfo
    zones.sentence(shown)               # 'Times are Europe/Zurich.'
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, tzinfo

from cronsched.base.text import printable
from cronsched.ledger import KnownJob
from cronsched.report.reasons import schedule_of

__all__ = ['Zones']


class Zones:
    """See the module. A job whose plan is not known has UTC."""

    def __init__(self, jobs: Iterable[KnownJob]) -> None:
        self._jobs = {(job.application_id, job.job): job for job in jobs}
        self._found: dict[str, tzinfo] = {}

    def of(self, application_id: str, job: str) -> tzinfo:
        known = self._jobs.get((application_id, job))
        if known is None or known.plan is None:
            return UTC
        name = known.plan.timezone
        if name not in self._found:
            schedule = schedule_of(known)
            self._found[name] = UTC if schedule is None else schedule.timezone
        return self._found[name]

    def of_application(self, application_id: str) -> tzinfo:
        """That of its first job."""
        first = next((key for key in self._jobs if key[0] == application_id), None)
        return UTC if first is None else self.of(*first)

    def sentence(self, jobs: Iterable[tuple[str, str]]) -> str:
        """In which zone the times of these jobs are."""
        plans = [known.plan for key in jobs if (known := self._jobs.get(key))]
        names = sorted({'UTC' if plan is None else plan.timezone for plan in plans})
        if len(names) == 1:
            return f'Times are {printable(names[0])}.'
        return f'Times are those of each job: {", ".join(map(printable, names))}.' if names else ''
