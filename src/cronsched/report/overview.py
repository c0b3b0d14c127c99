"""What is known of a job and of a run, as data for JSON: times are UTC seconds."""

from __future__ import annotations

import time
from collections import defaultdict
from math import floor
from typing import Any

from cronsched.ledger import Executing, KnownJob, Ledger, Row
from cronsched.report.reasons import schedule_of

__all__ = ['Statuses', 'executing_data', 'row_data', 'took_of']


class Statuses:
    """What is known of all jobs at this moment, in as many questions as there
    are kinds of them."""

    def __init__(self, ledger: Ledger) -> None:
        self._latest = ledger.latest()
        self._paused = ledger.paused()
        self._executing = defaultdict(list)
        for each in ledger.executing():
            self._executing[each.run.application_id, each.run.job].append(each)

    def of(self, job: KnownJob) -> dict[str, Any]:
        key = job.application_id, job.job
        row, now = self._latest.get(key), time.time()
        schedule = schedule_of(job)
        return {
            'application_id': job.application_id,
            'job': job.job,
            'scheduled': (row.until or row.run.scheduled) if row else None,
            'state': row.state if row else None,
            'took': took_of(row) if row else None,
            'started': row.started if row else None,
            'requested': row.requested if row else False,
            'detail': row.detail if row else None,
            'last_success': job.last_success,
            # That whose call is still to come: the offset is part of the wait.
            'next': schedule.next_epoch(floor(now - job.offset)) if schedule else None,
            'offset': job.offset,
            'timezone': schedule.zone.name if schedule else None,
            'declared': job.declared,
            'paused': self._paused.get(key, self._paused.get((None, job.job))),
            'next_attempt': row.next_attempt if row else None,
            'executing': [executing_data(each, now) for each in self._executing[key]],
        }


def executing_data(each: Executing, now: float) -> dict[str, Any]:
    return {
        'scheduled': each.run.scheduled, 'attempt': each.attempt, 'started': each.started,
        'host': each.host, 'pid': each.pid, 'thread': each.thread,
        'overdue': each.is_overdue(now),
    }


def row_data(row: Row) -> dict[str, Any]:
    data = row._asdict()
    run = data.pop('run')
    return {
        'application_id': run.application_id, 'job': run.job, 'scheduled': run.scheduled,
        **data, 'took': took_of(row),
    }


def took_of(row: Row) -> float | None:
    if row.started is None or row.ended is None:
        return None
    return round(row.ended - row.started, 3)
