"""Three hosts whose clocks differ by ten seconds, of which one dies, and then the
primary server. What else may happen to them takes minutes: `make fleet`.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from laboratory import Laboratory, missing
from nemeses import kill_owner

SKEW = {'a': 5, 'c': -5}

# For what is late: the slowest clock, a takeover, and a second.
REST = 5 + 6 + 1


@pytest.fixture(scope='module')
def allowed() -> None:
    if reason := missing():
        pytest.skip(reason)


def test_a_host_and_the_primary_server_die(allowed: None, tmp_path: Path) -> None:
    with Laboratory(tmp_path, skew=SKEW, standby=True) as laboratory:
        laboratory.settle()
        first = int(time.time()) + max(SKEW.values()) + 1
        kill_owner(laboratory)   # and wait until another host fires
        laboratory.failover(lag=0.7)
        time.sleep(3)
        count = len(laboratory.record.all())
        laboratory.until(lambda: len(laboratory.record.all()) > count)
        last = int(time.time()) + min(SKEW.values())
        time.sleep(REST)
        laboratory.rest()
        problems = laboratory.problems(first, last)
        assert problems == [], '\n'.join([*problems[:20], laboratory.report()])
        # Of half a minute, three seconds in which the new server grants nothing
        # and each run that is due is asked for again each second.
        assert laboratory.requests_per_run() < 1.5
