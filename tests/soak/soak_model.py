"""What must have become of each scheduled time on a `soak_virtual.Machine`.

Example::

    assert faults(machine, first, last) == []

The rules are those of docs/time.md and docs/once.md, written down once more:
from the schedules, what the jobs did, and when all was calm. It does not
ask the scheduler.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from soak_virtual import APPLICATION, LOOK_NS, NS, Executed, Machine, Stretch

from cronsched._cronsched import seeded_offset
from cronsched.jobs.job import Job
from cronsched.ledger import Row

# Seconds within which what is due is done, and what was disturbed is calm again.
SOON = 5.0
# What a float of seconds may be off, in seconds.
ROUNDING = 0.001
# Within which a further attempt that is due is made: the process looks so often.
ATTEMPT_SOON = 2 * LOOK_NS / NS + SOON
# For how long a run is sent again to a worker whose ledger is locked.
PATIENCE = 10.0
# How long a run may wait for others of its job.
WAITS_NS = 3600 * NS
NOT_EXECUTED = ('skipped_overlap', 'missed')


def faults(machine: Machine, first: float, last: float) -> list[str]:
    """What is wrong with the scheduled times after `first` up to `last`."""
    rows: dict[str, list[Row]] = defaultdict(list)
    for row in machine.server.walk(application_id=APPLICATION):
        rows[row.run.job].append(row)
    found: list[str] = []
    for name, job in machine.jobs.items():
        done = [each for each in machine.done if each.job == name]
        judge = Judge(machine, job, rows[name], done)
        found += [f'{name} {fault}' for fault in judge.faults(first, last)]
    return found


class Judge:
    """Of one job."""

    def __init__(
        self, machine: Machine, job: Job, rows: list[Row], done: list[Executed],
    ) -> None:
        self.machine, self.job, self.all_done = machine, job, done
        self.policy = job.policy
        self.began = [each.began_ns for each in done]
        self.offset = seeded_offset(f'{APPLICATION}/{job.name}', self.policy.max_offset)
        self.single = {row.run.scheduled: row for row in rows if row.until is None}
        self.ranges = [row for row in rows if row.until is not None]
        self.done: dict[int, list[Executed]] = defaultdict(list)
        for each in done:
            self.done[each.scheduled].append(each)

    def faults(self, first: float, last: float) -> Iterator[str]:
        yield from self.at_once()
        yield from self.left_out()
        for scheduled in sorted({*self.scheduled(first, last), *self.done, *self.single}):
            if scheduled > last:
                break
            fault = self.fault_of(scheduled)
            if fault:
                yield (f'{scheduled}: {fault}; {self.single.get(scheduled)}, '
                       f'{self.ranges_of(scheduled)}, {self.done.get(scheduled)}')
        for scheduled, at_ns in self.calmly_passed(last):
            if fault := self.fault_if_calm(scheduled, at_ns):
                yield f'{scheduled}: {fault}; {self.single.get(scheduled)}'

    def scheduled(self, first: float, last: float) -> Iterator[int]:
        at = self.job.schedule.next_epoch(int(first))
        while at is not None and at + self.offset <= last:
            yield at
            at = self.job.schedule.next_epoch(at)

    def ranges_of(self, scheduled: int) -> list[Row]:
        return [each for each in self.ranges
                if each.run.scheduled <= scheduled <= (each.until or 0)]

    # -- whatever happened ------------------------------------------------------

    def fault_of(self, scheduled: int) -> str:
        done, row = self.done.get(scheduled, []), self.single.get(scheduled)
        if row is None:
            if done:
                return 'executed, and has no row'
            return '' if self.ranges_of(scheduled) else 'absent'
        for earlier, later in pairwise(done):
            if later.attempt <= earlier.attempt or later.began_ns < earlier.ended_ns:
                return 'executed twice'
        if any(each.attempt > self.policy.retries + 1 for each in done):
            return 'too many attempts'
        return self.early_or_late(scheduled, done) or self.told_wrongly(row, done)

    def early_or_late(self, scheduled: int, done: list[Executed]) -> str:
        if not done:
            return ''
        late = done[0].began - scheduled - self.offset
        if late < -ROUNDING and not self.was_due(scheduled, done[0].began_ns):
            return f'{-late} s early'
        most = self.policy.catch_up
        waits = self.policy.overlap == 'queue' or done[0].attempt > 1
        if most is not None and not waits and late > max(most, 1) + SOON:
            return f'{late} s late'
        return ''

    def was_due(self, scheduled: int, before_ns: int) -> bool:
        """By a clock that was set back since, while the run waited for another."""
        due = scheduled + self.offset
        return any(
            before_ns - WAITS_NS < at_of(each, each.wall_until) and each.from_ns < before_ns
            and each.wall_until >= due
            for each in self.machine.stretches[:-1])

    def told_wrongly(self, row: Row, done: list[Executed]) -> str:
        if row.state == 'failed' and row.status == 503 and self.was_locked(row):
            return ''   # no worker could claim it
        if not done:
            return '' if row.state in NOT_EXECUTED else 'never executed'
        last = done[-1]
        expected = last.outcome
        if (last.overdue and last.attempt <= self.policy.retries
                and not self.could_not_be_noted(last)):
            expected = 'timed_out'
        if row.state != expected or row.attempt != last.attempt:
            return f'not told as {expected}'
        return self.attempt_owed(row, last)

    def was_locked(self, row: Row) -> bool:
        return row.ended is not None and any(
            begin + PATIENCE <= row.ended + SOON and row.ended <= end + SOON
            for begin, end in self.machine.locked)

    def could_not_be_noted(self, last: Executed) -> bool:
        """That the sender gave up: the ledger was locked from then to the end."""
        gave_up = last.began + self.policy.timeout
        ended = last.began + (last.ended_ns - last.began_ns) / NS
        return any(begin <= gave_up and ended <= end + SOON
                   for begin, end in self.machine.locked)

    def attempt_owed(self, row: Row, last: Executed) -> str:
        """Another attempt follows, unless the next run is due before."""
        if (last.outcome == 'ok' and not last.overdue) or last.attempt > self.policy.retries:
            return ''
        wait = self.policy.backoff * 2 ** (last.attempt - 1) + ATTEMPT_SOON
        following = self.job.schedule.next_epoch(row.run.scheduled)
        for each in self.machine.stretches:
            ended = each.wall_from + (last.ended_ns - each.from_ns) / NS
            if (each.calm and each.from_ns < last.ended_ns and ended + wait < each.wall_until
                    and following is not None and ended + wait < following):
                return f'no further attempt within {wait} s'
        return ''

    def at_once(self) -> Iterator[str]:
        for earlier, later in pairwise(self.all_done):
            if later.began_ns < earlier.ended_ns or not earlier.ended_ns:
                yield f'{later} began before the end of {earlier}'

    def left_out(self) -> Iterator[str]:
        """Where no run is too late, the latest is executed for those before
        it; where each counts, each is."""
        if self.policy.catch_up is not None:
            return
        for row in [*self.ranges, *self.single.values()]:
            if row.state != 'missed':
                continue
            following = self.job.schedule.next_epoch(row.until or row.run.scheduled)
            if not self.policy.coalesce or following not in self.single:
                yield f'is never too late; {row}'

    # -- where nothing disturbed -----------------------------------------------

    def calmly_passed(self, last: float) -> Iterator[tuple[int, int]]:
        """Scheduled times, and when since the start of the machine."""
        for each in self.machine.stretches:
            until = min(each.wall_until - SOON, last)
            if each.calm:
                after = each.wall_from + SOON - self.offset
                for scheduled in self.scheduled(after, until):
                    yield scheduled, at_of(each, scheduled + self.offset)

    def fault_if_calm(self, scheduled: int, at_ns: int) -> str:
        if scheduled in self.done or self.executes(at_ns):
            return ''
        due = scheduled + self.offset
        if any(begin < due <= end for begin, end in self.machine.asleep):
            return ''   # told as missed; setting the clock back does not change that
        row = self.single.get(scheduled)
        if row is not None and row.status == 503 and self.was_locked(row):
            return ''
        if row is not None and row.state == 'skipped_overlap' and row.ended is not None and any(
                self.executes(at_of(each, row.ended)) for each in self.machine.stretches
                if each.wall_from - ROUNDING <= row.ended <= each.wall_until):
            return ''   # the clock went back since
        return f'not executed, though all was calm ({row.state if row else "missed"})'

    def executes(self, at_ns: int) -> bool:
        """Whether a run of the job did then. They do not overlap."""
        index = bisect_right(self.began, at_ns + NS // 1000)
        return any(
            not each.ended_ns or each.ended_ns + LOOK_NS + NS >= at_ns
            for each in self.all_done[max(index - 1, 0):index])


def at_of(stretch: Stretch, wall: float) -> int:
    return stretch.from_ns + round((wall - stretch.wall_from) * NS)
