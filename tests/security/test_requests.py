"""What a request can do that is recorded, sent often, or not signed at all."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cronsched._cronsched import sign_headers
from cronsched.base import clock
from cronsched.jobs.job import Job
from cronsched.jobs.settings import Settings
from cronsched.ledger import Ledger, Run, open_ledger
from cronsched.scheduler.bound import BoundApplication
from cronsched.scheduler.site import Site
from cronsched.web.receive import Answered, accept
from cronsched.web.signing import Signed
from cronsched.web.window import Window

SECRET = 'the secret of this test, long enough'
NOW = int(time.time())
SCHEDULED = NOW // 60 * 60


class Host:
    application_id = 'org/zug'
    headers: dict[str, str] = {}  # noqa: RUF012

    def __init__(self, site: Site, **options: Any) -> None:
        self.site = site
        self.job = Job(lambda: None, 8, 0, 'Europe/Zurich', name='cleanup', **options)
        self.jobs = {'cleanup': self.job}

    def url_of(self, job: str) -> str:
        return f'/cronjobs/{job}'

    def told(self, diagnosis: object) -> str:
        return ''


@pytest.fixture(autouse=True)
def the_time_of_this_file() -> Iterator[None]:
    """A request is valid for minutes; the tests before these may take more."""
    with clock.in_place(lambda: NOW):
        yield


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = open_ledger(f'sqlite://{tmp_path}/ledger.sqlite3')
    yield ledger
    ledger.close()


def signed(host: Host, scheduled: int = SCHEDULED, **changed: Any) -> dict[str, str]:
    given = {'key': host.site.key('org/zug'), 'now': NOW, 'attempt': 1} | changed
    return sign_headers('org/zug', 'cleanup', scheduled, **given)


def outcome(host: Host, headers: dict[str, str] | None = None) -> str:
    """'ok' where the function may run, else what the sender is told."""
    try:
        execution = accept(host, 'cleanup', headers or {})
    except Answered as answered:
        return answered.headers.get('Cronsched-Outcome') or str(answered.status)
    with execution:
        return 'ok'


# -- Without a ledger

def test_without_a_ledger_a_recorded_request_runs_once_in_a_process() -> None:
    host = Host(Site(Settings(ledger=None), (SECRET,)))
    headers = signed(host)
    assert [outcome(host, headers) for _ in range(5)] == ['ok'] + ['duplicate'] * 4
    assert outcome(host, signed(host, SCHEDULED + 60)) == 'ok'
    assert outcome(host, signed(host, attempt=2, now=NOW + 1)) == 'ok'
    assert outcome(host, signed(host, attempt=2, now=NOW + 1)) == 'duplicate'


def seen(second: int, scheduled: int = 0) -> Signed:
    return Signed(Run('org/zug', 'cleanup', scheduled), 1, second)


def test_what_was_seen_is_forgotten_when_its_signature_is_too_old() -> None:
    window = Window()
    assert window.is_first(seen(1000), 1000)
    assert not window.is_first(seen(1000), 1300)
    assert window.is_first(seen(1400), 1301)
    assert len(window) == 1


def test_what_was_seen_is_bounded() -> None:
    window = Window(most=10)
    for scheduled in range(1000):
        assert window.is_first(seen(1000, scheduled), 1000)
    assert len(window) == 10


# -- Unsigned, where that is allowed

@pytest.fixture
def lenient(ledger: Ledger) -> Host:
    return Host(Site(Settings(), (SECRET,), ledger, 'GET', strict=False))


def test_an_unsigned_run_is_in_the_history(lenient: Host, ledger: Ledger) -> None:
    assert outcome(lenient) == 'ok'
    (row,) = ledger.history()
    assert row.state == 'ok'
    assert abs(row.run.scheduled - NOW) < 60


def test_each_of_several_has_a_row_and_takes_no_other_run(
    lenient: Host, ledger: Ledger,
) -> None:
    assert [outcome(lenient) for _ in range(5)] == ['ok'] * 5
    rows = ledger.history()
    assert len({row.run.scheduled for row in rows}) == 5
    schedule = lenient.job.schedule
    assert not any(schedule.matches_epoch(row.run.scheduled) for row in rows)


def test_a_job_of_each_second_can_be_run_unsigned_too(ledger: Ledger) -> None:
    host = Host(Site(Settings(), (SECRET,), ledger, 'GET', strict=False))
    host.jobs = {'cleanup': Job(lambda: None, expression='* * * * * *', timezone='UTC', name='x')}
    assert [outcome(host) for _ in range(3)] == ['ok'] * 3
    assert max(row.run.scheduled for row in ledger.history()) < time.time()


def test_an_unsigned_request_runs_nothing_that_is_paused(lenient: Host, ledger: Ledger) -> None:
    ledger.pause(None, 'cleanup')
    assert outcome(lenient) == 'skipped_paused'
    assert [row.state for row in ledger.history()] == ['skipped_paused']


def test_an_unsigned_request_runs_nothing_beside_itself(lenient: Host) -> None:
    with accept(lenient, 'cleanup', {}):
        assert [outcome(lenient) for _ in range(5)] == ['skipped_overlap'] * 5
    assert outcome(lenient) == 'ok'


def test_strict_is_what_refuses_them(ledger: Ledger) -> None:
    assert outcome(Host(Site(Settings(), (SECRET,), ledger, 'GET'))) == '401'
    assert ledger.history() == []


# -- The log

def test_forged_requests_are_told_once_a_minute_with_a_count(
    ledger: Ledger, caplog: pytest.LogCaptureFixture,
) -> None:
    host = Host(Site(Settings(), (SECRET,), ledger))
    now = 100.0
    host.site.refusals._clock = lambda: now
    with caplog.at_level(logging.INFO, 'cronsched'):
        assert {outcome(host) for _ in range(1000)} == {'401'}
        assert len(caplog.records) == 1
        now += 60
        assert outcome(host) == '401'
    assert len(caplog.records) == 2
    assert 'as 999 other request(s) before it' in caplog.text


@pytest.mark.parametrize('name', ['\x1b]0;owned\x07', 'a\r\nb', '\0', 'x' * 1_000_000])
def test_what_is_asked_for_is_one_short_line(
    name: str, ledger: Ledger, caplog: pytest.LogCaptureFixture,
) -> None:
    host = Host(Site(Settings(), (SECRET,), ledger))
    host.application_id = f'org/{name}'
    with pytest.raises(Answered, match='401'):
        accept(host, name, {'webhook-id': name, 'webhook-timestamp': name})
    (record,) = caplog.records
    assert record.getMessage().isprintable()
    assert len(record.getMessage()) < 800


def test_the_log_shows_no_signed_path() -> None:
    url = 'http://127.0.0.1:8080/zug/cronjobs/cleanup.s1gnatur3'
    bound = BoundApplication(
        'org/zug', Site(), [Host(Site()).job], [url], 'http://127.0.0.1:8080/zug')
    assert bound.titles() == ['127.0.0.1:8080/zug/cronjobs/cleanup']
    job = bound.registered[0].bound_to(url, lambda: None)
    for shown in (repr(job), bound.title_of(bound.registered[0])):
        assert not re.search('s1gnatur3', shown)
