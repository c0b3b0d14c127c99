"""An application id that nobody chose never unites two deployments."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cronsched import Cron
from cronsched.errors import SchedulerError
from cronsched.morepath import CronApp
from cronsched.web import start

HERE = str(Path(__file__).parent)
ADDRESS = 'http://127.0.0.1:8091'

OWN = '''
import sys, time
from cronsched.ledger import Owner, open_ledger
ledger = open_ledger(sys.argv[1])
ledger.own([Owner('shop', sys.argv[2], sys.argv[3], time.time(), True)])
print('owned', flush=True)
sys.stdin.read()
'''


@pytest.fixture
def cron() -> Iterator[Cron]:
    made = Cron('shop', timezone='UTC')
    made.implicit_id = True   # as the Flask extension's may be
    made.job('0 0 1 1 *')(lambda: None)
    yield made
    made.stop()


@contextmanager
def owner(cron: Cron, address: str, root: str) -> Iterator[int]:
    """Another process that runs the application id; its pid."""
    ledger = cron.site.ledger
    with subprocess.Popen(
        [sys.executable, '-c', OWN, f'sqlite://{ledger.path}', address, root],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline() == b'owned\n'
        yield process.pid
        process.stdin.close()


def test_another_place_and_address_is_another_deployment(cron):
    with owner(cron, 'http://127.0.0.1:9000', '/srv/a') as pid:
        with pytest.raises(SchedulerError, match=f'is run from /srv/a at .*:9000 by pid {pid}'):
            start.start(cron, ADDRESS)
        assert not start.is_started('shop')
    start.start(cron, ADDRESS)   # when that has ended
    assert start.is_started('shop')


@pytest.mark.parametrize(('address', 'root'), [
    ('http://127.0.0.1:9000', HERE),   # another port of the same code
    (ADDRESS, '/srv/releases/41'),     # the release before
])
def test_one_of_them_alone_is_the_same_deployment(cron, address, root):
    with owner(cron, address, root):
        start.start(cron, ADDRESS)
        assert start.is_started('shop')


def test_who_chose_an_id_may_run_it_in_two_places(cron):
    cron.implicit_id = False
    with owner(cron, 'http://127.0.0.1:9000', '/srv/blue'):
        start.start(cron, ADDRESS)
        assert start.is_started('shop')


def test_the_name_of_a_class_is_nobodys_choice():
    class Implicit(CronApp):
        pass

    class Explicit(CronApp):
        application_id = 'shop'

    Implicit.commit()
    Explicit.commit()
    assert Implicit().has_implicit_id
    assert not Explicit().has_implicit_id
