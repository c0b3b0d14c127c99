"""Every scheduled second has one row and one execution, whoever is killed.

The long form kills for five minutes, at least a hundred times; the short one
shows in `make test` that all of it works. Bounds of time are wide, as a busy
machine starts a Python process in seconds.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from soak_fleet import fleet, until
from soak_proof import account, executions, unanswered

KINDS = ('gunicorn', 'waitress', 'prefork')


def kill_and_account(kind, directory: Path, seconds, pauses, mount='morepath', visits=False):
    with fleet(kind, directory, mount=mount) as killed:
        until(lambda: len(executions(directory)) >= 2)
        first = executions(directory)[0][0]
        kills = killed.kill_owners(seconds, pauses, seed=4)
        # What was under way when the last one died is caught up by now.
        settled = int(time.time())
        until(lambda: any(scheduled > settled + 2 for scheduled, _ in executions(directory)))
        found = account(directory, killed.killed, first, settled)
    print(f'\n{kind}, {mount}: {kills} kills, {found}')
    assert found.is_right, found
    assert unanswered(directory, first, settled) == []
    return kills, found


@pytest.mark.parametrize('kind', KINDS)
def test_each_second_runs_once_while_owners_are_killed(kind, tmp_path):
    kills, found = kill_and_account(kind, tmp_path, 10, (0.5, 2.5))
    assert kills >= 3
    assert found.ok


@pytest.mark.soak
@pytest.mark.parametrize('kind', KINDS)
def test_each_second_runs_once_while_a_hundred_owners_are_killed(kind, tmp_path):
    kills, found = kill_and_account(kind, tmp_path, 300, (0.5, 3.0))
    assert kills >= 100
    assert found.ok > 200
