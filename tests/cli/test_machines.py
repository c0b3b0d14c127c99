"""Who shares a ledger, and where runs were executed (docs/machines.md)."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import postgres
import pytest
from pages import ROOT, blocks_of

from cronsched.cli import main
from cronsched.ledger import Ledger, Owner, Plan, Run, open_ledger
from cronsched.ledger.postgres import PostgresLedger
from cronsched.ledger.postgres.connections import Source, disconnect, execute
from cronsched.ledger.process import Process

NOW = int(time.time()) // 60 * 60
GONE = (
    "INSERT INTO cronsched.members (machine, boot, namespace, pid, started, host, since, seen, "
    "dead) VALUES ('far', 'b', 'n', 12, 1, 'web9', 1, 2, true)")
Shell = Callable[..., str]


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    def call(*words: str) -> str:
        assert main(list(words)) == 0
        return capsys.readouterr().out

    return call


def test_one_machine_lists_its_processes(tmp_path: Path, shell: Shell) -> None:
    directory = tmp_path / 'app'
    directory.mkdir(mode=0o700)
    ledger: Ledger = open_ledger(f'sqlite://{directory}/ledger.sqlite3')
    ledger.seen('org/zug', 'http://localhost', {'cleanup': Plan('* * * * *')}, NOW)
    ledger.own([Owner('org/zug', 'http://localhost', '/srv', NOW)])
    titles, line = shell('machines', '--state-directory', str(directory)).splitlines()
    assert re.split('  +', titles) == [
        'MACHINE', 'PROCESS', 'MEMBER', 'SEATS', 'EPOCH', 'LAST BEAT', 'CLOCK', 'STATE']
    assert re.split('  +', line)[1:] == [str(os.getpid()), '1', '1', '-', '-', '-', 'lives']
    found, = json.loads(shell('machines', '--json', '--state-directory', str(directory)))
    assert (found['pid'], found['seats'], found['alive']) == (os.getpid(), 1, True)
    ledger.close()


@pytest.fixture
def several() -> Iterator[PostgresLedger]:
    ledger = PostgresLedger(postgres.server().clean_database())
    seats = ledger.seats('a')
    seats.join()
    seats.take(['org/zug', 'org/bern'])
    seats.beat(1.5)
    seats.close()
    yield ledger
    ledger.close()


def sql(ledger: PostgresLedger, text: str) -> None:
    server = postgres.server()
    connection = Source(server.url(postgres.database_of(server.clean_url))).connect(5.0)
    execute(connection, text)
    disconnect(connection)


def test_several_machines_show_seats_beats_and_clocks(several, shell: Shell) -> None:
    sql(several, GONE)
    url = postgres.server().clean_url
    _, line = shell('machines', '--ledger', url).splitlines()
    _, pid, _, seats, epoch, beat, offset, state = re.split('  +', line)
    assert (pid, seats, epoch, offset, state) == (str(os.getpid()), '2', '1', '+1.50 s', 'lives')
    assert re.fullmatch(r'[0-9.]+ s ago', beat)
    assert 'gone' in shell('machines', '--all', '--ledger', url)


def test_history_names_the_machine_where_there_are_several(several, shell: Shell) -> None:
    url = postgres.server().clean_url
    several.seen('org/zug', 'http://localhost', {'cleanup': Plan('* * * * *')}, NOW)
    for number in range(2):
        claim = several.claim(Run('org/zug', 'cleanup', NOW - 60 * number), overlap='allow')
        several.finish(claim, 'ok', took=0.1)
    assert 'MACHINE' not in shell('history', '--ledger', url)
    sql(several, f"UPDATE cronsched.runs SET host = 'web9', member = 77 WHERE scheduled = {NOW}")
    titles, line, *_ = shell('history', '--ledger', url).splitlines()
    assert 'MACHINE' in titles
    assert 'web9 77' in line


# -- machine forget

ELSEWHERE = "UPDATE cronsched.members SET machine = 'far', boot = 'b', host = 'web9', seen = {}"


def test_a_machine_is_forgotten_and_what_it_executes_is_lost(several, shell: Shell) -> None:
    url = postgres.server().clean_url
    assert several.claim(Run('org/zug', 'cleanup', NOW)).granted
    sql(several, ELSEWHERE.format('seen - 20'))
    text = shell('machine', 'forget', 'web9', '--ledger', url)
    assert text.startswith(
        'web9 is given up: 1 process, which fired 2 application ids.\n'
        'lost: cleanup of org/zug, scheduled ')
    assert several.find(Run('org/zug', 'cleanup', NOW)).state == 'lost'
    assert several.fleet().free == 2
    found = json.loads(shell('machine', 'forget', 'far', '--json', '--ledger', url))
    assert found['lost'] == []


@pytest.mark.parametrize(('change', 'name', 'told'), [
    (ELSEWHERE.format('seen'), 'web9', r'web9 was heard .* ago: it is not gone'),
    (ELSEWHERE.format('seen - 20'), 'web8', "no machine is called 'web8'; there is web9"),
    ("SELECT 1", Process.current().host, 'is this machine, which looks for its processes itself'),
    (f"{GONE}; {GONE.replace('far', 'near')}", 'web9', '2 machines are called .*far or near'),
])
def test_a_machine_that_may_live_is_not_forgotten(
    several, capsys: pytest.CaptureFixture[str], change: str, name: str, told: str,
) -> None:
    sql(several, change)
    assert main(['machine', 'forget', name, '--ledger', postgres.server().clean_url]) == 2
    assert re.search(told, capsys.readouterr().err.replace('\n', ' '))
    assert several.fleet().free == 0


def test_where_there_is_one_machine_nobody_is_forgotten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    directory = tmp_path / 'app'
    directory.mkdir(mode=0o700)
    ledger = open_ledger(f'sqlite://{directory}/ledger.sqlite3')
    ledger.own([Owner('org/zug', 'http://localhost', '/srv', NOW)])
    ledger.close()
    with contextlib.closing(sqlite3.connect(directory / 'ledger.sqlite3')) as connection:
        connection.execute("UPDATE members SET machine = 'far', host = 'web9'")
        connection.commit()
    assert main(['machine', 'forget', 'web9', '--state-directory', str(directory)]) == 2
    assert 'is of one machine, which looks for its processes itself' in (
        capsys.readouterr().err.replace('\n', ' '))


# -- docs/machines.md

def test_the_page_says_what_works(several, shell: Shell) -> None:
    sql(several, GONE)
    blocks = blocks_of(ROOT / 'docs' / 'machines.md', 'by tests/cli/test_machines.py')
    lines = [line for block in blocks for line in block.text.splitlines()]
    assert len(lines) == 3
    for line in lines:
        shell(*line.removeprefix('$ cronsched ').split(), '--ledger', postgres.server().clean_url)
