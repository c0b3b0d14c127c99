"""For tests of applications: a year of their jobs in under a second.

Example::

    with VirtualClock(App(), start=datetime(2026, 1, 1, tzinfo=UTC)) as clock:
        clock.advance(days=365)
        assert [run.outcome for run in clock.runs] == ['ok'] * 365

    assert run(App(), 'cleanup').status_code == 200

`App()` is an application of Morepath, Flask, FastAPI, Starlette, Pyramid, WSGI
or ASGI that has jobs, or a `Cron`. A Django project has one, which need not be
named: `VirtualClock(start=...)`, `run('send_invoices')`. In a test that is
`async def`: `await run_async(app, 'refresh')`.

There is no server, no thread and no sleep, but the scheduler is the real one,
and each run is a signed request that claims its run in a ledger. That ledger
is one of its own, which is gone at the end; the application's is not touched.

A view knows its moment from `request.cron_run.scheduled`. For one that asks
Python's clock, say who holds it: `VirtualClock(app, freeze=time_machine.travel)`
or `freeze=freezegun.freeze_time`.
"""

from cronsched.testing.clock import VirtualClock, VirtualRun
from cronsched.testing.running import run, run_async

__all__ = ['VirtualClock', 'VirtualRun', 'run', 'run_async']
