"""The first page: the jobs, the next and the last run of each, and how they
stand. A job of many application ids is one line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, Final

from cronsched.dashboard.charts import median, paths, percentile
from cronsched.dashboard.messages import Unreadable
from cronsched.dashboard.view import Page, View, timezone_of
from cronsched.dashboard.words import STATES
from cronsched.ledger import GONE, Found, Pause, Plan, Row, Standing, Wanted
from cronsched.report.reasons import schedule_of_plan

__all__ = ['page']

SIZE: Final = 50
RUNS: Final = 30
# With more application ids, a job is one line.
MANY: Final = 20
ORDERS: Final = {
    'application': 'application_id', 'job': 'job', 'last': 'newest', 'state': 'state',
    'next': 'next',
}
BAD: Final = ('failed', 'timed_out', 'unreachable', 'lost', 'missed')
SPARK: Final = (90, 18)


def page(view: View) -> Page:
    applications = [each.application_id for each in view.ledger.applications()]
    chosen = any(
        view.request.value(key) for key in ('q', 'state', 'view')
    ) or 'application' in view.request.values or 'job' in view.request.values
    if len(applications) > MANY and not chosen:
        standings = view.ledger.standings()
        states: Counter[str] = Counter()
        for each in standings:
            states[each.state] += each.count
        return _grouped(view, standings, _strip(view, states, applications))
    return _listed(view, _strip(view, view.ledger.states(), applications))


def _strip(
    view: View, states: Mapping[str, int], applications: Sequence[str],
) -> dict[str, Any]:
    owners = view.ledger.owners()
    unowned = [
        each for each in applications if each not in owners or not owners[each].alive
    ]
    return {
        'jobs': sum(states.values()) - states.get('gone', 0),
        'applications': len(applications),
        'states': dict(states),
        'unowned': len(unowned),
        'unowned_ids': unowned[:5],
        'executing': len(view.ledger.executing()),
        'paused': len(view.ledger.pauses()),
    }


# -- one line for each name

def _grouped(view: View, standings: Sequence[Standing], strip: dict[str, Any]) -> Page:
    groups = [list(each) for _, each in groupby(standings, lambda one: one.job)]
    number = view.request.number('page', 1, 1 + len(groups) // SIZE)
    shown = groups[(number - 1) * SIZE:number * SIZE]
    pauses = view.pauses()
    rows = [_group(view, group, pauses) for group in shown]
    return Page('jobs.html', {
        'grouped': True, 'strip': strip, 'rows': rows, 'total': len(groups), 'page': number,
        'pages': -(-len(groups) // SIZE) or 1, **_filters(view),
    })


def _group(
    view: View, group: Sequence[Standing], pauses: dict[tuple[str | None, str], Pause],
) -> dict[str, Any]:
    # One of those in the code, if there is any.
    first = next((each for each in group if each.state != GONE), group[0])
    found, _ = view.ledger.find_jobs(Wanted(
        application_id=first.application_id, job=first.job, limit=1))
    alike = {each.words for each in group}
    known = found[0].known
    return {
        'job': first.job,
        'words': alike.pop() if len(alike) == 1 else None,
        'timezone': timezone_of(known),
        'applications': sum(each.count for each in group),
        'states': {each.state: each.count for each in group},
        'newest': max((each.newest for each in group if each.newest), default=None),
        'next': _next(known.plan, view.now) if known.declared else None,
        'paused': _pause(pauses.get((None, first.job))),
        'paused_in': sum(
            1 for application_id, job in pauses if job == first.job and application_id),
    }


# -- one line for each job

def _listed(view: View, strip: dict[str, Any]) -> Page:
    wanted = _wanted(view)
    found, total = _found(view, wanted)
    keys = [(each.known.application_id, each.known.job) for each in found]
    histories = view.ledger.histories(keys, limit=RUNS)
    pauses = view.pauses()
    rows = [
        _row(view, each, histories[each.known.application_id, each.known.job], pauses)
        for each in found
    ]
    drawn = [paths(histories[key], *SPARK, RUNS) for key in keys]
    return Page('jobs.html', {
        'grouped': False, 'strip': strip, 'rows': rows, 'total': total,
        'page': wanted.skip // SIZE + 1, 'pages': -(-total // SIZE) or 1, **_filters(view),
    }, drawn={'sparks': drawn})


def _wanted(view: View) -> Wanted:
    request = view.request
    number = request.number('page', 1, 1_000_000)
    chosen = request.value('state')
    if chosen not in ('', 'bad') and chosen not in STATES:
        raise Unreadable(f'state={chosen[:20]!r} is none: write one of {", ".join(STATES)}')
    order = request.value('sort') or 'application'
    if order.removeprefix('-') not in ORDERS:
        raise Unreadable(f'sort={order[:20]!r}: write one of {", ".join(ORDERS)}')
    return Wanted(
        text=request.value('q'),
        application_id=request.values.get('application'),
        job=request.values.get('job'),
        states=BAD if chosen == 'bad' else (chosen,) if chosen else (),
        order=ORDERS[order.removeprefix('-')],  # type: ignore[arg-type]  # 'next' is ours
        descending=order.startswith('-'),
        limit=SIZE,
        skip=(number - 1) * SIZE,
    )


def _found(view: View, wanted: Wanted) -> tuple[list[Found], int]:
    if ORDERS[(view.request.value('sort') or 'application').removeprefix('-')] != 'next':
        return view.ledger.find_jobs(wanted)
    # When a plan names the next run, its schedule knows and not the ledger.
    return view.ledger.find_jobs(replace(
        wanted, order='rank', rank=lambda plan: _next(plan, view.now)))


def _row(
    view: View, found: Found, history: Sequence[Row],
    pauses: dict[tuple[str | None, str], Pause],
) -> dict[str, Any]:
    known = found.known
    key = known.application_id, known.job
    last = history[0] if history else None
    return {
        'application_id': known.application_id, 'job': known.job,
        'words': known.words, 'expression': known.plan.expression if known.plan else None,
        'timezone': timezone_of(known), 'place': known.place, 'offset': known.offset,
        'next': _next(known.plan, view.now) if known.declared else None,
        'state': found.state,
        'last': None if last is None else view.run_data(last),
        'median': median(history), 'p95': percentile(history, 0.95),
        'outcomes': [row.state for row in history],
        'paused': _pause(pauses.get(key) or pauses.get((None, known.job))),
    }


def _next(plan: Plan | None, now: float) -> int | None:
    schedule = schedule_of_plan(plan)
    return None if schedule is None else schedule.next_epoch(int(now))


def _pause(pause: Pause | None) -> dict[str, Any] | None:
    return None if pause is None else {
        'application_id': pause.application_id, 'note': pause.note, 'at': pause.at,
        'by': pause.by,
    }


def _filters(view: View) -> dict[str, Any]:
    values = view.request.values
    return {
        'q': view.request.value('q'), 'state': view.request.value('state'),
        'sort': view.request.value('sort'), 'application': values.get('application'),
        'job': values.get('job'),
    }
