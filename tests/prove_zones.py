"""The whole proof of the rule of the clocks: every IANA zone, every
transition from 2000 to 2037, fixed and interval-based expressions around it,
next, previous and matches, against `zone_oracle`.

    python tests/prove_zones.py            # all
    python tests/prove_zones.py Europe/Zurich Africa/Casablanca
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from multiprocessing import Pool
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from zone_oracle import EPOCH_ORDINAL, Clock, Examination, Pattern, wall_minute

from cronsched import Schedule

FIRST_YEAR, LAST_YEAR = 2000, 2037
HOUR = 60
AROUND = 6 * HOUR  # examined at each side of what a transition changes
STEP = 7  # minutes between two probes away from any edge
SHOWN_FAULTS = 20


class Outcome(NamedTuple):
    zone: str
    transitions: int
    expressions: int
    questions: int
    faults: list[str]


def utc_minute(year: int) -> int:
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) // 60


def transitions(zone: ZoneInfo, first_year: int, last_year: int) -> Iterator[int]:
    """Every minute of UTC at which the clock is set, found by reading it
    each hour and then, where it was set, each minute."""
    start, end = utc_minute(first_year), utc_minute(last_year + 1)
    before = wall_minute(start, zone)
    for minute in range(start + HOUR, end, HOUR):
        wall = wall_minute(minute, zone)
        if wall != before + HOUR:
            yield next(
                at
                for at in range(minute - HOUR + 1, minute + 1)
                if wall_minute(at, zone) != wall_minute(at - 1, zone) + 1
            )
        before = wall


def expressions(first: int, end: int) -> Iterator[str]:
    """Those that mean something around the local minutes [first, end) that
    are skipped or shown twice."""
    middle = (first + end) // 2
    on = date.fromordinal(EPOCH_ORDINAL + middle // (24 * HOUR))
    hour, minute = middle // HOUR % 24, middle % 60
    later = min(hour + 2, 23)
    weekday = on.isoweekday() % 7
    for wall in {first - 1, first, middle, end - 1, end}:
        yield f'{wall % 60} {wall // HOUR % 24} * * *'
    yield '0 0 * * *'
    yield f'{minute},{(minute + 25) % 60} {hour},{(hour + 1) % 24} * * *'
    yield f'20,40 {minute} {hour} * * *'
    yield f'{minute} {hour} {on.day} {on.month} *'
    yield f'{minute} {hour} * * {weekday}'
    yield f'{minute} {hour} {on.day} * +{weekday}'
    yield f'{minute} {hour} 17 {on.month} {(weekday + 1) % 7}'
    yield '*/15 * * * *'
    yield f'{minute} * * * *'
    yield f'* {hour} * * *'
    yield f'10-20 {hour}-{later} * * *'
    yield f'*/20 {hour} {on.day} {on.month} *'
    yield f'5 */2 * * {weekday}'


def examine(name: str, minute: int) -> tuple[int, int, list[str]]:
    """(expressions, questions, faults) around one transition."""
    zone = ZoneInfo(name)
    before = wall_minute(minute - 1, zone) + 1
    after = wall_minute(minute, zone)
    around = AROUND + abs(after - before)
    clock = Clock(zone, minute - around, minute + around)
    asked = questions = 0
    faults: list[str] = []
    for text in expressions(*sorted((before, after))):
        examination = Examination(Schedule(text, timezone=name), Pattern(text), clock)
        faults += (f'{name}: {fault}' for fault in examination.faults(STEP))
        questions += examination.questions
        asked += 1
    return asked, questions, faults


def prove(name: str) -> Outcome:
    found = list(transitions(ZoneInfo(name), FIRST_YEAR, LAST_YEAR))
    outcomes = [examine(name, minute) for minute in found]
    return Outcome(
        name,
        len(found),
        sum(asked for asked, _, _ in outcomes),
        sum(questions for _, questions, _ in outcomes),
        [fault for _, _, faults in outcomes for fault in faults],
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('zones', nargs='*', help='default: all of them')
    parser.add_argument('--processes', type=int, default=None)
    arguments = parser.parse_args()
    names = arguments.zones or sorted(available_timezones())
    started = time.monotonic()
    outcomes: list[Outcome] = []
    with Pool(arguments.processes) as pool:
        for outcome in pool.imap_unordered(prove, names):
            outcomes.append(outcome)
            for fault in outcome.faults[:SHOWN_FAULTS]:
                print(fault, file=sys.stderr)
            if len(outcomes) % 50 == 0:
                print(f'{len(outcomes)} of {len(names)} zones', flush=True)
    faults = sum(len(outcome.faults) for outcome in outcomes)
    print(
        f'{len(outcomes)} zones,'
        f' {sum(o.transitions for o in outcomes):,} transitions'
        f' from {FIRST_YEAR} to {LAST_YEAR},'
        f' {sum(o.expressions for o in outcomes):,} expressions,'
        f' {sum(o.questions for o in outcomes):,} questions,'
        f' {faults:,} wrong answers,'
        f' {time.monotonic() - started:.0f} s'
    )
    return faults != 0


if __name__ == '__main__':
    sys.exit(main())
