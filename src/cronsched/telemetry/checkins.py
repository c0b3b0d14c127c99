"""Check-ins of Sentry's Crons.

Example::

    @cron.job('0 3 * * *', timezone='Europe/Zurich', monitor=True)
    def vacuum(): ...

The process that makes the calls sends them, and no other: it knows also that
nobody executed a run, and that an attempt which failed is no failure yet.
`in_progress` when the first attempt is sent, `ok` or `error` with the outcome
of the run, always under the id of the run: what is sent again, by the next
owner, is the same check-in. Sentry has no word for a run that was skipped: it
is `ok`. One that was never sent has no check-in: Sentry says itself that it was
missed, and earlier; what it gets of us is an error.

Each brings the monitor's configuration along, so nothing is written in
Sentry. A schedule that Sentry's five fields cannot say has no monitor; that
is a line in the log when the first run is due.
"""

from __future__ import annotations

import logging
from math import ceil
from typing import Any, Final

from cronsched.jobs.job import Job
from cronsched.jobs.monitoring import Monitor
from cronsched.jobs.options import Policy
from cronsched.telemetry.crontab import five_fields, smallest_gap
from cronsched.telemetry.events import RunEvent
from cronsched.telemetry.fields import fields
from cronsched.telemetry.sentry import sdk
from cronsched.telemetry.slugs import slug

__all__ = ['Checkins']

log = logging.getLogger('cronsched.telemetry')

# What a request may take to be sent and claimed, in seconds.
MARGIN: Final = 30.0
MINUTE: Final = 60.0

STATUS: Final = {
    'ok': 'ok', 'skipped_overlap': 'ok', 'skipped_paused': 'ok',
    'failed': 'error', 'timed_out': 'error', 'unreachable': 'error', 'lost': 'error',
}


class Checkins:
    """See the module. Used by one thread."""

    def __init__(self) -> None:
        self._configurations: dict[tuple[Job, str], dict[str, Any] | None] = {}
        self._complained = False

    def tell(self, event: RunEvent, job: Job, policy: Policy) -> None:
        monitor, status = policy.monitor, _status(event)
        if monitor is None or status is None or not self._is_in_use(event):
            return
        configuration = self._configuration(job, policy, monitor)
        if configuration is None:
            return
        from sentry_sdk.crons import capture_checkin

        capture_checkin(
            monitor_slug=monitor.slug or slug(event.application_id, event.job),
            check_in_id=event.run_id.removeprefix('run_'),
            status=status,
            duration=event.took,
            monitor_config=configuration,  # type: ignore[arg-type]
        )

    def _is_in_use(self, event: RunEvent) -> bool:
        sentry = sdk()
        if sentry is not None and sentry.get_client().is_active():
            return True
        if not self._complained:
            self._complained = True
            log.warning(
                'no check-in is sent for %s of %s: monitor= is given, and Sentry is not set up in '
                'this process: call sentry_sdk.init(...), or write monitor=False',
                event.job, event.application_id, extra=fields(event.application_id, event.job))
        return False

    def _configuration(
        self, job: Job, policy: Policy, monitor: Monitor,
    ) -> dict[str, Any] | None:
        # A schedule may be replaced, by new rules of its time zone.
        key = job, job.schedule.expression
        if key not in self._configurations:
            self._configurations[key] = configuration(job, policy, monitor)
            if self._configurations[key] is None:
                log.warning(
                    'the job %s has no monitor in Sentry, which cannot say %r: write '
                    'monitor=False, or ping= of a service that can',
                    job.name, job.schedule.expression)
        return self._configurations[key]


def configuration(job: Job, policy: Policy, monitor: Monitor) -> dict[str, Any] | None:
    """As Sentry wants it; None where it cannot say the schedule."""
    value = None if job.once else five_fields(job.schedule)
    if value is None:
        return None
    said: dict[str, Any] = {
        'schedule': {'type': 'crontab', 'value': value},
        'timezone': job.schedule.zone.name,
        'checkin_margin': monitor.checkin_margin or _margin(job, policy),
        'max_runtime': monitor.max_runtime or max(ceil(policy.timeout / MINUTE), 1),
    }
    for name in ('failure_issue_threshold', 'recovery_threshold', 'owner'):
        if getattr(monitor, name) is not None:
            said[name] = getattr(monitor, name)
    return said


def _margin(job: Job, policy: Policy) -> int:
    """Minutes that a run is late by design; less than until the next one."""
    late = max(ceil((policy.max_offset + MARGIN) / MINUTE), 1)
    return max(min(late, int(smallest_gap(job.schedule) / MINUTE) - 1), 1)


def _status(event: RunEvent) -> str | None:
    if event.kind == 'sent' and event.attempt == 1:
        return 'in_progress'
    if event.kind in ('ended', 'overdue'):
        if event.outcome == 'missed' and event.attempt:
            return 'error'   # it was sent, and nobody took it
        return STATUS.get(event.outcome or '')
    return None
