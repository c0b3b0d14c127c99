"""Attempts of real servers: killed owners, views that take too long."""

from __future__ import annotations

import signal
import socket
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest
from servers import get, serving_process, wait_for

from cronsched.ledger import open_ledger

SOURCE = """
    import logging, os, signal, sys, time
    logging.basicConfig(stream=sys.stderr, level=logging.INFO)
    from cronsched import Cron

    cron = Cron('shop', state_directory={state!r}, runtime_directory={state!r},
                base_url='http://127.0.0.1:{port}', enabled=True)
    log = os.open({log!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    @cron.job({expression!r}, timezone='UTC', max_offset=0, **{options!r})
    def job(run):
        os.write(log, f'begin {{os.getpid()}} {{run.attempt}}\\n'.encode())
        {body}
        os.write(log, f'end {{os.getpid()}} {{run.attempt}}\\n'.encode())

    def nothing(environ, start_response):
        start_response('200 OK', [('Content-Length', '0')])
        return [b'']

    def make():
        signal.signal(signal.SIGUSR1, lambda *_: cron.stop())
        cron.start()
        return cron.wsgi(nothing)
"""


class Fleet:
    """Processes that serve the same job, over one ledger."""

    def __init__(self, directory, stack):
        self.directory, self.stack = directory, stack
        self.state = directory / 'shared'
        self.state.mkdir(mode=0o700)
        self.log = directory / 'log'
        self.log.touch()

    def serve(self, expression, body='pass', **options):
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            port = free.getsockname()[1]
        directory = self.directory / str(port)
        directory.mkdir()
        source = SOURCE.format(
            state=str(self.state), log=str(self.log), port=port, expression=expression, body=body,
            options=options)
        url, process = self.stack.enter_context(serving_process(source, directory, port))
        get(url)
        return process

    def lines(self):
        return [line.split() for line in self.log.read_text().splitlines()]

    def begun(self):
        """The process and the attempt of each execution."""
        return [(int(pid), int(number)) for what, pid, number in self.lines() if what == 'begin']

    def rows(self):
        ledger = open_ledger(f'sqlite://{self.state}/ledger.sqlite3')
        try:
            return ledger.history(job='job', oldest_first=True)
        finally:
            ledger.close()


@pytest.fixture
def fleet(tmp_path):
    with ExitStack() as stack:
        yield Fleet(tmp_path, stack)


def in_seconds(seconds):
    """An expression for one time only, and that soon."""
    at = datetime.now(UTC) + timedelta(seconds=seconds)
    return f'{at.second} {at.minute} {at.hour} {at.day} {at.month} * {at.year}'


@pytest.mark.parametrize('end', ['kill', 'terminate'])
def test_the_next_owner_makes_the_attempts_that_a_dead_one_had_left(fleet, end):
    expression = in_seconds(8)
    options = {'body': "raise LookupError('no such town')", 'retries': 2, 'backoff': 3}
    processes = [fleet.serve(expression, **options) for _ in range(2)]
    wait_for(fleet.begun)
    wait_for(lambda: fleet.rows()[0].state == 'failed')
    # Each sends to itself, so who executes is who owns.
    owner = next(each for each in processes if each.pid == fleet.begun()[0][0])
    getattr(owner, end)()
    wait_for(lambda: len(fleet.begun()) == 3)
    survivor, = (each.pid for each in processes if each is not owner)
    assert [attempt for _, attempt in fleet.begun()] == [1, 2, 3]
    assert fleet.begun()[-1][0] == survivor   # the second, if there was time
    row, = fleet.rows()
    wait_for(lambda: fleet.rows()[0].state == 'failed')
    assert (row.attempt, fleet.rows()[0].attempts_left) == (3, 0)


def test_an_attempt_after_a_timeout_is_made_when_the_first_has_ended(fleet):
    fleet.serve(
        in_seconds(5), 'time.sleep(5 if run.attempt == 1 else 0)', timeout=2, retries=3, backoff=1)
    wait_for(lambda: len(fleet.lines()) == 4)
    assert [(what, attempt) for what, _, attempt in fleet.lines()] == [
        ('begin', '1'), ('end', '1'), ('begin', '2'), ('end', '2')]
    row = wait_for(lambda: [row for row in fleet.rows() if row.state == 'ok'])[0]
    assert (row.attempt, row.next_attempt) == (2, None)


def test_two_runs_of_a_job_that_queues_never_execute_at_once(fleet):
    fleet.serve('*/2 * * * * *', 'time.sleep(3)', overlap='queue', timeout=1)
    time.sleep(1)
    wait_for(lambda: len(fleet.lines()) >= 6)
    assert [what for what, *_ in fleet.lines()][:6] == ['begin', 'end'] * 3


def test_who_stops_calling_when_its_drain_begins_is_followed_at_once(fleet):
    """As docs/deploy.md has it: it serves on, and what executes there ends."""
    processes = [
        fleet.serve('* * * * * *', 'time.sleep(0.7)', coalesce=False) for _ in range(2)]
    wait_for(fleet.begun)
    owner = next(each for each in processes if each.pid == fleet.begun()[0][0])
    owner.send_signal(signal.SIGUSR1)
    wait_for(lambda: {pid for pid, _ in fleet.begun()[-2:]} == {
        each.pid for each in processes if each is not owner})
    assert owner.poll() is None
    rows = wait_for(lambda: (found := fleet.rows())[3:] and found)
    scheduled = [row.run.scheduled for row in rows]
    assert scheduled == [*range(scheduled[0], scheduled[-1] + 1)]
    wait_for(lambda: {row.state for row in fleet.rows()[:len(rows)]} == {'ok'})
