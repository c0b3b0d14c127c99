"""An unsigned request, where that is allowed (OneGov's mount with
`strict=False`, and in its tests): it claims a run of its own.

Example::

    granted = claim_unsigned(ledger, 'org/zug', job, policy)

So it is in the history, waits for no other run and is not beside one, and
starts nothing that is paused. Its scheduled time is one that the schedule does
not name, so that it takes the place of no other run.
"""

from __future__ import annotations

from typing import Final

from cronsched.base import clock
from cronsched.jobs.job import Job
from cronsched.jobs.options import Policy
from cronsched.ledger import Claim, Ledger, Run

__all__ = ['claim_unsigned']

# At most this many in as many seconds are distinct; more are duplicates.
MOST_AT_ONCE: Final = 60


def claim_unsigned(ledger: Ledger, application_id: str, job: Job, policy: Policy) -> Claim:
    """Ask to execute the job now. Raises `LedgerError`."""
    now = int(clock.now())
    answer = Claim(Run(application_id, job.name, now), 'duplicate')
    for scheduled in _free_times(job, now):
        answer = ledger.claim(
            Run(application_id, job.name, scheduled),
            overlap='allow' if policy.overlap == 'allow' else 'skip',
            timeout=policy.timeout,
        )
        if answer.verdict not in ('duplicate', 'executing', 'replayed'):
            break
    return answer


def _free_times(job: Job, now: int) -> list[int]:
    seconds = range(now, now - MOST_AT_ONCE, -1)
    free = [each for each in seconds if not job.schedule.matches_epoch(each)]
    # A job of each second has none; those that are over have run, or never will.
    return free or list(seconds[1:])
