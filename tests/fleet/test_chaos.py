"""Three hosts whose clocks differ by ten seconds, for as long as one likes, and
everything that may happen to them.

    make fleet MINUTES=40 RATE=90

Half of the time directly, with a standby that lags; half through pgbouncer, with
one that is synchronous. What the ledger says is compared with what was executed,
and figures are printed.
"""

from __future__ import annotations

import os
import shutil
import statistics
import time
from pathlib import Path

import pytest
from checker import figures
from laboratory import Laboratory, missing
from nemeses import Nemesis, greatest

pytestmark = pytest.mark.fleet

MINUTES = float(os.environ.get('FLEET_MINUTES', '5'))
RATE = int(os.environ.get('FLEET_RATE', '90'))      # runs a second
JOBS = 10                                           # of each application id
SKEW = {'a': 5, 'c': -5}
SYNCHRONOUS = {'synchronous_standby_names': '*'}

# A run that is later than this, in seconds, is recorded as missed: on a machine
# that is busy with other things, what the nemeses have delayed takes a while.
CATCH_UP = 600

# For what is late: the slowest clock, a takeover, and a second.
REST = 5 + 6 + 1


@pytest.fixture(scope='module', autouse=True)
def allowed() -> None:
    if reason := missing():
        pytest.skip(reason)


@pytest.mark.parametrize('pooler', [False, True], ids=['direct', 'pgbouncer'])
def test_every_run_happens_once_whatever_happens(tmp_path: Path, pooler: bool) -> None:
    if pooler and shutil.which('pgbouncer') is None:
        pytest.skip('pgbouncer is not installed')
    with Laboratory(
        tmp_path, ids=max(RATE // JOBS, 3), jobs=JOBS, skew=SKEW, standby=True, pooler=pooler,
        room='1g', settings=SYNCHRONOUS if pooler else None,
    ) as laboratory:
        laboratory.settle()
        first = int(time.time()) + max(SKEW.values()) + 1
        nemesis = Nemesis(laboratory, seed=13)
        try:
            nemesis.run(MINUTES / 2)
        finally:
            tell(laboratory, nemesis)
        end(laboratory, together=pooler)
        last = int(time.time()) + min(SKEW.values())
        took = laboratory.until(lambda: laboratory.caught_up(last), CATCH_UP + 300)
        print(f'caught up after {took:.0f} s')
        time.sleep(REST)
        laboratory.rest()
        problems = laboratory.problems(first, last)
        print(figures(laboratory.record.all(), laboratory.rows(), laboratory.wanted(first, last)))
        assert problems == [], '\n'.join([*problems[:20], laboratory.report()])
        assert laboratory.requests_per_run() <= 1.1
        assert max(max(took) for took in nemesis.takeovers.values()) <= 6.0


def end(laboratory: Laboratory, *, together: bool) -> None:
    """A failover. Of a synchronous standby, the owner may die with the server."""
    if together:
        host = greatest(laboratory)
        laboratory.failover(lag=0.0)
        host.kill()
        host.start()
    else:
        laboratory.failover(lag=1.5)
    time.sleep(8)


def tell(laboratory: Laboratory, nemesis: Nemesis) -> None:
    strikes = ', '.join(f'{name} {count}' for name, count in sorted(nemesis.strikes.items()))
    print(f'\n{sum(nemesis.strikes.values())} strikes: {strikes}; '
          f'{laboratory.way.lost} answers lost; {laboratory.convictions()} convictions; '
          f'{laboratory.requests_per_run():.3f} requests per run')
    for what, took in sorted(nemesis.takeovers.items()):
        print(f'  takeover, {what}: {statistics.median(took):.2f} s, at most {max(took):.2f} s '
              f'({len(took)} times)')
