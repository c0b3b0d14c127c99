"""The other side: the original's algorithm, written afresh for measuring.

One Python thread per application id; each sleeps in `sched` until its next
job and calls the job's URL with pycurl, one after the other. Next runs are
searched by walking the hours and minutes of today and tomorrow, with
`zoneinfo`; the offset is `random.Random(url).randint`.
"""

from __future__ import annotations

import sched
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from random import Random
from threading import Thread
from zoneinfo import ZoneInfo


def values_of(field: int | str, size: int) -> tuple[int, ...]:
    if isinstance(field, int) or field.isdigit():
        return (int(field),)
    step = 1 if field == '*' else int(field.partition('/')[2])
    return tuple(value for value in range(size) if value % step == 0)


class Job:
    """A job bound to a URL."""

    __slots__ = ('hour', 'minute', 'offset', 'once', 'run', 'timezone', 'url')

    def __init__(
        self,
        run: Callable[[str], None],
        hour: int | str,
        minute: int | str,
        timezone: str,
        url: str,
    ) -> None:
        self.run = run
        self.hour = hour
        self.minute = minute
        self.timezone = ZoneInfo(timezone)
        self.url = url
        self.offset = Random(url).randint(0, 30 * 1000) / 1000

    def runtimes(self, day: date) -> Iterator[datetime]:
        now = datetime.now(UTC)
        midnight = datetime(day.year, day.month, day.day)
        minutes = values_of(self.minute, 60)
        for hour in values_of(self.hour, 24):
            for minute in minutes:
                local = midnight.replace(hour=hour, minute=minute, tzinfo=self.timezone)
                at = local.astimezone(UTC) + timedelta(seconds=self.offset)
                if now <= at:
                    yield at

    def next_runtime(self) -> datetime:
        today = datetime.now().date()
        for day in (today, today + timedelta(days=1)):
            for at in self.runtimes(day):
                return at
        raise RuntimeError('no next run')


def get(url: str) -> None:
    """One request, as the original makes it: a new handle each time."""
    import pycurl

    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, url)
    curl.setopt(pycurl.WRITEFUNCTION, len)
    curl.perform()
    curl.close()


class ApplicationThread(Thread):
    """The thread of one application id."""

    def __init__(self, jobs: list[Job]) -> None:
        super().__init__(daemon=True)
        self.jobs = jobs
        self.scheduler = sched.scheduler(timefunc=time.time)

    def run(self) -> None:
        for job in self.jobs:
            self.schedule(job)
        self.scheduler.run()

    def schedule(self, job: Job) -> None:
        self.scheduler.enterabs(job.next_runtime().timestamp(), 0, self.process, (job,))

    def process(self, job: Job) -> None:
        job.run(job.url)
        self.schedule(job)


# The `org` rows of the production schedules: (hour, minute, time zone).
ORG = (
    ('*', 0, 'UTC'), ('*', '*/15', 'UTC'), (23, 45, 'Europe/Zurich'), (8, 30, 'Europe/Zurich'),
    (8, 45, 'Europe/Zurich'), (9, 0, 'Europe/Zurich'), ('*', '*/5', 'Europe/Zurich'),
    ('6', '56', 'Europe/Zurich'), ('*', '*/30', 'UTC'), (4, 30, 'Europe/Zurich'),
    (5, 30, 'Europe/Zurich'), (9, 30, 'Europe/Zurich'), (9, 45, 'Europe/Zurich'),
    (4, 0, 'Europe/Zurich'), (7, 0, 'Europe/Zurich'), (4, 30, 'Europe/Zurich'),
    ('*', '*/10', 'UTC'), (3, 0, 'Europe/Zurich'), ('03', '02', 'Europe/Zurich'),
    (8, 30, 'Europe/Zurich'),
)
