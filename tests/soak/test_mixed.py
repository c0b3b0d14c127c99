"""Everything at once: owners and workers are killed, processes stand still,
servers reload, the ledger is locked, the runtime directory vanishes. Each run
has one row, and ended as what its job wrote down.

The same harness fails as soon as one of the nets is taken away. The long form
takes SOAK_SECONDS, ten minutes if nothing is said.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest
from soak_fleet import EACH_SECOND, MOUNTS, SLOW_START, Fleet, fleet, until
from soak_outcomes import executions_of, faults
from soak_proof import executions
from soak_trouble import Trouble

# For each job, every how many seconds it is scheduled.
STEPS = {'tick': 1, 'slow': 1, 'flaky': 3, 'late': 10}
JOBS = {
    'tick': EACH_SECOND | {'timeout': 60},
    'slow': EACH_SECOND | {'overlap': 'skip', 'timeout': 60},
    'flaky': EACH_SECOND | {
        'expression': '*/3 * * * * *', 'timeout': 60, 'retries': 2, 'backoff': 1,
    },
    'late': EACH_SECOND | {'expression': '*/10 * * * * *', 'timeout': 1},
}
SECONDS = float(os.environ.get('SOAK_SECONDS', '600'))


def suffer(
    directory: Path, kind: str, seconds: float, *, stopped: float, without: str = '',
) -> list[str]:
    """Returns what is wrong in the end."""
    mount = MOUNTS.get(kind, 'morepath')
    with fleet(kind, directory, jobs=JOBS, mount=mount, count=6, without=without) as running:
        until(lambda: len(executions(directory)) >= 2)
        first = executions(directory)[0][0]
        trouble = Trouble(running, random.Random(seconds), stopped)
        trouble.make(seconds)
        last = int(time.time())
        found = settle(running, first, last)
    assert last - first >= seconds
    told(kind, directory, trouble, first, last, found)
    return found


def settle(running: Fleet, first: int, last: int) -> list[str]:
    """What is wrong once all that was late has been caught up; what stays
    wrong stays so."""
    end = time.monotonic() + SLOW_START
    while (found := all_faults(running, first, last)) and time.monotonic() < end:
        time.sleep(1.0)
    return found


def all_faults(running: Fleet, first: int, last: int) -> list[str]:
    return [
        fault for job, step in STEPS.items()
        for fault in faults(
            running.directory, running.killed, job, skips=job == 'slow',
            scheduled=[each for each in range(first, last + 1) if each % step == 0],
        )
    ]


def told(
    kind: str, directory: Path, trouble: Trouble, first: int, last: int, found: list[str],
) -> None:
    runs = sum(len(executions_of(directory, job)) for job in STEPS)
    print(f'\n{kind}, {last - first} s: {runs} runs executed, {dict(trouble.made)}, '
          f'{len(found)} faults')


@pytest.mark.parametrize(('kind', 'seconds', 'stopped'), [
    ('gunicorn', 6, 3),
    *(pytest.param(kind, SECONDS, 20, marks=pytest.mark.soak)
      for kind in ('gunicorn', 'waitress', 'prefork', 'uwsgi', 'uvicorn')),
])
def test_each_run_ends_as_what_happened(tmp_path, kind, seconds, stopped):
    assert suffer(tmp_path, kind, seconds, stopped=stopped) == []


@pytest.mark.soak
@pytest.mark.parametrize('without', ['claim', 'catch_up'])
def test_without_one_of_the_nets_the_harness_finds_it(tmp_path, without):
    assert suffer(tmp_path, 'gunicorn', SECONDS / 5, stopped=10, without=without)
