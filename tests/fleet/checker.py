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
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ['Execution', 'Record', 'Scheduled', 'Stated', 'check', 'figures', 'read']

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


class Record:
    """What was written down so far, of a file that grows."""

    def __init__(self, path: Path) -> None:
        self._path, self._offset = path, 0
        self._found: list[Execution] = []
        self._newest: dict[str, Execution] = {}

    def all(self) -> list[Execution]:
        with suppress(FileNotFoundError), open(self._path, 'rb') as file:
            file.seek(self._offset)
            lines, end, _ = file.read().rpartition(b'\n')
            self._offset += len(lines) + len(end)
            new = read(lines.decode().splitlines())
            self._found += new
            self._newest |= {each.run.application_id: each for each in new}
        return self._found

    def owners(self) -> dict[str, str]:
        """Which host has which application id, by the newest execution."""
        self.all()
        return {name: each.host for name, each in self._newest.items()}


def check(
    executions: Iterable[Execution], rows: Iterable[Stated], wanted: Iterable[Scheduled],
    now: float = inf,
) -> list[str]:
    """What is wrong, in words; nothing if all is well. `wanted`: every
    scheduled time that must have a row. `now`: by the clock of the database."""
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
          for run, state in states.items() if state in EXECUTED and run not in ran
          # Refused to a sender whose clock was ahead, it is made when it comes.
          and run.scheduled <= now),
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


def figures(
    executions: Iterable[Execution], rows: Iterable[Stated], wanted: Iterable[Scheduled],
) -> str:
    """How many runs were wanted, and what became of them, in a line."""
    rows = list(rows)
    states = {row.run: row.state for row in rows}
    spans = [row for row in rows if row.until not in (None, row.run.scheduled)]
    states |= {row.run._replace(scheduled=each): row.state for row in spans
               for each in range(row.run.scheduled, (row.until or 0) + 1)}
    runs = list(wanted)
    ran = {each.run for each in executions}
    became = Counter(states.get(run, 'absent') for run in runs)
    return (f'{len(runs):,} runs wanted, {len(ran):,} executed; the rows say '
            + ', '.join(f'{name} {count:,}' for name, count in became.most_common()))
