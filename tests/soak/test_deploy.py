"""Workers that are recycled, reloads, and a server that was away."""

from __future__ import annotations

import signal
import time

import pytest
from soak_fleet import EACH_SECOND, fleet, until
from soak_proof import account, executions, open_ledger, unanswered

from cronsched.ledger import Run


def newest(directory, job='tick'):
    done = executions(directory, job)
    return done[-1][0] if done else 0


def nothing_is_lost(running, act, seconds):
    """Every second runs while `act` is done again and again."""
    directory = running.directory
    until(lambda: newest(directory))
    first, end = newest(directory), time.monotonic() + seconds
    while time.monotonic() < end:
        act()
    settled = int(time.time())
    until(lambda: newest(directory) > settled + 2)
    found = account(directory, (), first, settled)
    print(f'\n{found}, {len(running.owners())} owners')
    assert found.is_right, found
    assert not found.lost
    assert unanswered(directory, first, settled) == []


@pytest.mark.parametrize('seconds', [6, pytest.param(120, marks=pytest.mark.soak)])
def test_a_rolling_reload_loses_nothing(tmp_path, seconds):
    with fleet('gunicorn', tmp_path, count=2) as running:
        def reload():
            running.tell(signal.SIGHUP)
            time.sleep(3)

        nothing_is_lost(running, reload, seconds)
        assert len(running.owners()) > 1


@pytest.mark.parametrize(('worker', 'seconds'), [
    ('gthread', 6),
    *(pytest.param(worker, 120, marks=pytest.mark.soak) for worker in ('sync', 'gthread')),
])
def test_workers_that_are_recycled_lose_nothing(tmp_path, worker, seconds):
    arguments = ('--max-requests=3', f'--worker-class={worker}')
    with fleet('gunicorn', tmp_path, count=2, arguments=arguments) as running:
        # Which worker gets a request is the kernel's choice; visitors see to it
        # that each has had its three before long.
        def recycle():
            running.visit()
            time.sleep(0.5)
            return len(running.owners()) > 1

        until(recycle)
        nothing_is_lost(running, recycle, seconds)


# -- a deploy -------------------------------------------------------------------


def deploy(directory, away, catch_up):
    """Returns when the server was away (from and to, UTC seconds)."""
    jobs = {
        'latest': EACH_SECOND | {'coalesce': True, 'catch_up': catch_up},
        'each': EACH_SECOND | {'catch_up': catch_up, 'overlap': 'skip'},
    }
    with fleet('gunicorn', directory, count=2, jobs=jobs):
        until(lambda: newest(directory, 'latest') and newest(directory, 'each'))
    stopped = time.time()
    time.sleep(away)
    jobs['new'] = EACH_SECOND
    with fleet('gunicorn', directory, count=2, jobs=jobs) as again:
        owned = until(lambda: [at for at, _ in again.owners() if at > stopped])[0]
        enough = int(owned) + 2
        until(lambda: all(newest(directory, job) > enough for job in jobs))
    return stopped, owned


def outcomes(directory, job, first, last):
    ledger = open_ledger(directory)
    rows = [ledger.find(Run('soak', job, scheduled)) for scheduled in range(first, last + 1)]
    ledger.close()
    return [row and row.state for row in rows]


@pytest.mark.parametrize(
    ('away', 'catch_up'), [(5, 3), pytest.param(20, 10, marks=pytest.mark.soak)],
)
def test_after_a_deploy_the_rules_of_catching_up_hold(tmp_path, away, catch_up):
    stopped, owned = deploy(tmp_path, away, catch_up)
    # The full seconds in which nobody was there.
    first, last = int(stopped) + 1, int(owned)

    found = outcomes(tmp_path, 'latest', first, last)
    assert found == ['missed'] * (len(found) - 1) + ['ok']

    found = outcomes(tmp_path, 'each', first, last)
    fired = found.count('ok')
    assert found == ['missed'] * (len(found) - fired) + ['ok'] * fired
    assert catch_up - 1 <= fired <= catch_up + 1
    order = [scheduled for scheduled, _ in executions(tmp_path, 'each')]
    assert order == sorted(order)

    # It is new, so it has missed nothing.
    assert executions(tmp_path, 'new')[0][0] >= last
    assert outcomes(tmp_path, 'new', first, last - 1) == [None] * (len(found) - 1)
    for job in ('latest', 'each'):
        assert unanswered(tmp_path, first, last, job) == []
