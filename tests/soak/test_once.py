"""Every scheduled second has one row and one execution, whoever is killed.

The long form kills for five minutes, at least a hundred times; the short one
shows in `make test` that all of it works. Bounds of time are wide, as a busy
machine starts a Python process in seconds.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from soak_fleet import Fleet, fleet, until, visited
from soak_proof import account, executions, unanswered

KINDS = ('gunicorn', 'waitress', 'prefork')


def kill_and_account(kind, directory: Path, seconds, pauses):
    with fleet(kind, directory) as killed:
        kills, found = kill_all(killed, seconds, pauses)
    print(f'\n{kind}: {kills} kills, {found}')
    return kills, found


def kill_all(killed: Fleet, seconds, pauses):
    directory = killed.directory
    until(lambda: len(executions(directory)) >= 2)
    first = executions(directory)[0][0]
    kills = killed.kill_owners(seconds, pauses, seed=4)
    # What was under way when the last one died is caught up by now.
    settled = int(time.time())
    until(lambda: any(scheduled > settled + 2 for scheduled, _ in executions(directory)))
    found = account(directory, killed.killed, first, settled)
    assert found.is_right, found
    assert unanswered(directory, first, settled) == []
    return kills, found


@pytest.mark.parametrize('kind', KINDS)
def test_each_second_runs_once_while_owners_are_killed(kind, tmp_path):
    kills, found = kill_and_account(kind, tmp_path, 10, (0.5, 2.5))
    assert kills >= 2
    assert found.ok


def test_each_second_runs_once_under_the_mount_of_a_framework(tmp_path):
    with fleet('gunicorn', tmp_path, mount='onegov') as killed, visited(killed):
        kills, _ = kill_all(killed, 6, (0.5, 2.5))
    assert kills >= 2


@pytest.mark.soak
@pytest.mark.parametrize('kind', KINDS)
def test_each_second_runs_once_while_a_hundred_owners_are_killed(kind, tmp_path):
    kills, found = kill_and_account(kind, tmp_path, 300, (0.5, 3.0))
    assert kills >= 100
    assert found.ok > 200
