"""The settings of an application that is mounted in another."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cronsched.base.keys import Secret
from cronsched.morepath import CronApp

OUTER = 'the secret of the outermost one'
INNER = 'the secret of the innermost one'


def nest(*levels: dict[str, Any]) -> list[Any]:
    """Applications of these settings, each mounted in the one before."""
    classes = []
    for settings in levels:
        class App(CronApp):
            pass

        App.cronjob('0 0 1 1 *', timezone='UTC', name='yearly')(lambda request: None)
        for name, value in settings.items():
            App.setting(section='cronjobs', name=name)(lambda value=value: value)
        if classes:
            classes[-1].mount(path='in', app=App)(partial(App))
        classes.append(App)
    classes[0].commit()
    apps = [classes[0]()]
    for inner in classes[1:]:
        apps.append(apps[-1].child(inner()))
    return apps


def test_the_outermost_settings_reach_the_innermost_application(tmp_path: Path) -> None:
    ledger = f'sqlite://{tmp_path}/own.sqlite3'
    outermost = {'ledger': ledger, 'secret': OUTER, 'retries': 3, 'history_days': 2}
    _, _, inner = nest(outermost, {}, {})
    site = inner.cronjob_site
    assert str(site.ledger.path) == f'{tmp_path}/own.sqlite3'
    assert site.secrets == (Secret(OUTER),)
    assert site.settings.history_days == 2
    (job,) = inner.config.cronjob_registry.cronjobs.values()
    assert site.policy(job).retries == 3


def test_the_nearest_one_that_writes_a_setting_counts() -> None:
    outer, middle, inner = nest(
        {'secret': OUTER, 'retries': 1, 'timeout': 9}, {'retries': 2}, {'secret': INNER})
    assert [each.cronjob_site.secrets for each in (outer, middle, inner)] == [
        (Secret(OUTER),), (Secret(OUTER),), (Secret(INNER),)]
    (job,) = inner.config.cronjob_registry.cronjobs.values()
    assert [each.cronjob_site.policy(job).retries for each in (outer, middle, inner)] == [1, 2, 2]
    assert inner.cronjob_site.policy(job).timeout == 9


def test_a_class_that_is_mounted_in_two_has_the_settings_of_each() -> None:
    class Town(CronApp):
        pass

    sites = []
    for secret in (OUTER, INNER):
        class Server(CronApp):
            pass

        Server.setting(section='cronjobs', name='secret')(lambda secret=secret: secret)
        Server.mount(path='in', app=Town)(lambda: Town())
        Server.commit()
        sites.append(Server().child(Town()).cronjob_site)
    assert [site.secrets for site in sites] == [(Secret(OUTER),), (Secret(INNER),)]


def test_one_site_serves_all_instances_of_a_class() -> None:
    outer, inner = nest({}, {})
    again = outer.child(type(inner)())
    assert inner.cronjob_site is again.cronjob_site
    assert outer.cronjob_site.ledger is inner.cronjob_site.ledger


@pytest.mark.parametrize('off', [0, 1, 2])
def test_where_one_is_switched_off_nothing_below_it_starts(off: int) -> None:
    from cronsched.morepath.mounted import is_enabled

    apps = nest(*({'enabled': number != off} for number in range(3)))
    assert [is_enabled(each) for each in apps] == [number < off for number in range(3)]


def test_what_is_written_is_what_the_setting_says_automatic_or_not() -> None:
    from cronsched.morepath.mounted import enabled_of

    assert [enabled_of(each) for each in nest({'enabled': True}, {})] == [True, True]
    assert [enabled_of(each) for each in nest({}, {'enabled': True})] == ['auto', True]
