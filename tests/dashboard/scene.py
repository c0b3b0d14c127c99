"""A ledger as a good day, a failing job and a herd leave it.

Example::

    paint(ledger, now)
    paint_herd(ledger, now)       # a job of 120 application ids

Every text that an application or its authors could write is there in a hostile
form too.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from zoneinfo import ZoneInfo

from cronsched import Schedule
from cronsched.base import clock
from cronsched.ledger import Declared, Ledger, Owner, Plan, Run

SHOP, WIKI = 'shop', 'org/wiki'
ZURICH = 'Europe/Zurich'
HOUR, DAY = 3600, 86400

#: What a page must show and never obey.
HOSTILE = '<script>alert(1)</script>"\'&../../?a=b#c%2f\u202e\n{{7*7}}'

PLANS = {
    'send_digest': '0 8 * * MON-FRI', 'cleanup': '30 2 * * *', 'sync_stock': '*/15 * * * *',
    'bill': '0 3 1 * *', 'import_prices': '10 */2 * * *', 'newsletter': '0 17 * * THU',
}
OPTIONS = json.dumps({
    'timeout': [900.0, 'job'], 'retries': [2, 'setting'], 'overlap': ['skip', 'default'],
    'catch_up': [None, 'default'], 'max_concurrency': [32, 'default'],
    'max_per_application': [4, 'default'],
})
ERROR = "ValueError: no price for 'espresso'\n  File \"shop/prices.py\", line 12"


@contextmanager
def at(instant: float) -> Iterator[None]:
    with clock.in_place(lambda: instant):
        yield


def declared(name: str, expression: str, offset: float = 7.3) -> Declared:
    schedule = Schedule(expression, ZURICH, seed=name)
    return Declared(
        Plan(expression, ZURICH, name), offset, OPTIONS, 'shop/cron.py:12', schedule.describe())


def ran(ledger: Ledger, run: Run, outcome: str, took: float, detail: str | None = None) -> None:
    with at(run.scheduled + 7.3):
        claim = ledger.claim(run, overlap='allow')
    with at(run.scheduled + 7.3 + took):
        ledger.finish(claim, outcome, took=took, detail=detail)


def times(expression: str, now: float, count: int) -> list[int]:
    """The last ones before now, the oldest first."""
    schedule = Schedule(expression, ZURICH)

    def back() -> Iterator[int]:
        found = schedule.previous_epoch(int(now) - 60)
        while found is not None:
            yield found
            found = schedule.previous_epoch(found)

    return [*islice(back(), count)][::-1]


def paint(ledger: Ledger, now: float, *, hostile: bool = True) -> None:
    """A shop whose import of prices fails, and a wiki where all is well."""
    chance = random.Random(7)
    with at(now - 100 * DAY):
        ledger.seen(SHOP, 'http://127.0.0.1:8000', {
            name: declared(name, plan) for name, plan in PLANS.items()}, now - 100 * DAY)
        ledger.seen(WIKI, 'http://127.0.0.1:8001', {
            'reindex': declared('reindex', '20 4 * * *'),
            **({HOSTILE: declared(HOSTILE, '5 * * * *')} if hostile else {}),
        }, now - 100 * DAY)
    for name, count, took in (
        ('cleanup', 40, 45.0), ('sync_stock', 60, 3.0), ('send_digest', 30, 12.0),
        ('newsletter', 8, 300.0),
    ):
        for scheduled in times(PLANS[name], now, count):
            ran(ledger, Run(SHOP, name, scheduled), 'ok', took * chance.uniform(0.6, 1.6))
    for index, scheduled in enumerate(times(PLANS['import_prices'], now, 30)):
        failed = index > 22 or index in (4, 11)
        ran(ledger, Run(SHOP, 'import_prices', scheduled), 'failed' if failed else 'ok',
            chance.uniform(20, 70), ERROR if failed else None)
    for scheduled in times('20 4 * * *', now, 20):
        ran(ledger, Run(WIKI, 'reindex', scheduled), 'ok', chance.uniform(60, 90))
    for scheduled in times('5 * * * *', now, 6) if hostile else ():
        ran(ledger, Run(WIKI, HOSTILE, scheduled), 'failed', 0.4, HOSTILE)
    first, *_, last = times(PLANS['sync_stock'], now - 80 * HOUR, 9)
    ledger.record(
        Run(SHOP, 'sync_stock', first), 'missed', at=last + 900, until=last, count=9,
        detail='no server answered')
    ledger.own([Owner(WIKI, 'http://127.0.0.1:8001', '/srv/wiki', now - DAY)])
    ledger.own([Owner(SHOP, 'http://127.0.0.1:8000', '/srv/shop', now - 2 * DAY)])
    ledger.pause(SHOP, 'newsletter', note='until the new template is there', at=now - HOUR,
                 by='ann')
    with at(now - 40):
        ledger.claim(Run(SHOP, 'bill', int(now) - 47), timeout=900.0)


def paint_herd(ledger: Ledger, now: float, towns: int = 120) -> None:
    """A job of many application ids, two of which are not well."""
    names = [f'town/{number:03}' for number in range(towns)]
    scheduled = times('0 3 * * *', now, 1)[0]
    for number, name in enumerate(names):
        ledger.seen(name, 'http://127.0.0.1:9000', {
            'monthly': declared('monthly', '0 3 * * *', number % 30),
            'mails': declared('mails', '*/5 * * * *', number % 30),
        }, now - 10 * DAY)
        ran(ledger, Run(name, 'monthly', scheduled), 'failed' if number in (7, 60) else 'ok', 2.0)
    ledger.own([Owner(each, 'http://127.0.0.1:9000', '/srv/towns', now - DAY) for each in names])


def paint_good_day(ledger: Ledger, now: float) -> None:
    """A shop where all that was due in the last two days ran well."""
    chance = random.Random(8)
    ledger.seen(SHOP, 'http://127.0.0.1:8000', {
        name: declared(name, plan) for name, plan in PLANS.items()}, now - 100 * DAY)
    for name, plan in PLANS.items():
        for scheduled in times(plan, now, 200):
            if scheduled > now - 2 * DAY:
                ran(ledger, Run(SHOP, name, scheduled), 'ok', chance.uniform(60, 900))
    ledger.own([Owner(SHOP, 'http://127.0.0.1:8000', '/srv/shop', now - 3 * DAY)])


def date_of(instant: float, timezone: str = 'UTC') -> str:
    return datetime.fromtimestamp(instant, ZoneInfo(timezone)).date().isoformat()
