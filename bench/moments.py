"""Microseconds of one call from Python: next runs and the offset.

Prints a line `name<TAB>microseconds` for each, the other side's first.
Sides that are not installed are left out.
"""

from __future__ import annotations

import random
import timeit
from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from original import Job

from cronsched import Schedule, seeded_offset

URL = 'https://example.org/town/zug/cronjobs/send_daily_ticket_statistics'
ZURICH = ZoneInfo('Europe/Zurich')
NOW = datetime(2026, 10, 14, 17, 46, 40, tzinfo=ZURICH)
EPOCH = int(NOW.timestamp())


def microseconds(call: Callable[[], object]) -> float:
    timer = timeit.Timer(call)
    number, _ = timer.autorange()
    return min(timer.repeat(5, max(1, number // 4))) / max(1, number // 4) * 1e6


def report(name: str, call: Callable[[], object]) -> None:
    print(f'{name}\t{microseconds(call):.4f}', flush=True)


def others() -> None:
    try:
        from cronsim import CronSim
        report('cronsim parse + next', lambda: next(CronSim('*/15 * * * *', NOW)))
    except ImportError:
        pass
    try:
        from croniter import croniter
        report('croniter parse + next', lambda: croniter('*/15 * * * *', NOW).get_next(datetime))
    except ImportError:
        pass
    try:
        from apscheduler.triggers.cron import CronTrigger
        trigger = CronTrigger.from_crontab('*/15 * * * *', timezone=ZURICH)
        report('apscheduler next', lambda: trigger.get_next_fire_time(None, NOW))
        report('apscheduler parse + next', lambda: CronTrigger.from_crontab(
            '*/15 * * * *', timezone=ZURICH).get_next_fire_time(None, NOW))
    except ImportError:
        pass


def main() -> None:
    job = Job(len, '*', '*/15', 'Europe/Zurich', URL)
    report('original next', job.next_runtime)
    report('original offset', lambda: random.Random(URL).randint(0, 30000) / 1000)
    others()
    schedule = Schedule('*/15 * * * *', 'Europe/Zurich')
    report('cronsched next', lambda: schedule.next(NOW))
    report('cronsched next_epoch', lambda: schedule.next_epoch(EPOCH))
    report('cronsched parse + next', lambda: Schedule('*/15 * * * *', 'Europe/Zurich').next(NOW))
    report('cronsched parse + next_epoch',
           lambda: Schedule('*/15 * * * *', 'Europe/Zurich').next_epoch(EPOCH))
    report('cronsched never', lambda: Schedule('0 0 30 2 *').next_epoch(EPOCH))
    report('cronsched 28 years', lambda: Schedule('0 0 29 2 +SUN').next_epoch(EPOCH))
    report('cronsched offset', lambda: seeded_offset(URL))


if __name__ == '__main__':
    main()
