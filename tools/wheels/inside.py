"""Runs in an empty root, with the wheel installed: lets the native thread call what the arguments
say, and exits with the thread running.

    python inside.py forks http://localhost:1/
    python inside.py certificates https://localhost:2/ /etc/ssl/cert.pem ...

The first calls in a process and in its child; the second without certificates, then with those of
/authority.pem at each of the places. Each line of the output is what became of one call. It uses
nothing but Python and cronsched.
"""

import os
import shutil
import sys
import tempfile
import time

import cronsched
from cronsched import Schedule, Scheduler

LIMIT_S = 60


def started(url):
    native = Scheduler(lease_directory=tempfile.mkdtemp())
    app = native.open('org/zug', bytes(32))
    job = native.define('job', Schedule('0 0 1 1 *', 'UTC'), timeout=30)
    native.add(app, job, url, due=time.time())
    native.start()
    return native


def outcome(native):
    until = time.monotonic() + LIMIT_S
    while time.monotonic() < until:
        for event in native.events(1.0):
            if event.kind == 'ended':
                return f'{event.outcome} {event.status} {event.detail or ""}'.strip()
    return 'nothing happened'


def forks(url):
    """A child with a scheduler of its own, beside the parent's."""
    native = started(url)
    child = os.fork()
    if not child:
        print('child', outcome(started(url)), flush=True)
        return
    _, status = os.waitpid(child, 0)
    assert status == 0, status
    print('parent', outcome(native), flush=True)


def certificates(url, *places):
    print('nowhere', outcome(started(url)), flush=True)
    for place in places:
        os.makedirs(os.path.dirname(place), exist_ok=True)
        shutil.copy('/authority.pem', place)
        print(place, outcome(started(url)), flush=True)
        os.unlink(place)


if __name__ == '__main__':
    assert cronsched.__file__.startswith('/site/'), cronsched.__file__
    {'forks': forks, 'certificates': certificates}[sys.argv[1]](*sys.argv[2:])
    # Leaves with a thread that runs: that must end as well.
    native = started('http://localhost:9/')
