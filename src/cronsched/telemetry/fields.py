"""What each line of the log about a run carries beside its text.

Example::

    log.info('...', extra=fields(application_id='shop', job='cleanup', attempt=2))

A formatter for JSON (python-json-logger, structlog's `ExtraAdder`) picks the
fields up. Each begins with `cron_`, so that it meets no other.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from cronsched._cronsched import run_id

__all__ = ['NAMES', 'fields']

#: All of them; a record carries those that are known.
NAMES: Final = (
    'cron_application', 'cron_job', 'cron_run', 'cron_scheduled', 'cron_due', 'cron_attempt',
    'cron_outcome', 'cron_duration_s', 'cron_lateness_s',
)


def fields(
    application_id: str,
    job: str | None = None,
    scheduled: int | None = None,
    *,
    due: float | None = None,
    attempt: int | None = None,
    outcome: str | None = None,
    took: float | None = None,
    lateness: float | None = None,
) -> dict[str, Any]:
    """Instants are given in UTC seconds, and are ISO 8601 in the fields."""
    found = {
        'cron_application': application_id,
        'cron_job': job,
        'cron_attempt': attempt or None,
        'cron_outcome': outcome,
        'cron_duration_s': took,
        'cron_lateness_s': lateness,
    }
    if job is not None and scheduled is not None:
        found['cron_run'] = run_id(application_id, job, scheduled)
        found['cron_scheduled'] = _iso(scheduled)
    if due is not None:
        found['cron_due'] = _iso(due)
    return {name: value for name, value in found.items() if value is not None}


def _iso(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).isoformat()
