"""Every scheduled second has one row and one execution, whoever is killed.

The long form kills for five minutes, at least a hundred times; the short one
shows in `make test` that all of it works. Bounds of time are wide, as a busy
machine starts a Python process in seconds.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from soak_fleet import MOUNTS, Fleet, fleet, until, visited
from soak_proof import account, executions, unanswered

KINDS = ('gunicorn', 'waitress', 'prefork')
# With those that `make servers` installs.
ALL_KINDS = (*KINDS, *MOUNTS)


def kill_and_account(kind, directory: Path, seconds, pauses):
    with fleet(kind, directory, mount=MOUNTS.get(kind, 'morepath')) as killed:
        kills, found = kill_all(killed, seconds, pauses)
    print(f'\n{kind}: {kills} kills, {found}')
    return kills, found


def kill_all(killed: Fleet, seconds, pauses):
    directory = killed.directory
    until(lambda: len(executions(directory)) >= 2)
    first = executions(directory)[0][0]
    kills = killed.kill_owners(seconds, pauses, seed=4)
    return kills, settle(killed, first)


def settle(killed: Fleet, first):
    """What became of every second, once what was under way is caught up."""
    directory, settled = killed.directory, int(time.time())
    until(lambda: any(scheduled > settled + 2 for scheduled, _ in executions(directory)))
    found = account(directory, killed.killed, first, settled)
    assert found.is_right, found
    assert unanswered(directory, first, settled) == []
    return found


@pytest.mark.parametrize('kind', KINDS)
def test_each_second_runs_once_while_owners_are_killed(kind, tmp_path):
    kills, found = kill_and_account(kind, tmp_path, 5, (0.5, 1.5))
    assert kills >= 2
    assert found.ok


def test_each_second_runs_once_under_the_mount_of_a_framework(tmp_path):
    with fleet('gunicorn', tmp_path, mount='onegov') as killed, visited(killed):
        kills, _ = kill_all(killed, 5, (0.5, 1.5))
    assert kills >= 2


@pytest.mark.parametrize(('kind', 'seconds'), [
    ('waitress', 5),
    *(pytest.param(kind, 120, marks=pytest.mark.soak) for kind in ALL_KINDS),
])
def test_each_second_runs_once_while_anybody_is_killed(kind, tmp_path, seconds):
    """Those that execute too: what they had claimed is lost, the rest is sent
    again."""
    chance = random.Random(5)
    with fleet(kind, tmp_path, mount=MOUNTS.get(kind, 'morepath')) as killed:
        until(lambda: len(executions(tmp_path)) >= 2)
        first, end = executions(tmp_path)[0][0], time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(chance.uniform(0.5, 1.5))
            killed.kill_anybody(chance)
        found = settle(killed, first)
    print(f'\n{kind}: {len(killed.killed)} kills, {found}')


@pytest.mark.soak
@pytest.mark.parametrize('kind', ALL_KINDS)
def test_each_second_runs_once_while_a_hundred_owners_are_killed(kind, tmp_path):
    kills, found = kill_and_account(kind, tmp_path, 300, (0.5, 3.0))
    assert kills >= 100
    assert found.ok > 200
