"""When how much is due: the calls of a day or a week by the minute, with the
delay of each, the herds among them, and what is in flight now.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from cronsched.dashboard.charts import columns
from cronsched.dashboard.flight import in_flight
from cronsched.dashboard.gantt import labels
from cronsched.dashboard.messages import Unreadable
from cronsched.dashboard.view import Page, View, only_timezone
from cronsched.report.herds import Herd, load_of

__all__ = ['page']

MINUTE, HOUR, DAY = 60, 3600, 86400
SPANS: Final = {'day': (DAY, 60), 'week': (7 * DAY, HOUR)}
CHART: Final = (960, 140)
MOST_TIMES: Final = 6
SEGMENTS: Final = {'day': 8, 'week': 7}


def page(view: View) -> Page:
    span = view.request.value('span') or 'day'
    if span not in SPANS:
        raise Unreadable(f'span={span[:20]!r}: write span=day or span=week')
    length, step = SPANS[span]
    jobs = view.ledger.planned()
    timezone = only_timezone(view.ledger)
    load = load_of(
        jobs, start=int(view.now) // HOUR * HOUR, length=length, step=step,
        herds=span == 'day')
    busiest = max(load.counts, default=0)
    executing = view.ledger.executing()
    return Page('load.html', {
        'span': span, 'timezone': timezone, 'start': load.start, 'length': load.length,
        'asked': length, 'step': load.step, 'unknown': load.unknown, 'busiest': busiest,
        'calls': sum(load.counts), 'counts': load.counts,
        'executing': len(executing), 'in_flight': in_flight(view.ledger, executing),
        'herds': [_herd(each, view.now) for each in load.herds],
        'hours': _hours(load.counts, load.start, load.step),
    }, drawn={
        'columns': list(columns(load.counts, load.start, load.step, *CHART)),
        'axis': labels(load.start, load.start + load.length, SEGMENTS[span], timezone),
    })


def _herd(herd: Herd, now: float) -> dict[str, Any]:
    # The hour has begun: what is past is told where nothing of it is to come.
    times = [at for at in herd.times if at > now - MINUTE] or list(herd.times)
    return {
        'calls': herd.calls, 'peak': herd.peak, 'times': times[:MOST_TIMES],
        'more_times': max(len(times) - MOST_TIMES, 0),
        'members': [
            {'job': each.job, 'expression': each.expression, 'calls': each.calls,
             'advice': each.advice}
            for each in herd.members
        ],
        'others': herd.others,
    }


def _hours(counts: Sequence[int], start: int, step: int) -> list[dict[str, int]]:
    """The same as a table: by the hour, or by the day of a week."""
    wide = HOUR if step < HOUR else DAY
    together = wide // step
    return [
        {'at': start + at * step, 'calls': sum(counts[at:at + together]),
         'busiest': max(counts[at:at + together])}
        for at in range(0, len(counts), together)
    ]
