"""Every command fits a screen of 80 columns, whatever the names; nothing is
cut with --wide, in JSON, or where there is no screen."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from io import StringIO, TextIOWrapper
from pathlib import Path

import pytest

from cronsched.cli import main
from cronsched.cli.commands import COMMANDS
from cronsched.cli.terminal import Column, Terminal
from cronsched.ledger import Declared, Ledger, Owner, Plan, Run, open_ledger

APP = 'organisation-of-all-municipalities/' + 'kreuzlingen-am-bodensee-' * 3
JOB = 'send_monthly_signing_service_statistics_to_' + 'everybody_' * 8
HOST = 'http://' + 'very-long-host-name.' * 3 + 'example:8000'
DAY = 86400
Shell = Callable[..., str]


@pytest.fixture(autouse=True)
def screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('COLUMNS', '80')


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """Long names, each outcome, a job that is gone, one that is paused."""
    (tmp_path / 'app').mkdir(mode=0o700)
    ledger = open_ledger(f'sqlite://{tmp_path}/app/ledger.sqlite3')
    start = int(time.time()) // DAY * DAY - 2 * DAY
    declared = Declared(Plan('5 0 * * * *', 'America/Argentina/ComodRivadavia'), offset=29.9)
    jobs = dict.fromkeys((JOB, f'{JOB}2', 'short'), declared)
    for application_id in (APP, f'{APP}2', 'shop'):
        ledger.seen(application_id, HOST, jobs, start)
        ledger.pause(application_id, f'{JOB}2', note='until the new server is here ' * 4)
        for number, outcome in enumerate(('failed', 'skipped_overlap', 'missed', 'lost')):
            at = start + 3600 * number + 5
            ledger.record(Run(application_id, JOB, at), outcome, at=at + 31.0, status=500,
                          detail='ValueError: ' + 'no such town ' * 30)
    ledger.own([Owner(APP, HOST, '/srv/very/long/directory/of/the/application', start)])
    ledger.claim(Run(APP, 'short', start + 5), timeout=0.001)
    yield ledger
    ledger.close()


@pytest.fixture
def shell(ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    def call(*words: str) -> str:
        main([*words, '--state-directory', str(tmp_path / 'app')])
        written = capsys.readouterr()
        return written.out + written.err

    return call


def assert_fits(text: str) -> None:
    assert text
    assert [line for line in text.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize('words', [
    ['status'], ['status', '--check'], ['machines'],
    ['history'], ['history', JOB], ['history', JOB, '-n', '1'],
    ['history', JOB, '--at', '00:00:05'], ['pause', JOB, '--note', 'word ' * 30],
    ['resume', f'{JOB}2', '-a', APP], ['run', JOB, '-a', 'shop'],
    ['run', 'short', '-a', 'shop', '--wait', '--timeout', '0'],
], ids=' '.join)
def test_what_the_ledger_tells_fits(words: list[str], shell: Shell) -> None:
    assert_fits(shell(*words))


@pytest.mark.parametrize('words', [
    ['next', '5,15 30 2 * * *', '--tz', 'America/Argentina/ComodRivadavia'],
    ['next', '5,15 30 2 * * *', '--tz', 'Europe/Zurich', '--after', '2027-03-27T12:00'],
    ['explain', '30 2 */25 1-11/2 MON', '--tz', 'America/Argentina/ComodRivadavia'],
    ['check', '30 2 */25 1-11/2 MON', '*/25 * * * *', '--tz', 'Europe/Zurich'],
], ids=' '.join)
def test_what_an_expression_means_fits(
    words: list[str], capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(words) == 0
    assert_fits(capsys.readouterr().out)


@pytest.mark.parametrize('command', [None, *COMMANDS])
def test_help_fits_and_has_examples(
    command: str | None, capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main([*([command] if command else []), '--help'])
    told = capsys.readouterr().out
    assert_fits(told)
    if command:
        assert 'examples:\n  ' in told
        assert f'cronsched {command}' in told.partition('examples:')[2]


def test_a_name_that_is_cut_ends_with_an_ellipsis(shell: Shell) -> None:
    told = shell('status')
    assert JOB not in told
    assert '… ' in told
    assert 'ValueError' not in told


def test_wide_cuts_nothing(shell: Shell) -> None:
    for words in (['status', '--wide'], ['history', '--wide']):
        told = shell(*words)
        assert '…' not in told
        assert JOB in told
        assert APP in told
    assert 'no such town ' * 30 in shell('history', JOB, '--wide').replace('\n', ' ') + ' '


def test_json_cuts_nothing(shell: Shell) -> None:
    assert JOB in {row['job'] for row in json.loads(shell('status', '--json'))}
    assert 'no such town ' * 30 in json.loads(shell('history', JOB, '--json'))[0]['detail']


def test_where_there_is_no_screen_nothing_is_cut(
    shell: Shell, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv('COLUMNS')
    assert JOB in shell('status')


def test_what_need_not_be_cut_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('COLUMNS', '40')
    columns = [Column('A', 5), Column('B'), Column('C', optional=True)]
    terminal = Terminal(StringIO())
    assert [*terminal.table(columns, [['a' * 20, 'b' * 10, 'c']])][1] == 'a' * 20 + '  ' + (
        'b' * 10 + '  c')
    assert [*terminal.table(columns, [['a' * 40, 'b' * 30, 'c' * 9]])] == [
        'A         B', 'aaaaaaa…  ' + 'b' * 30]
    assert [*terminal.table(columns, [['a' * 30, 'b' * 10, 'c' * 9]])][1] == (
        'a' * 16 + '…  ' + 'b' * 10 + '  ' + 'c' * 9)


def test_a_terminal_without_unicode_gets_three_dots(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:
    with (tmp_path / 'out').open('w', encoding='ascii') as file:
        assert isinstance(file, TextIOWrapper)
        assert Terminal(file).cut('a' * 20, 10) == 'a' * 7 + '...'
    monkeypatch.setattr(sys, 'stdout', StringIO())
    assert Terminal(sys.stdout).cut('a' * 20, 10) == 'a' * 9 + '…'
