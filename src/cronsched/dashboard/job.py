"""One job: when it runs, what the clocks do to it, how it went, and what may be
done with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

from cronsched.dashboard.charts import Cell, bars, calendar, median, percentile
from cronsched.dashboard.view import Page, View, timezone_of
from cronsched.dashboard.words import zone_of
from cronsched.ledger import KnownJob, Owner, Wanted
from cronsched.report.odd_days import odd_days
from cronsched.report.overview import executing_data
from cronsched.report.reasons import schedule_of
from cronsched.schedule import Schedule
from cronsched.schedule.english.lint import lint
from cronsched.schedule.english.moves import move_of

__all__ = ['page']

NEXT: Final = 10
RUNS: Final = 100
FEWEST: Final = 30         # places of the chart
LISTED: Final = 20
DAYS: Final = 90
DAY: Final = 86400
CHART: Final = (720, 96)


def page(view: View) -> Page:
    known = view.job()
    key = known.application_id, known.job
    schedule = schedule_of(known)
    rows = view.ledger.histories([key], limit=RUNS)[key]
    pauses = view.pauses()
    pause = pauses.get(key) or pauses.get((None, known.job))
    executing = [each for each in view.ledger.executing(known.application_id)
                 if each.run.job == known.job]
    return Page('job.html', {
        'application_id': known.application_id, 'job': known.job,
        'state': _standing(view, known),
        **_plan(known, schedule, view.now),
        'options': _options(known), 'place': known.place,
        'since': known.since, 'planned': known.planned, 'declared': known.declared,
        'last_success': known.last_success,
        'paused': pause and {
            'application_id': pause.application_id, 'note': pause.note, 'at': pause.at,
            'by': pause.by},
        'executing': [executing_data(each, view.now) for each in executing],
        'owner': _owner(view.ledger.owners([known.application_id]).get(known.application_id)),
        'median': median(rows), 'p95': percentile(rows, 0.95),
        'runs': [view.run_data(row) for row in rows[:LISTED]],
        'more': len(rows) > LISTED,
    }, drawn={
        'bars': bars(rows, *CHART, max(len(rows), FEWEST)), 'drawn_runs': len(rows),
        'longest': max((each.ended - each.started for each in rows
                        if each.ended and each.started), default=None),
        'cells': _calendar(view, known),
    })


def _standing(view: View, known: KnownJob) -> str:
    found, _ = view.ledger.find_jobs(Wanted(
        application_id=known.application_id, job=known.job, limit=1))
    return found[0].state


def _plan(known: KnownJob, schedule: Schedule | None, now: float) -> dict[str, Any]:
    plan = known.plan
    data: dict[str, Any] = {
        'expression': plan.expression if plan else None,
        'timezone': timezone_of(known), 'words': known.words, 'offset': known.offset,
        'next': [], 'odd_days': [], 'findings': [],
    }
    if schedule is None or not known.declared:
        return data
    return data | {
        'words': known.words or schedule.describe(),
        'next': [
            {'scheduled': at, 'due': at + known.offset, 'move': _move(schedule, at)}
            for at in islice(_times(schedule, int(now)), NEXT)
        ],
        'odd_days': [each._asdict() for each in odd_days(schedule, now)],
        'findings': [str(each) for each in lint(schedule)],
    }


def _times(schedule: Schedule, after: int) -> Iterator[int]:
    at = schedule.next_epoch(after)
    while at is not None:
        yield at
        at = schedule.next_epoch(at)


def _move(schedule: Schedule, at: int) -> str | None:
    move = move_of(schedule, at)
    return None if move is None else str(move)


def _options(known: KnownJob) -> list[dict[str, Any]]:
    """As they were declared: name, value, and where the value comes from."""
    try:
        given = json.loads(known.options or '{}')
        return [
            {'name': name, 'value': value, 'source': source}
            for name, (value, source) in given.items()
        ]
    except (ValueError, TypeError, AttributeError):
        return []    # of another version


def _owner(owner: Owner | None) -> dict[str, Any] | None:
    return None if owner is None else {
        'host': owner.host, 'pid': owner.pid, 'since': owner.since, 'alive': owner.alive,
        'address': owner.address,
    }


def _calendar(view: View, known: KnownJob) -> list[Cell]:
    """Of days as the job's zone has them now."""
    zone = zone_of(timezone_of(known))
    offset = datetime.fromtimestamp(view.now, zone).utcoffset()
    assert offset is not None
    east = int(offset.total_seconds())
    today = (int(view.now) + east) // DAY * DAY - east
    first = today - (DAYS - 1) * DAY
    tallies = view.ledger.tally(
        known.application_id, known.job, since=first, until=today + DAY, step=DAY)
    days = [datetime.fromtimestamp(first + east + each * DAY, UTC) for each in range(DAYS)]
    labels = [f'{day:%a} {day.day} {day:%b}' for day in days]
    return calendar(tallies, first, DAYS, days[0].weekday(), labels)
