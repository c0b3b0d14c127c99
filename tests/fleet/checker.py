"""Whether what was executed is what the ledger says, and what it should be.

Example::

    problems = check(executions, rows, wanted)
    figures(executions, rows)

Each view writes down that it begins and ends; that is the truth, whatever the
ledger says. A run that begins and does not end was killed, or goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final, NamedTuple

__all__ = ['Execution', 'Scheduled', 'Stated', 'check', 'read']

#: Ends of runs that were not executed, and of those that were: the views here
#: never fail by themselves. After any other nobody can know.
NOT_EXECUTED: Final = frozenset(('missed', 'skipped_overlap', 'skipped_paused'))
EXECUTED: Final = frozenset(('ok', 'failed', 'timed_out'))


class Scheduled(NamedTuple):
    application_id: str
    job: str
    scheduled: int


class Execution(NamedTuple):
    phase: str          # began or ended
    run: Scheduled
    attempt: int
    host: str
    pid: int
    at: float


class Stated(NamedTuple):
    """A row of the history, for all times from `run` to `until`."""

    run: Scheduled
    state: str
    until: int | None = None
    epoch: int = 0


def read(lines: Iterable[str]) -> list[Execution]:
    found = []
    for line in lines:
        phase, app, job, scheduled, attempt, host, pid, at = line.split()
        found.append(Execution(
            phase, Scheduled(app, job, int(scheduled)), int(attempt), host, int(pid), float(at)))
    return found


def check(
    executions: Iterable[Execution], rows: Iterable[Stated], wanted: Iterable[Scheduled],
) -> list[str]:
    """What is wrong, in words; nothing if all is well. `wanted`: every
    scheduled time that must have a row."""
    executions, rows = list(executions), list(rows)
    began = Counter((each.run, each.attempt) for each in executions if each.phase == 'began')
    ran = {run for run, _ in began}
    states = {row.run: row.state for row in rows}
    return [
        *(f'executed {count} times: {run} attempt {attempt}'
          for (run, attempt), count in began.items() if count > 1),
        *(f'executed, and there is no row: {run}' for run in ran if run not in states),
        *(f'executed, and the row says {states[run]}: {run}'
          for run in ran if states.get(run) in NOT_EXECUTED),
        *(f'never executed, and the row says {state}: {run}'
          for run, state in states.items() if state in EXECUTED and run not in ran),
        *(f'two rows: {run}'
          for run, count in Counter(row.run for row in rows).items() if count > 1),
        *_absent(rows, wanted),
    ]


def _absent(rows: list[Stated], wanted: Iterable[Scheduled]) -> Iterable[str]:
    covered = {
        row.run._replace(scheduled=each) for row in rows
        for each in range(row.run.scheduled, (row.until or row.run.scheduled) + 1)
    }
    for run in wanted:
        if run not in covered:
            yield f'absent, and no row says why: {run}'
