"""Everything that happens to a clock, to owners and to the ledger, for
thousands of hours of virtual time, by chance: the soak of `test_mixed` with
what cannot be done to a machine that others use.

Each scheduled time has one record, is executed at most once for an attempt,
and left out only where the rules say so.
"""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from soak_model import faults
from soak_nets import take_away
from soak_virtual import NS, Machine, by_chance

from cronsched.jobs.job import Job

START = 1_792_000_000.0 + 7 * 86_400     # two days before the clocks go back in Europe

# Expression, options; and how it behaves: from and to how many seconds, what share fails.
JOBS = {
    'plain': ('*/10 * * * *', {}, (0, 5, 0.0)),
    'spread': ('*/11 * * * *', {'max_offset': 30}, (0, 1, 0.0)),
    'fixed': ('30 2,4,16 * * *', {'timezone': 'Europe/Zurich'}, (0, 60, 0.0)),
    'skips': ('*/5 * * * *', {'overlap': 'skip'}, (10, 900, 0.0)),
    'queues': ('*/7 * * * *', {'overlap': 'queue'}, (10, 900, 0.0)),
    'flaky': ('*/15 * * * *', {'retries': 2, 'backoff': 60}, (0, 20, 0.5)),
    'hangs': ('*/20 * * * *', {'retries': 1, 'timeout': 120}, (5, 300, 0.2)),
    'punctual': ('*/6 * * * *', {'catch_up': 30}, (0, 2, 0.1)),
    'any_late': ('3 * * * *', {'catch_up': None}, (0, 30, 0.0)),
    'each': ('*/9 * * * *', {'catch_up': None, 'coalesce': False}, (0, 60, 0.1)),
}
# How often, beside each other.
TROUBLE = {
    'nothing': 30, 'forward a bit': 6, 'back a bit': 6, 'forward an hour': 3,
    'back three hours': 3, 'suspend': 4, 'restart': 4, 'kill': 6, 'two owners': 3,
    'lock': 4, 'lock for long': 1,
}
SETTLE = 3 * 3600


def make_jobs() -> dict[str, Job]:
    made = {}
    for name, (expression, options, _) in JOBS.items():
        given = {'timezone': 'UTC', 'max_offset': 0, **options}
        made[name] = Job(lambda: None, expression=expression, name=name, **given)
    return made


def make_trouble(machine: Machine, chance: random.Random) -> str:
    kind, = chance.choices([*TROUBLE], [*TROUBLE.values()])
    match kind:
        case 'forward a bit':
            machine.step(5)
        case 'back a bit':
            machine.step(-5)
        case 'forward an hour':
            machine.step(3600)
        case 'back three hours':
            machine.step(-10_800)
        case 'suspend':
            machine.suspend(chance.choice([10, 300, 2000, 14_400]))
        case 'restart':
            machine.leave()
            machine.run(chance.choice([0.5, 20, 900]))
            machine.boot()
        case 'kill':
            machine.kill()
            machine.run(chance.choice([0.3, 5, 900]))
            machine.boot()
        case 'two owners':
            machine.boot()
            machine.run(chance.uniform(0, 1800))
            machine.kill()
        case 'lock' | 'lock for long':
            machine.lock()
            machine.run(3 if kind == 'lock' else 1000)
            machine.unlock()
    return kind


def suffer(directory: Path, seed: int, hours: float) -> list[str]:
    """Returns what is wrong in the end."""
    chance, made = random.Random(seed), Counter[str]()
    behave = by_chance(random.Random(seed + 1), {name: row[2] for name, row in JOBS.items()})
    with Machine(directory, make_jobs(), behave, START) as machine:
        machine.boot()
        latest = machine.wall
        while machine.now_ns < hours * 3600 * NS:
            machine.run(chance.choice([chance.uniform(0, 60), chance.uniform(0, 2400)]))
            made[make_trouble(machine, chance)] += 1
            latest = max(latest, machine.wall)
        machine.run(latest - machine.wall + SETTLE)
        found = faults(machine, START, machine.wall - 3600)
    print(f'\nseed {seed}, {hours} h: {len(machine.done)} executed, {dict(made)}, '
          f'{len(found)} faults')
    return found


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / 'own').mkdir(mode=0o700)
    return tmp_path / 'own'


@pytest.mark.parametrize(('seed', 'hours'), [
    (7, 10),
    *(pytest.param(seed, 1000, marks=pytest.mark.soak) for seed in (8, 9, 10)),
])
def test_each_scheduled_time_has_its_end(directory: Path, seed: int, hours: float) -> None:
    assert suffer(directory, seed, hours) == []


@pytest.mark.parametrize(('net', 'fault'), [
    ('claim', 'began before the end of'), ('catch_up', 'absent'),
    ('attempts', 'no further attempt'),
])
def test_without_one_of_the_nets_the_model_finds_it(
    directory: Path, net: str, fault: str, monkeypatch: pytest.MonkeyPatch,
) -> None:
    take_away(net, monkeypatch.setattr)
    assert [each for each in suffer(directory, 4, 4) if fault in each]
