"""Why a time has no run, or what became of it: every time has an answer."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from cronsched.dashboard.view import Page, View, timezone_of
from cronsched.ledger import KnownJob, Wanted
from cronsched.report.reasons import explain, schedule_of

__all__ = ['page']

MOST: Final = 50


def page(view: View) -> Page:
    values = view.request.values
    name, application_id = values.get('job'), values.get('application')
    jobs, total = _jobs(view, name, application_id)
    return Page('why.html', {
        'job': name, 'application': application_id, 'at': view.request.value('at'),
        'answers': [answer for each in jobs for answer in _answers(view, each)],
        'known': bool(jobs) or not name, 'total': total,
    })


def _jobs(
    view: View, name: str | None, application_id: str | None,
) -> tuple[list[KnownJob], int]:
    if not name:
        return [], 0
    found, total = view.ledger.find_jobs(Wanted(
        job=name, application_id=application_id or None, limit=MOST))
    return [each.known for each in found], total


def _answers(view: View, job: KnownJob) -> list[dict[str, Any]]:
    at = view.instant('at', timezone_of(job))
    if at is None:
        return []
    answer = explain(view.ledger, job, at, now=view.now, details=view.rights.may_operate)
    return [{**asdict(answer), 'timezone': timezone_of(job), 'near': _near(job, at)}]


def _near(job: KnownJob, at: int) -> list[int]:
    """The scheduled times around one that is none."""
    schedule = schedule_of(job)
    if schedule is None or schedule.matches_epoch(at):
        return []
    around = schedule.previous_epoch(at), schedule.next_epoch(at)
    return [each for each in around if each is not None]
