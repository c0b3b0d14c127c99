"""When how many calls are due, and what to write where they are too many.

Example::

    load = load_of(ledger.planned(), start=now, length=86400, step=60)
    load.counts[0]                       # calls in the first minute
    for herd in load.herds:
        print(herd.calls, herd.times, herd.advice)

The times are those of the schedules, and the delay of each call is that which
its owner has written to the ledger; no application is asked.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from cronsched.ledger import Plan, Planned
from cronsched.report.odd_days import runs_between
from cronsched.report.reasons import schedule_of_plan
from cronsched.schedule import Schedule

__all__ = ['Herd', 'Load', 'Member', 'load_of']

# Scheduled times that are looked at; a longer extent is cut.
MOST_TIMES: Final = 400_000
MOST_HERDS: Final = 10
MOST_MEMBERS: Final = 8
# Fewer calls in a minute are no herd.
SMALLEST_HERD: Final = 5
# Of the calls of a herd: a plan with less does not make it another one.
SHARE: Final = 0.05
# Calls of one job for which a delay helps more than another minute.
MANY: Final = 20
DELAYS: Final = (60, 120, 300, 900, 1800, 3600)
CALM: Final = 30      # calls a minute


@dataclass(frozen=True, slots=True)
class Member:
    """A job in a herd: its calls, and what to write instead ('' for nothing)."""

    job: str
    expression: str
    calls: int
    advice: str


@dataclass(frozen=True, slots=True)
class Herd:
    """So many calls are due in the largest of the minutes `times`, and about as
    many in the others."""

    calls: int
    peak: int                   # in one second
    times: tuple[int, ...]
    members: tuple[Member, ...]
    others: int                 # jobs that are not named


@dataclass(frozen=True, slots=True)
class Load:
    """`counts`: calls due in each step from `start` on. `length` is shorter
    than asked for where there is too much to count."""

    start: int
    length: int
    step: int
    counts: Sequence[int]
    herds: Sequence[Herd]
    unknown: int                # jobs whose plan cannot be read here


@dataclass(slots=True)
class _Group:
    """The jobs of one plan."""

    plan: Plan
    schedule: Schedule
    jobs: list[Planned] = field(default_factory=list)


def load_of(
    jobs: Iterable[Planned], *, start: int, length: int, step: int = 60, herds: bool = True,
) -> Load:
    """`step` is whole minutes, in seconds."""
    groups, unknown = _groups(jobs)
    start = start // step * step
    length = _affordable(groups, start, length, step)
    counts = [0] * (length // step)
    at: dict[int, list[tuple[_Group, int]]] = defaultdict(list)
    for group in groups:
        for minute, calls in _minutes(group, start, start + length):
            counts[(minute - start) // step] += calls
            if herds:
                at[minute].append((group, calls))
    return Load(start, length, step, counts, list(_herds(at)) if herds else [], unknown)


def _groups(jobs: Iterable[Planned]) -> tuple[list[_Group], int]:
    groups: dict[Plan, _Group] = {}
    unknown = 0
    for each in jobs:
        if each.plan not in groups:
            schedule = schedule_of_plan(each.plan)
            if each.plan is None or schedule is None:
                unknown += each.jobs
                continue
            groups[each.plan] = _Group(each.plan, schedule)
        groups[each.plan].jobs.append(each)
    return list(groups.values()), unknown


def _affordable(groups: list[_Group], start: int, length: int, step: int) -> int:
    """So long that the times can be counted: each plan is tried for an hour."""
    tried = sum(
        sum(1 for _ in runs_between(group.schedule, start, start + 3600)) for group in groups
    )
    hours = MOST_TIMES // max(tried, 1)
    return min(length, max(hours * 3600, step) // step * step)


def _minutes(group: _Group, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The minutes in which calls are due, and how many."""
    delays: Counter[int] = Counter()
    for each in group.jobs:
        delays[each.delay] += each.jobs
    found: Counter[int] = Counter()
    longest = max(delays)
    for at in runs_between(group.schedule, start - longest, end):
        for delay, calls in delays.items():
            due = at + delay
            if start <= due < end:
                found[due // 60 * 60] += calls
    yield from found.items()


def _herds(at: dict[int, list[tuple[_Group, int]]]) -> Iterator[Herd]:
    """The largest, those of mostly the same jobs as one."""
    alike: dict[tuple[int, ...], list[tuple[int, int]]] = defaultdict(list)
    for minute, groups in at.items():
        total = sum(calls for _, calls in groups)
        if total >= SMALLEST_HERD:
            most = tuple(id(group) for group, calls in groups if calls >= total * SHARE)
            alike[most].append((-total, minute))
    largest = sorted(min(minutes) for minutes in alike.values())[:MOST_HERDS]
    minutes_of = {min(minutes): [at for _, at in minutes] for minutes in alike.values()}
    for key in largest:
        yield _herd([group for group, _ in at[key[1]]], key[1], sorted(minutes_of[key]))


def _herd(groups: list[_Group], minute: int, times: list[int]) -> Herd:
    """As it is in its largest minute."""
    seconds: Counter[int] = Counter()
    calls: Counter[tuple[str, int]] = Counter()
    for index, group in enumerate(groups):
        for each, due in _due(group, minute):
            seconds[due] += each.jobs
            calls[each.job, index] += each.jobs
    members = [
        Member(name, groups[index].plan.expression, count,
               _advice(groups[index].schedule, count, len(calls)))
        for (name, index), count in calls.most_common(MOST_MEMBERS)
    ]
    return Herd(
        sum(calls.values()), max(seconds.values(), default=0), tuple(times), tuple(members),
        len(calls) - len(members),
    )


def _due(group: _Group, minute: int) -> Iterator[tuple[Planned, int]]:
    for each in group.jobs:
        for at in runs_between(group.schedule, minute - each.delay, minute + 60 - each.delay):
            yield each, at + each.delay


def _advice(schedule: Schedule, calls: int, jobs: int) -> str:
    """What spreads the calls of one job, or gets it out of the way of others."""
    if calls >= MANY:
        now = schedule.next_epoch(0) or 0
        pause = (schedule.next_epoch(now) or now + DELAYS[-1] * 2) - now
        fitting = [delay for delay in DELAYS if delay <= pause / 2]
        if not fitting:
            return 'run it less often: it comes again before its calls could be spread'
        enough = [delay for delay in fitting if calls * 60 / delay <= CALM]
        delay = (enough or fitting[-1:])[0]
        return f'max_offset={delay}: about {calls * 60 // delay or 1} a minute'
    instead = _with_hash(schedule.expression)
    return f'{instead!r}: its name chooses the minute' if instead and jobs > 1 else ''


def _with_hash(expression: str) -> str | None:
    """The same with a minute that is chosen by the job's name."""
    fields = expression.split()
    index = 0 if len(fields) == 5 else 1
    if len(fields) < 5:
        return None
    minute = fields[index]
    if minute.isdigit():
        fields[index] = 'H'
    elif minute.startswith('*/') and minute[2:].isdigit():
        fields[index] = f'H{minute[1:]}'
    else:
        return None
    return ' '.join(fields)
