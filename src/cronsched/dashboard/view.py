"""What a page has to work with, and what it gives back.

Example::

    def page(view: View) -> Page:
        known = view.job()
        return Page('job.html', {'job': known.job})

The data of a page is what its `.json` twin says, and all that its template
shows: times are UTC seconds, durations seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cronsched.dashboard.messages import NotThere, Request, Unreadable, link
from cronsched.dashboard.rights import Rights
from cronsched.dashboard.words import zone_of
from cronsched.ledger import KnownJob, Ledger, Pause, Row, Wanted
from cronsched.report.overview import row_data

__all__ = ['Page', 'View', 'only_timezone', 'run_data', 'timezone_of']


@dataclass(frozen=True, slots=True)
class Page:
    """`rows`: the key of the list that a table for a spreadsheet is made of."""

    template: str
    data: Mapping[str, Any]
    status: int = 200
    rows: str = ''
    #: For the template alone.
    drawn: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class View:
    """`now`: UTC seconds."""

    ledger: Ledger
    request: Request
    rights: Rights
    now: float
    links: Mapping[str, str] = field(default_factory=dict)

    def job(self) -> KnownJob:
        """The one that the query names. Raises `NotThere`."""
        application_id, name = self._named('application'), self._named('job')
        return find_job(self.ledger, application_id, name)

    def _named(self, key: str) -> str:
        # Untouched: a name may have blanks around it.
        value = self.request.values.get(key)
        if value is None:
            raise Unreadable(f'the address names no {key}: write {key}=...')
        return value

    def here(self, page: str, /, **changes: Any) -> str:
        """This page's address with other values."""
        return link(page, **{**self.request.values, **changes})

    def instant(self, key: str, timezone: str | None) -> int | None:
        """UTC seconds, or a local time as forms send it; None for nothing."""
        text = self.request.value(key)
        if not text:
            return None
        if text.removeprefix('-').isdigit() and text.isascii():
            return _checked(int(text[:15]), key)
        try:
            at = datetime.fromisoformat(text)
            local = at if at.tzinfo else at.replace(tzinfo=zone_of(timezone))
            return _checked(local.timestamp(), key)
        except (ValueError, OverflowError):
            raise Unreadable(
                f'{key}={text[:40]!r} is not a time: write {key}=2026-11-23T08:00'
            ) from None

    def run_data(self, row: Row) -> dict[str, Any]:
        return run_data(row, details=self.rights.may_operate)

    def pauses(self) -> dict[tuple[str | None, str], Pause]:
        return {(each.application_id, each.job): each for each in self.ledger.pauses()}


def find_job(ledger: Ledger, application_id: str, job: str) -> KnownJob:
    """Raises `NotThere`."""
    found, _ = ledger.find_jobs(Wanted(application_id=application_id, job=job, limit=1))
    if not found and '\r\n' in job:
        # From a form, which sends a line feed as two characters.
        return find_job(ledger, application_id, job.replace('\r\n', '\n'))
    if not found:
        raise NotThere(f'the ledger knows no job {job!r} of {application_id!r}')
    return found[0].known


def only_timezone(ledger: Ledger) -> str | None:
    """That of all jobs, if they have the same."""
    named = ledger.timezones()
    return named[0] if len(named) == 1 else None


def run_data(row: Row, *, details: bool) -> dict[str, Any]:
    """What an application said of an error is not for everybody."""
    data = row_data(row)
    if not details:
        data['detail'] = None
    return data


def timezone_of(job: KnownJob) -> str | None:
    return None if job.plan is None else job.plan.timezone


def _checked(at: float, key: str) -> int:
    # What a schedule can name: 1970 to 2199.
    if not 0 <= at < 7_258_118_400:
        raise Unreadable(f'{key} is not between 1970 and 2199')
    return int(at)
