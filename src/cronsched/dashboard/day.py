"""One day as a Gantt chart: a line for each job, what ran and for how long,
what did not, and what is still to come.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from cronsched.dashboard.gantt import Item, Mark, busy, labels, marks
from cronsched.dashboard.messages import Unreadable
from cronsched.dashboard.view import Page, View, timezone_of
from cronsched.dashboard.words import state, text_of, zone_of
from cronsched.ledger import KnownJob, Row, Wanted
from cronsched.report.odd_days import runs_between
from cronsched.report.reasons import schedule_of

__all__ = ['page']

SIZE: Final = 50
MOST_RUNS: Final = 1500      # of a job; one a minute is 1440
WIDTH: Final = 960
SEGMENTS: Final = 8
# A run that is due is not written yet.
GRACE: Final = 60
BAD: Final = ('failed', 'timed_out', 'unreachable', 'lost', 'missed')


def page(view: View) -> Page:
    request = view.request
    number = request.number('page', 1, 1_000_000)
    found, total = view.ledger.find_jobs(Wanted(
        text=request.value('q'), application_id=request.values.get('application'),
        job=request.values.get('job'), states=BAD if request.value('state') == 'bad' else (),
        limit=SIZE, skip=(number - 1) * SIZE))
    known = [each.known for each in found]
    timezone = _timezone(known)
    day = _date(view, timezone)
    start, end = _extent(day, timezone)
    histories = view.ledger.histories(
        [(each.application_id, each.job) for each in known], since=start, until=end - 1,
        limit=MOST_RUNS)
    lines = [
        _line(view, each, histories[each.application_id, each.job], start, end)
        for each in known
    ]
    items = [_items(line, view.now) for line in lines]
    return Page('day.html', {
        'date': day.isoformat(), 'timezone': timezone or 'UTC', 'start': start, 'end': end,
        'before': (day - timedelta(1)).isoformat(), 'after': (day + timedelta(1)).isoformat(),
        'jobs': lines, 'total': total, 'page': number, 'pages': -(-total // SIZE) or 1,
        'q': request.value('q'), 'state': request.value('state'),
        'application': request.values.get('application'), 'job': request.values.get('job'),
    }, drawn={
        'heading': f'{day:%A} {day.day} {day:%B %Y}',
        'marks': [_marks(line, each, start, end, view.now) for line, each in
                  zip(lines, items, strict=True)],
        'axis': labels(start, end, SEGMENTS, timezone),
        'busy': busy([each for one in items for each in one], start, end),
        'at': round((view.now - start) / (end - start) * WIDTH, 1)
        if start <= view.now < end else None,
    })


def _timezone(jobs: Sequence[KnownJob]) -> str | None:
    """Theirs, if they are of one."""
    named = {timezone_of(each) for each in jobs}
    return named.pop() if len(named) == 1 else None


def _date(view: View, timezone: str | None) -> date:
    text = view.request.value('date')
    if not text:
        return datetime.fromtimestamp(view.now, zone_of(timezone)).date()
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise Unreadable(f'date={text[:20]!r} is no date: write date=2026-11-23') from None
    if not 1971 <= found.year < 2199:
        raise Unreadable('date is not between 1971 and 2198')
    return found


def _extent(day: date, timezone: str | None) -> tuple[int, int]:
    """The day in its zone: 23 or 25 hours, where clocks change."""
    zone = zone_of(timezone)
    first, last = (
        datetime(each.year, each.month, each.day, tzinfo=zone).astimezone(UTC)
        for each in (day, day + timedelta(1))
    )
    return int(first.timestamp()), int(last.timestamp())


def _line(
    view: View, known: KnownJob, rows: Sequence[Row], start: int, end: int,
) -> dict[str, Any]:
    now, schedule = int(view.now), schedule_of(known)
    first = max(start, int(known.since) + 1, int(known.planned or 0) + 1)
    named = [] if schedule is None or not known.declared else [
        *runs_between(schedule, min(first, end), end)]
    due = now - int(known.offset) - GRACE
    return {
        'application_id': known.application_id, 'job': known.job,
        'timezone': timezone_of(known), 'words': known.words,
        'runs': [view.run_data(row) for row in rows],
        'planned': [at for at in named if at > now],
        'unrecorded': [] if len(rows) == MOST_RUNS else _unrecorded(
            (at for at in named if at < due), rows),
    }


def _unrecorded(named: Iterable[int], rows: Sequence[Row]) -> list[int]:
    """Scheduled times that nothing is known of."""
    known = {row.run.scheduled for row in rows}
    ranges = [(row.run.scheduled, row.until) for row in rows if row.until is not None]
    return [
        at for at in named
        if at not in known and not any(first <= at <= last for first, last in ranges)
    ]


def _items(line: dict[str, Any], now: float) -> list[Item]:
    """What was executed, in order."""
    found = [
        Item(run['started'], now if run['ended'] is None else run['ended'], run['state'],
             run['scheduled'])
        for run in line['runs'] if run['started'] is not None
    ]
    return sorted(found)


def _marks(
    line: dict[str, Any], items: list[Item], start: int, end: int, now: float,
) -> list[Mark]:
    instants = [
        Item(run['scheduled'], run['until'] or run['scheduled'], run['state'], run['scheduled'])
        for run in line['runs'] if run['started'] is None
    ]
    instants += [Item(at, at, 'unrecorded', at) for at in line['unrecorded']]
    planned = [Item(at, at, 'planned', at) for at in line['planned']]

    def told(name: str, count: int, at: float, last: float) -> str:
        when = text_of(at, line['timezone'], now)
        many = f'{count} times until {text_of(last, line["timezone"], now)}, ' if count > 1 else ''
        return f'{when}: {many}{state(name).word}'

    named = urlencode({'application': line['application_id'], 'job': line['job']})

    def place(name: str, count: int, at: int, last: int) -> str | None:
        if name in ('ok', 'planned'):
            return None      # too many to step through
        if count > 1 and name != 'unrecorded':
            return f'history?{named}&from={at}&to={last}'
        return f'{"why" if name == "unrecorded" else "run"}?{named}&at={at}'

    every = [*sorted([*planned, *items]), *sorted(instants)]
    return marks(every, start, end, WIDTH, told, place)
