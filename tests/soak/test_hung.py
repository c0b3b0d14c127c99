"""Servers that hang, drip, cut, redirect and flood delay nobody else.

How late the other calls are sent is held to 5 ms (p99) where the machine is
quiet, in the long form; the short one only asks that none waits for those that
hang. When they arrive is shown as well: a receiver in Python adds its own.
"""

from __future__ import annotations

import time
from collections import Counter
from datetime import datetime

import pytest
from receiver import fetch, receiver
from soak_fleet import EACH_SECOND, fleet, until
from soak_proof import executions, rows_of
from soak_target import Target

from cronsched import Schedule
from cronsched._cronsched import Scheduler

TIMEOUT = 1.5
BAD = ('hang', 'drip', 'cut', 'away', 'flood')
GOOD = 40

# How each is to end, and our words for why.
REASONS = {
    'hang': ('timed_out', 'timed out before an answer had arrived'),
    'drip': ('timed_out', 'timed out before the whole answer had arrived'),
    'cut': ('unreachable', 'connection closed before the whole answer had arrived'),
    'away': ('failed', 'the redirect (302) was not followed: set the base URL to where it leads'),
    'flood': ('ok', ''),
}


def call_all(target, good, seconds):
    """The bad are due every other second, the good one after the other.
    Returns what ended with its name, and how late the good ones were sent."""
    native = Scheduler(max_concurrency=64)
    calls, events = {}, []
    job = native.define('good', Schedule('* * * * * *', 'UTC'), timeout=20)
    bad = native.define('bad', Schedule('*/2 * * * * *', 'UTC'), timeout=TIMEOUT)
    for what in BAD:
        calls[native.add(native.open(f'soak/{what}'), bad, target.url(what), offset=0)] = what
    for number in range(GOOD):
        app, offset = native.open(f'soak/good/{number}'), number / GOOD
        native.add(app, job, f'{good}/{offset}', offset=offset)
    end = time.monotonic() + seconds
    native.start()
    while time.monotonic() < end:
        events += native.events(0.5)
    native.stop()
    ended = [(calls.get(event.call, 'good'), event) for event in events if event.kind == 'ended']
    return ended, sorted(
        event.at - event.due for event in events
        if event.kind == 'started' and event.call not in calls
    )


def lateness(came):
    """How long after it was due each request came to the receiver, sorted."""
    return sorted(
        at - datetime.fromisoformat(scheduled).timestamp() - float(path.strip('/'))
        for at, path, scheduled in came
    )


def describe(figures):
    """In ms; the figures are sorted."""
    half, most = figures[len(figures) // 2], figures[len(figures) * 99 // 100]
    return f'median {half * 1e3:.2f}, p99 {most * 1e3:.2f}, most {figures[-1] * 1e3:.2f}'


@pytest.mark.parametrize('seconds', [5, pytest.param(60, marks=pytest.mark.soak)])
def test_bad_servers_delay_nobody_else(seconds):
    with Target() as target, receiver() as good:
        ended, late = call_all(target, good, seconds)
        came = lateness(fetch(good))
    assert target.asked == set(BAD)   # and not where the redirect leads
    outcomes = Counter((what, event.outcome) for what, event in ended)
    print(f'\n{dict(outcomes)}; {target.sent >> 20} MB flooded')
    for what, figures in (('sent', late), ('came', came)):
        print(f'{what} late in ms: {describe(figures)}')
    assert {event.outcome for what, event in ended if what == 'good'} == {'ok'}
    assert len(came) >= GOOD * (seconds - 3)
    assert late[0] >= 0
    assert came[-1] < TIMEOUT
    for what, (outcome, words) in REASONS.items():
        found = [event for name, event in ended if name == what]
        assert {event.outcome for event in found} == {outcome}, what
        assert {event.detail or '' for event in found} == {words}, what
        assert max(event.took for event in found) < TIMEOUT + 3
    if seconds > 10:
        assert late[len(late) * 99 // 100] < 0.005


def test_a_view_that_hangs_delays_no_other_job(tmp_path):
    jobs = {'tick': EACH_SECOND, 'hang': EACH_SECOND | {'timeout': 2, 'overlap': 'skip'}}
    with fleet('waitress', tmp_path, jobs=jobs, count=2) as servers:
        until(lambda: len(executions(tmp_path)) >= 5)
        done = [scheduled for scheduled, _ in executions(tmp_path)]
        # Its sender waits no longer; it executes, and so the next are skipped.
        until(lambda: 'timed out before an answer had arrived' in servers.log())
        assert 'running' in states(tmp_path)
        until(lambda: 'skipped_overlap' in states(tmp_path))
    assert done[:5] == list(range(done[0], done[0] + 5))


def states(directory):
    return {row.state for row in rows_of(directory, 'hang')}
