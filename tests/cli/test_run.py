"""`cronsched run`: what is asked for, and what its exit status says."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cronsched.cli import main
from cronsched.ledger import Claim, Ledger, Owner, Plan, Run, open_ledger

ZUG, BERN = 'org/zug', 'org/bern'
Shell = Callable[..., tuple[str, str]]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    (tmp_path / 'app').mkdir(mode=0o700)
    ledger = open_ledger(f'sqlite://{tmp_path}/app/ledger.sqlite3')
    for application_id in (ZUG, BERN):
        plans = {'cleanup': Plan('0 3 * * *', 'Asia/Tokyo')}
        ledger.seen(application_id, 'http://localhost', plans, 1.0)
    yield ledger
    ledger.close()


@pytest.fixture
def owned(ledger: Ledger) -> Ledger:
    ledger.own([Owner(each, 'http://127.0.0.1:8000', '/srv', 1.0) for each in (ZUG, BERN)])
    return ledger


@pytest.fixture
def shell(ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    def call(*words: str, status: int = 0) -> tuple[str, str]:
        found = main(['run', *words, '--state-directory', str(tmp_path / 'app')])
        written = capsys.readouterr()
        assert found == status, written
        return written.out, written.err

    return call


@pytest.fixture
def owner(owned: Ledger) -> Iterator[Callable[[Callable[[Claim], None]], None]]:
    """An owner that takes what is asked for, and does with each claim as told."""
    done = threading.Event()
    threads = []

    def begin(execute: Callable[[Claim], None]) -> None:
        def work() -> None:
            while not done.wait(0.05):
                for run in owned.take_requests([ZUG, BERN]):
                    execute(owned.claim(run, retries=1, backoff=1.0))

        threads.append(threading.Thread(target=work))
        threads[-1].start()

    yield begin
    done.set()
    for thread in threads:
        thread.join()


def test_a_run_is_asked_for_and_taken_once(owned: Ledger, shell: Shell) -> None:
    out, err = shell('cleanup', '-a', ZUG)
    assert re.match(r'cleanup of org/zug is asked for, as the run of \S+ \S+ JST; ', out)
    assert err == ''
    taken = owned.take_requests([ZUG, BERN], time.time())
    assert [run.application_id for run in taken] == [ZUG]
    assert abs(taken[0].scheduled - time.time()) < 10


def test_a_run_for_several_applications_must_be_meant(owned: Ledger, shell: Shell) -> None:
    assert '-a ID, or write --all' in shell('cleanup', status=2)[1]
    assert owned.take_requests([ZUG, BERN], time.time()) == []
    assert len(json.loads(shell('cleanup', '--all', '--json')[0])) == 2
    assert len(owned.take_requests([ZUG, BERN], time.time())) == 2


def test_that_nobody_runs_the_application_id_is_status_3(ledger: Ledger, shell: Shell) -> None:
    out, err = shell('cleanup', '-a', ZUG, status=3)
    assert 'is asked for' in out
    assert 'warning: org/zug: no process runs it' in err
    assert len(ledger.take_requests([ZUG], time.time())) == 1
    out, _ = shell('cleanup', '-a', ZUG, '--wait', '--timeout', '0', status=3)
    assert out == 'cleanup of org/zug: The run was not started: no process has taken it.\n'


def test_it_waits_until_the_run_has_ended_well(
    owned: Ledger, owner: Callable[..., None], shell: Shell,
) -> None:
    owner(lambda claim: owned.finish(claim, 'ok', took=0.1))
    out, err = shell('cleanup', '-a', ZUG, '--wait')
    assert out.endswith(', ok.\n')
    assert err == ''
    answers = json.loads(shell('cleanup', '--all', '--wait', '--json')[0])
    assert [answer['state'] for answer in answers] == ['ok', 'ok']


def test_a_failure_is_status_1_once_no_attempt_is_left(
    owned: Ledger, owner: Callable[..., None], shell: Shell,
) -> None:
    def fail(claim: Claim) -> None:
        owned.finish(claim, 'failed', took=0.1, detail='ValueError: no')
        threading.Timer(0.5, retry, [claim.run]).start()

    def retry(run: Run) -> None:
        again = owned.claim(run, attempt=2, timestamp=int(time.time()) + 2, retries=1)
        owned.finish(again, 'failed', took=0.1, detail='ValueError: again')

    owner(fail)
    out, _ = shell('cleanup', '-a', ZUG, '--wait', status=1)
    assert 'failed: ValueError: again (attempt 2)' in out


def test_a_run_that_goes_on_is_status_4(
    owned: Ledger, owner: Callable[..., None], shell: Shell,
) -> None:
    claimed = threading.Event()
    owner(lambda claim: claimed.set())
    out, _ = shell('cleanup', '-a', ZUG, '--wait', '--timeout', '1', status=4)
    assert claimed.is_set()
    assert 'has been running since' in out
    assert f'process {os.getpid()}' in out


@pytest.mark.parametrize('seconds', ['x', '-1', 'nan', 'inf'])
def test_a_timeout_is_a_number_of_seconds(shell: Shell, seconds: str) -> None:
    with pytest.raises(SystemExit):
        shell('cleanup', '--wait', f'--timeout={seconds}')
