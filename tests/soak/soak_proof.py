"""What the ledger says, beside what was really executed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cronsched.ledger import Row, Run
from cronsched.ledger.sqlite import SQLiteLedger
from cronsched.report.reasons import explain


def open_ledger(directory: Path) -> SQLiteLedger:
    """That of the fleet, as `own_directories` places it."""
    return SQLiteLedger(directory / 'state' / 'cronsched' / 'ledger.sqlite3')


def executions(directory: Path, job: str = 'tick') -> list[tuple[int, int]]:
    """Scheduled time and process of each execution, in the order they began."""
    try:
        lines = (directory / 'executions').read_text().splitlines()
    except FileNotFoundError:
        return []
    words = [line.split() for line in lines]
    return [(int(each[1]), int(each[2])) for each in words if each[0] == job]


def rows_of(directory: Path, job: str = 'tick') -> list[Row]:
    """All of a job's, oldest first, after those that died were recorded."""
    ledger = open_ledger(directory)
    try:
        ledger.recover(time.time())
        return ledger.history(job=job, limit=1_000_000, oldest_first=True)
    finally:
        ledger.close()


@dataclass
class Account:
    """What became of every scheduled second from `first` to `last`."""

    first: int
    last: int
    ok: int = 0
    lost: list[int] = field(default_factory=list)
    double: list[int] = field(default_factory=list)     # executed twice
    absent: list[int] = field(default_factory=list)     # no row
    wrong: list[str] = field(default_factory=list)      # row and execution differ

    def __str__(self) -> str:
        return (
            f'{self.last - self.first + 1} scheduled, {self.ok} ok, {len(self.lost)} lost, '
            f'{len(self.double)} double, {len(self.absent)} absent, {len(self.wrong)} wrong'
        )

    @property
    def is_right(self) -> bool:
        return not (self.double or self.absent or self.wrong)


def account(
    directory: Path, killed: Iterable[int], first: int, last: int, job: str = 'tick',
) -> Account:
    """The claim "once": one row and one execution for each second, but for a
    run whose own executing process was killed."""
    done = Counter(scheduled for scheduled, _ in executions(directory, job))
    rows = {row.run.scheduled: row for row in rows_of(directory, job)}
    found, dead = Account(first, last), set(killed)
    for scheduled in range(first, last + 1):
        row, times = rows.get(scheduled), done[scheduled]
        if times > 1:
            found.double.append(scheduled)
        if row is None:
            found.absent.append(scheduled)
        elif row.state == 'lost' and row.pid in dead and times <= 1:
            found.lost.append(scheduled)
        elif row.state == 'ok' and times == 1:
            found.ok += 1
        else:
            found.wrong.append(f'{scheduled}: {row}, executed {times} times')
    return found


def unanswered(directory: Path, first: int, last: int, job: str = 'tick') -> list[str]:
    """Where "why did it not run?" finds no row and no missed range."""
    ledger = open_ledger(directory)
    known = next(each for each in ledger.jobs() if each.job == job)
    try:
        answers = [
            explain(ledger, known, scheduled, now=time.time())
            for scheduled in range(first, last + 1)
        ]
        assert ledger.find(Run(known.application_id, job, last)) is not None
        return [each.sentence for each in answers if each.state is None]
    finally:
        ledger.close()
