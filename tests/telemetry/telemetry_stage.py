"""The real scheduler by a clock of its own, its reporter, and workers that
answer in the same process."""

from __future__ import annotations

import pytest

from cronsched import _cronsched
from cronsched.errors import CronError
from cronsched.jobs.job import Job
from cronsched.jobs.settings import Settings
from cronsched.ledger import Run
from cronsched.scheduler import process as scheduler
from cronsched.scheduler.bound import BoundApplication
from cronsched.scheduler.process import Service
from cronsched.scheduler.site import Site

NOW = 1_795_600_800   # a full hour, in UTC seconds
START = NOW - 0.5


class Stage:
    """`work` is what the job does; a request is answered by calling it in
    place of a worker (`work_on`), or as the test says (`answer`)."""

    def __init__(self, ledger, settings=None, names=('tidy',), **options):
        self.now = START
        self.ledger = ledger
        site = Site(settings or Settings(), (), ledger)
        given = {'expression': '* * * * *', 'timezone': 'UTC', 'max_offset': 0} | options
        self.jobs = [Job(lambda: None, name=name, **given) for name in names]
        self.native = _cronsched.Scheduler(manual=START)
        self.service = Service(site.settings, self.native)
        self.bound = BoundApplication(
            'shop', site, self.jobs, [f'http://127.0.0.1:1/cronjobs/{name}' for name in names],
            'http://127.0.0.1:1', seeds=[f'shop/{name}' for name in names])

    def start(self):
        scheduler.start(self.bound)
        self.drain()

    def drain(self):
        self.service.reporter.drain()

    def pass_by(self, seconds):
        self.native.advance(seconds)
        self.now += seconds
        self.drain()

    def turn(self):
        """What the reporter does each second and minute."""
        housekeeping = self.service.reporter._housekeeping
        housekeeping._use_ledger(
            housekeeping.late.write_all, housekeeping.fire_attempts, housekeeping.followed.look,
            housekeeping.recover)
        self.drain()

    def take(self):
        delivery = self.native.take()
        self.drain()
        return delivery

    def answer(self, status=200, **said):
        delivery = self.take()
        said.setdefault('outcome', 'ok' if status == 200 else '')
        self.native.complete(delivery.run, status, **said)
        self.drain()

    def claim(self, delivery, **said):
        return self.ledger.claim(
            Run('shop', delivery.job_name, delivery.scheduled), attempt=delivery.attempt,
            timestamp=int(self.now), **said)


def error_of(action):
    with pytest.raises(CronError) as caught:
        action()
    return str(caught.value)
