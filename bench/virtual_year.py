"""How long a year of a daily job takes on the virtual clock, beside bare
requests to the same application: `python virtual_year.py flask` prints the
seconds of the year, and of 365 requests that are answered 401. They are those
of the processor, as the machine may have other things to do.

Frameworks: flask fastapi starlette pyramid django wsgi asgi.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / 'tests' / 'testing'))
sys.path.insert(0, str(Path(__file__).parent.parent / 'tests'))
os.environ['CRONSCHED_ENABLED'] = '0'

from cronsched.testing import VirtualClock

START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 365


def job() -> None:
    pass


def application(framework: str) -> object:
    """With the job; nothing for Django, which has one project."""
    daily = [({'hour': 8, 'minute': 0}, job)]
    if framework == 'django':
        import django_site

        django_site.set_up()
        from cronsched.django import cronjob

        cronjob(hour=8, minute=0)(job)
        return None
    import applications

    return applications.MAKERS[framework](daily)


def main(framework: str) -> None:
    app = application(framework)
    with VirtualClock(app, start=START) as clock:
        clock.run('job')   # what is loaded when it is first used
        begun = time.process_time()
        clock.advance(days=DAYS)
        year = time.process_time() - begun
        assert [run.outcome for run in clock.runs] == ['ok'] * DAYS
        begun = time.process_time()
        for _ in range(DAYS):
            clock._target.send('http://localhost/cronjobs/job', method='POST', headers={})
        requests = time.process_time() - begun
    print(f'{year:.3f} {requests:.3f}')


if __name__ == '__main__':
    main(*sys.argv[1:])
