"""Why a run did not happen, or what became of it, as one sentence.

Example::

    explain(ledger, job, 1792000800, now=time.time()).sentence
    # 'The run of 2026-10-14 20:00:00 CEST was skipped: the job was paused:
    # moving to the new server.'

Every scheduled time has an answer, also one that the ledger has no row for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Final

from cronsched.errors import CronError
from cronsched.ledger import KnownJob, Ledger, Plan, Row, Run
from cronsched.schedule import Schedule

__all__ = ['Answer', 'explain', 'schedule_of', 'schedule_of_plan', 'time_text']

SENTENCES: Final = {
    'ok': 'ran from {started} to {ended}, ok',
    'running': 'has been running since {started}, in process {pid} on {host}',
    'queued': 'waits until the previous run has ended',
    'failed': 'ran at {started} and failed',
    'timed_out': 'was given up by its sender at {ended}, after its timeout',
    'unreachable': 'was sent, but no server answered until {ended}',
    'skipped_overlap': 'was skipped: the previous run was still executing',
    'skipped_paused': 'was skipped: the job was paused',
    'lost': 'was started at {started} and lost: its process died before it ended',
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of the run `scheduled` (UTC seconds). `state` is None where
    the ledger has no row."""

    application_id: str
    job: str
    scheduled: int
    state: str | None
    sentence: str


def explain(
    ledger: Ledger, job: KnownJob, scheduled: int, *, now: float, details: bool = True,
) -> Answer:
    """What became of one run of `job`. Without `details`, the text of the
    application (an error message) is left out. Raises `LedgerError`."""
    row = ledger.find(Run(job.application_id, job.job, scheduled))
    if row is not None and not details:
        row = row._replace(detail=None)
    what = _not_scheduled(job, scheduled, row)
    if what is not None:
        row = None
    elif row is None:
        what = _without_row(ledger, job, scheduled, now)
    else:
        what = _tell_missed(ledger, job, row) if row.state == 'missed' else _tell_row(job, row)
    sentence = f'The run of {time_text(scheduled, _zone(job))} {what}.'
    state = None if row is None else row.state
    return Answer(job.application_id, job.job, scheduled, state, sentence)


def schedule_of(job: KnownJob) -> Schedule | None:
    """When the job runs, where its plan is known and can be read here."""
    return schedule_of_plan(job.plan)


def schedule_of_plan(plan: Plan | None) -> Schedule | None:
    if plan is None:
        return None
    try:
        return Schedule(plan.expression, plan.timezone, seed=plan.seed)
    except CronError:
        return None


def time_text(at: float | None, zone: tzinfo | None = None) -> str:
    """A time for people, to the second, in `zone` or UTC."""
    if at is None:
        return '-'
    return format(datetime.fromtimestamp(at, zone or UTC), '%Y-%m-%d %H:%M:%S %Z')


def _zone(job: KnownJob) -> tzinfo | None:
    schedule = schedule_of(job)
    return None if schedule is None else schedule.timezone


def _tell_row(job: KnownJob, row: Row) -> str:
    zone = _zone(job)
    # What was never claimed was not started either.
    started = row.started if row.started is not None else row.ended
    sentence = SENTENCES[row.state].format(
        started=time_text(started, zone), ended=time_text(row.ended, zone),
        pid=row.pid, host=row.host)
    if row.status is not None and row.state != 'ok':
        sentence += f', with status {row.status}'
    if row.detail:
        sentence += f': {row.detail}'
    if row.attempt > 1:
        sentence += f' (attempt {row.attempt})'
    return sentence + _tell_what_follows(row, zone)


def _tell_what_follows(row: Row, zone: tzinfo | None) -> str:
    if row.state == 'running':
        gave_up = row.gave_up is not None
        return f'; its timeout passed at {time_text(row.gave_up, zone)}' if gave_up else ''
    if row.late:
        return f'; its timeout had passed at {time_text(row.gave_up, zone)}'
    if row.next_attempt is None or row.state == 'queued':
        return ''
    return f'; attempt {row.attempt + 1} is due at {time_text(row.next_attempt, zone)}'


def _tell_missed(ledger: Ledger, job: KnownJob, row: Row) -> str:
    zone = _zone(job)
    before = _neighbour(ledger, job, until=row.run.scheduled - 1)
    since = job.since if before is None else before.ended
    sentence = (
        f'was missed: nothing ran the jobs of the application from {time_text(since, zone)} on, '
        f'and at {time_text(row.ended, zone)} it was too late, or was replaced by a later run')
    if row.count > 1:
        sentence += (
            f'; {row.count} runs were missed, from {time_text(row.run.scheduled, zone)} '
            f'to {time_text(row.until, zone)}')
    return sentence + (f': {row.detail}' if row.detail else '')


def _not_scheduled(job: KnownJob, scheduled: int, row: Row | None) -> str | None:
    """That the schedule does not name the time, unless it has a row itself:
    a run asked for by hand, or of a schedule that was changed since."""
    schedule, zone = schedule_of(job), _zone(job)
    if schedule is None or (row is not None and row.run.scheduled == scheduled):
        return None
    if schedule.matches_epoch(scheduled):
        return None
    before = time_text(schedule.previous_epoch(scheduled), zone)
    after = time_text(schedule.next_epoch(scheduled), zone)
    return f'is not scheduled: {schedule.expression!r} names {before} before and {after} after it'


def _without_row(ledger: Ledger, job: KnownJob, scheduled: int, now: float) -> str:
    """Of a run that should have a row: what is known of the time around it."""
    zone = _zone(job)
    if scheduled > now:
        return 'is not due yet'
    if scheduled < int(job.since):
        return f'is not known: the job was first seen at {time_text(job.since, zone)}'
    before = _neighbour(ledger, job, until=scheduled - 1)
    after = _neighbour(ledger, job, since=scheduled + 1)
    first = 'none' if before is None else f'that of {time_text(before.run.scheduled, zone)}'
    if after is None:
        return (f'has no record; the last is {first}. It is about to be sent, or nothing runs the '
                'jobs of the application now')
    return (f'has no record; the one before is {first}, the one after that of '
            f'{time_text(after.run.scheduled, zone)}. Nothing ran the jobs of the application '
            'between, or the record is older than what is kept')


def _neighbour(
    ledger: Ledger, job: KnownJob, *, since: int | None = None, until: int | None = None,
) -> Row | None:
    """The first run since, or the last until."""
    rows = ledger.history(
        application_id=job.application_id, job=job.job, since=since, until=until, limit=1,
        oldest_first=since is not None)
    return rows[0] if rows else None
