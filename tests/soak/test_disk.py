"""Disks that are read-only, full, damaged, locked or gone: an error that says
so, and never a second execution."""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import sqlite3
import time
from collections import Counter

import pytest
from servers import wait_for
from soak_fleet import fleet, until
from soak_proof import account, executions, open_ledger, rows_of, unanswered

LEDGER = 'state/cronsched/ledger.sqlite3'
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2
PR_CAPBSET_DROP = 24


def running(directory, more=2):
    """Wait for that many executions from now on."""
    before = len(executions(directory))
    until(lambda: len(executions(directory)) >= before + more)
    return executions(directory)[-1][0]


def settled(directory):
    """Wait until later seconds than this run; returns this one."""
    now = int(time.time())
    until(lambda: any(scheduled > now + 1 for scheduled, _ in executions(directory)))
    return now


def none_ran_twice(directory):
    return max(Counter(each for each, _ in executions(directory)).values(), default=0) <= 1


def errors(log):
    return [line for line in log.splitlines() if ' ERROR ' in line]


# -- trouble that passes --------------------------------------------------------------


@pytest.mark.parametrize('seconds', [3, pytest.param(15, marks=pytest.mark.soak)])
def test_a_locked_ledger_delays_runs_and_each_has_an_answer(tmp_path, seconds):
    """Some seconds are waited; after that, its request is sent again."""
    with fleet('gunicorn', tmp_path, count=3) as fleet_:
        first = running(tmp_path)
        connection = sqlite3.connect(tmp_path / LEDGER, isolation_level=None)
        connection.execute('BEGIN IMMEDIATE')
        time.sleep(seconds)
        connection.execute('ROLLBACK')
        connection.close()
        last = settled(tmp_path)
        wait_for(lambda: unanswered(tmp_path, first, last) == [])
        log = fleet_.log()
    states = Counter(row.state for row in rows_of(tmp_path))
    print(f'\nlocked for {seconds} s: {dict(states)}')
    assert none_ran_twice(tmp_path)
    if seconds < 5:
        assert account(tmp_path, (), first, last).is_right
    else:
        assert 'stays locked by another process' in log
        assert 'failed' not in states


def test_a_full_disk_is_said_and_what_follows_runs_when_there_is_room(tmp_path):
    """The ledger may not grow, as with a disk or a quota that is full."""
    with fleet('gunicorn', tmp_path, count=3) as fleet_:
        first = running(tmp_path)
        for pid in fleet_.contenders():
            # What jobs and log write is small, and stays below it.
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (1 << 14, resource.RLIM_INFINITY))
        until(lambda: 'cannot be read or written' in fleet_.log())
        for pid in fleet_.contenders():
            resource.prlimit(
                pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        last = settled(tmp_path)
        wait_for(lambda: unanswered(tmp_path, first, last) == [])
    states = Counter(row.state for row in rows_of(tmp_path))
    print(f'\nfull disk: {dict(states)}')
    assert none_ran_twice(tmp_path)
    assert 'lost' not in states   # claimed, and ended when there was no room


def unlink_all(directory):
    for path in directory.iterdir():
        path.unlink()


def test_leases_that_are_removed_are_made_anew_and_nothing_runs_twice(tmp_path):
    """The files, or the directory with what it is in."""
    leases = tmp_path / 'state' / 'cronsched' / 'run' / 'leases'
    with fleet('waitress', tmp_path, count=3) as fleet_:
        first = running(tmp_path)
        for remove, directory in ((unlink_all, leases), (shutil.rmtree, leases.parent)):
            remove(directory)
            # Whoever owned notices within a second; somebody owns again.
            owners = len(fleet_.owners())
            until(lambda owners=owners: len(fleet_.owners()) > owners)
            running(tmp_path)
        last = settled(tmp_path)
        found = account(tmp_path, (), first, last)
    print(f'\nremoved leases: {found}')
    assert found.is_right, found
    assert unanswered(tmp_path, first, last) == []


# -- trouble that stays ---------------------------------------------------------------


def damage(path):
    """Write over everything but the first page."""
    with open(path, 'r+b') as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(4096)
        file.write(b'\xa5' * max(size - 4096, 4096))


def test_a_ledger_that_is_damaged_while_in_use_runs_nothing_twice(tmp_path):
    with fleet('gunicorn', tmp_path, count=3) as fleet_:
        running(tmp_path)
        for name in (LEDGER, LEDGER + '-wal'):
            damage(tmp_path / name)
        until(lambda: 'is damaged' in fleet_.log())
        time.sleep(3)
    assert none_ran_twice(tmp_path)


@pytest.mark.soak
def test_a_ledger_that_is_damaged_starts_nothing_and_says_so(tmp_path):
    with fleet('gunicorn', tmp_path, count=2):
        running(tmp_path)
    open_ledger(tmp_path).history()   # the last to close empties the -wal
    damage(tmp_path / LEDGER)
    before = len(executions(tmp_path))
    with fleet('gunicorn', tmp_path, count=2) as fleet_:
        until(lambda: 'is damaged' in fleet_.log())
        time.sleep(3)
        assert str(tmp_path / LEDGER) in fleet_.log()
    assert len(executions(tmp_path)) == before


@pytest.mark.soak
def test_a_state_directory_that_is_removed_stops_runs_and_is_said(tmp_path):
    with fleet('gunicorn', tmp_path, count=3) as fleet_:
        running(tmp_path)
        shutil.rmtree(tmp_path / 'state' / 'cronsched')
        until(lambda: 'was removed or replaced while in use' in fleet_.log())
        stopped = len(executions(tmp_path))
        time.sleep(3)
        assert len(executions(tmp_path)) == stopped
        assert not (tmp_path / LEDGER).exists()
    with fleet('gunicorn', tmp_path, count=3):
        running(tmp_path)
    assert none_ran_twice(tmp_path)


# -- a read-only directory ------------------------------------------------------------


def obey_permissions():
    """Root may write anywhere; what is executed next may not."""
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        if os.geteuid() == 0 and libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
            os._exit(77)


@pytest.mark.parametrize('made_before', [False, pytest.param(True, marks=pytest.mark.soak)])
def test_a_read_only_state_directory_runs_nothing_and_is_said(tmp_path, made_before):
    state = tmp_path / 'state'
    if made_before:
        with fleet('gunicorn', tmp_path, count=2):
            running(tmp_path)
        state /= 'cronsched'
        for path in state.iterdir():
            path.chmod(0o400)
    before = executions(tmp_path)
    state.chmod(0o500)
    with fleet('prefork', tmp_path, count=2, preexec=obey_permissions) as fleet_:
        until(lambda: 'give this user' in fleet_.log())
        time.sleep(2)
        log = fleet_.log()
    state.chmod(0o700)
    assert str(state) in log
    assert executions(tmp_path) == before
