"""Whether each run ended as what the jobs themselves wrote down.

Example::

    assert faults(directory, killed, 'flaky', range(first, last + 1, 3)) == []
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from soak_proof import rows_of

from cronsched.ledger import Row

# For states of runs that nobody executed.
NOT_EXECUTED = ('skipped_overlap',)


@dataclass
class Execution:
    """One line of `executions`, with its line of `ends` if it has one."""

    pid: int
    attempt: int
    began: float
    outcome: str | None = None   # None: it never came to its end
    ended: float | None = None


def executions_of(directory: Path, job: str) -> dict[int, list[Execution]]:
    """By scheduled time, in the order they began."""
    found: dict[int, list[Execution]] = defaultdict(list)
    for scheduled, pid, attempt, began in lines(directory / 'executions', job):
        found[int(scheduled)].append(Execution(int(pid), int(attempt), float(began)))
    for scheduled, attempt, outcome, ended in lines(directory / 'ends', job):
        for each in found[int(scheduled)]:
            if each.attempt == int(attempt) and each.outcome is None:
                each.outcome, each.ended = outcome, float(ended)
                break
    return found


def lines(path: Path, job: str) -> Iterator[list[str]]:
    for line in path.read_text().splitlines():
        name, *words = line.split()
        if name == job:
            yield words


def faults(
    directory: Path, killed: Iterable[int], job: str, scheduled: Iterable[int],
    skips: bool = False,
) -> list[str]:
    """What is not as it should be: doubled, absent, or told wrongly. `skips`:
    two runs of the job never execute at once."""
    done = executions_of(directory, job)
    rows = {row.run.scheduled: row for row in rows_of(directory, job)}
    dead = set(killed)
    found = [
        f'{job} {each}: {fault}, row {rows.get(each)}, {done.get(each, [])}'
        for each in scheduled
        if (fault := fault_of(rows.get(each), done.get(each, []), dead))
    ]
    return found + (at_once(job, done) if skips else [])


def fault_of(row: Row | None, done: list[Execution], dead: set[int]) -> str:
    if row is None:
        return 'absent'
    for earlier, later in pairwise(done):
        # Only what died is given again as the same attempt.
        if later.attempt <= earlier.attempt and earlier.pid not in dead:
            return 'double'
    if row.state == 'lost':
        return '' if row.pid in dead else 'lost, and nobody was killed'
    if row.state in NOT_EXECUTED:
        return 'executed' if done else ''
    if not done:
        # Its request died with the worker it waited for, and its sender gave up.
        never_began = row.state == 'timed_out' and row.started is None
        return '' if never_began else 'never executed'
    expected = done[-1].outcome or 'lost'
    return '' if row.state == expected else f'it was {expected}'


def at_once(job: str, done: dict[int, list[Execution]]) -> list[str]:
    all_of_them = sorted((each for runs in done.values() for each in runs),
                         key=lambda each: each.began)
    return [
        f'{job}: {later} began before the end of {earlier}'
        for earlier, later in pairwise(all_of_them)
        if earlier.ended is not None and later.began < earlier.ended
    ]
