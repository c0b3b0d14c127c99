"""What the command line says of the ledger, and that every scheduled time has
an answer."""

from __future__ import annotations

import json
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cronsched.cli import main
from cronsched.ledger import Declared, Ledger, Owner, Plan, Run, open_ledger

ZUG, BERN = 'org/zug', 'org/bern'
# 10:00 in Zurich; first seen a day before.
TEN = int(datetime(2026, 11, 20, 9, tzinfo=UTC).timestamp())
MINUTE, HOUR, DAY = 60, 3600, 86400
Shell = Callable[..., str]


@pytest.fixture(autouse=True)
def afternoon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five days later at 13:00 in Zurich, as what is told depends on the day."""
    real = time.time
    ahead = TEN + 5 * DAY + 3 * HOUR - real()
    monkeypatch.setattr(time, 'time', lambda: real() + ahead)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / 'app').mkdir(mode=0o700)
    return tmp_path / 'app'


@pytest.fixture
def ledger(directory: Path) -> Iterator[Ledger]:
    ledger = open_ledger(f'sqlite://{directory}/ledger.sqlite3')
    plans = {'cleanup': Plan('*/15 * * * *', 'Europe/Zurich'),
             'report': Plan('0 8 * * *', 'Europe/Zurich')}
    for application_id in (ZUG, BERN):
        ledger.seen(application_id, 'http://localhost', plans, TEN - DAY)
    yield ledger
    ledger.close()


@pytest.fixture
def shell(ledger: Ledger, directory: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    def call(*words: str, status: int = 0) -> str:
        assert main([*words, '--state-directory', str(directory)]) == status
        written = capsys.readouterr()
        assert (written.out, written.err)[status < 2] == ''
        return written.err if status >= 2 else written.out

    return call


def ran(ledger: Ledger, scheduled: int, outcome: str = 'ok', **options: Any) -> None:
    claim = ledger.claim(Run(ZUG, 'cleanup', scheduled))
    assert claim.granted
    ledger.finish(claim, outcome, took=1.25, **options)


def own(ledger: Ledger) -> None:
    """This process runs org/zug, since ten."""
    ledger.own([Owner(ZUG, 'http://127.0.0.1:8000', '/srv/zug', TEN)])


# -- status

def test_the_status_is_a_line_for_each_job(ledger: Ledger, shell: Shell) -> None:
    ran(ledger, TEN)
    ledger.pause(BERN, 'report', note='new server')
    own(ledger)
    table, told = shell('status').split('\n\n')
    lines = table.splitlines()
    assert len(lines) == 5
    assert lines[0].split() == ['APPLICATION', 'JOB', 'LAST', 'RUN', 'STATE', 'TOOK', 'NEXT']
    assert re.search(r'  20 Nov 10:00 \+\d+ h  ok +1\.2 s  \d\d:\d\d:00', lines[3])
    assert lines[2].startswith('org/bern')
    assert lines[2].endswith('paused: new server')
    assert told.endswith('Times are Europe/Zurich.\n')


def test_the_status_tells_who_runs_what_and_since_when(ledger: Ledger, shell: Shell) -> None:
    own(ledger)
    told = shell('status')
    assert (f'org/zug: process {os.getpid()} on {socket.gethostname()} since 20 Nov 10:00, '
            'at http://127.0.0.1:8000') in told
    assert 'org/bern: no process runs it; it was last started at 19 Nov 10:00' in told
    bern, zug = (json.loads(shell('status', '--json', '-a', each))[0] for each in (BERN, ZUG))
    assert bern['owner'] is None
    assert zug['owner']['pid'] == os.getpid()
    assert zug['owner']['since'] == TEN


def test_what_nobody_runs_has_no_next_run(ledger: Ledger, shell: Shell) -> None:
    own(ledger)
    next_of = {tuple(line.split()[:2]): line.split()[-1] for line in shell('status').splitlines()
               if line.startswith('org/') and ': ' not in line}
    assert next_of[BERN, 'cleanup'] == '-'
    assert next_of[ZUG, 'cleanup'].endswith(':00')


def test_the_status_marks_what_is_no_longer_in_the_code(ledger: Ledger, shell: Shell) -> None:
    own(ledger)
    ledger.seen(ZUG, 'http://localhost', {'report': Plan('0 8 * * *', 'Europe/Zurich')}, TEN)
    line = next(line for line in shell('status', '-a', ZUG).splitlines() if 'cleanup' in line)
    assert line.endswith('not in the code')
    told = shell('run', 'cleanup', '-a', ZUG, status=2)
    assert 'cleanup of org/zug is no longer in the code' in told
    assert ledger.take_requests([ZUG], time.time()) == []


def test_a_run_whose_offset_is_still_to_come_is_the_next_one(
    ledger: Ledger, shell: Shell, monkeypatch: pytest.MonkeyPatch,
) -> None:
    declared = Declared(Plan('*/15 * * * *', 'Europe/Zurich'), offset=22.0)
    ledger.seen(ZUG, 'http://localhost', {'cleanup': declared}, TEN - DAY)
    own(ledger)
    for later, scheduled in ((4, '10:00:00'), (21.9, '10:00:00'), (22, '10:15:00')):
        monkeypatch.setattr(time, 'time', lambda later=later: TEN + later)
        line = next(line for line in shell('status', '-a', ZUG).splitlines() if 'cleanup' in line)
        assert line.endswith(f'{scheduled} +22 s')


def test_a_run_past_its_timeout_is_told_with_process_and_thread(
    ledger: Ledger, shell: Shell,
) -> None:
    ledger.claim(Run(ZUG, 'cleanup', TEN), timeout=60.0)
    assert 'past its timeout' not in shell('status')
    ledger.record(Run(ZUG, 'cleanup', TEN), 'timed_out', at=TEN + 60.0)
    assert re.search(
        rf'cleanup of org/zug is past its timeout: its run of .* in process {os.getpid()} on .*, '
        r'thread MainThread \(', shell('status'))
    job = next(each for each in json.loads(shell('status', '--json'))
               if (each['application_id'], each['job']) == (ZUG, 'cleanup'))
    assert job['state'] == 'running'
    executing, = job['executing']
    assert (executing['scheduled'], executing['pid'], executing['overdue']) == (
        TEN, os.getpid(), True)


def test_the_columns_of_a_table_are_aligned(ledger: Ledger, shell: Shell) -> None:
    ran(ledger, TEN)
    lines = shell('status', '--wide').partition('\n\n')[0].splitlines()
    for title in ('JOB', 'LAST RUN', 'STATE', 'TOOK', 'NEXT', 'LAST OK'):
        at = lines[0].index(title)
        assert all(line[at - 2:at] == '  ' and line[at] != ' ' for line in lines)


# -- status --check

def test_all_is_well(ledger: Ledger, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    own(ledger)
    ran(ledger, TEN)
    ledger.record(Run(ZUG, 'report', TEN - 2 * HOUR), 'ok', at=TEN)
    monkeypatch.setattr(time, 'time', lambda: TEN + 60.0)
    assert shell('status', '--check', '-a', ZUG) == 'cronsched OK: 2 jobs of 1 application id\n'


def test_what_is_wrong_is_a_line_each_and_status_1(
    ledger: Ledger, shell: Shell, monkeypatch: pytest.MonkeyPatch,
) -> None:
    own(ledger)
    ran(ledger, TEN, 'failed', detail='ValueError: no town\nmore')
    ledger.record(Run(ZUG, 'report', TEN - 2 * HOUR), 'missed', at=TEN)
    monkeypatch.setattr(time, 'time', lambda: TEN + 60.0)
    told = shell('status', '--check', status=1).splitlines()
    assert told[0] == (
        'cronsched WARNING: 3 problems, org/bern: no process runs it; it was last started at '
        '19 Nov 10:00')
    assert told[1:] == [
        'cleanup of org/zug failed at 10:00:00: ValueError: no town',
        'report of org/zug was missed at 08:00:00',
    ]
    assert len(json.loads(shell('status', '--check', '--json', status=1))) == 3


def test_what_is_to_be_tried_again_is_not_wrong_yet(
    ledger: Ledger, shell: Shell, monkeypatch: pytest.MonkeyPatch,
) -> None:
    own(ledger)
    ledger.record(Run(ZUG, 'report', TEN - 2 * HOUR), 'ok', at=TEN)
    claim = ledger.claim(Run(ZUG, 'cleanup', TEN), retries=1, backoff=60.0)
    ledger.finish(claim, 'failed', took=1.0)
    monkeypatch.setattr(time, 'time', lambda: TEN + 60.0)
    assert 'OK' in shell('status', '--check', '-a', ZUG)


def test_a_run_that_left_no_record_is_wrong_after_ten_minutes(
    ledger: Ledger, shell: Shell, monkeypatch: pytest.MonkeyPatch,
) -> None:
    own(ledger)
    ledger.record(Run(ZUG, 'report', TEN - 2 * HOUR), 'ok', at=TEN)
    ran(ledger, TEN)
    for later, wrong in ((15 * MINUTE + 599, 0), (25 * MINUTE + 1, 1)):
        monkeypatch.setattr(time, 'time', lambda later=later: TEN + float(later))
        told = shell('status', '--check', '-a', ZUG, status=wrong)
        assert ('cleanup of org/zug has no record of its run of 10:15:00' in told) == bool(wrong)
    ledger.pause(None, 'cleanup')
    assert 'OK' in shell('status', '--check', '-a', ZUG)


def test_the_status_can_be_read_by_a_program(ledger: Ledger, shell: Shell) -> None:
    ran(ledger, TEN, 'failed')
    found = json.loads(shell('status', '--json', '-a', ZUG))
    assert [row['job'] for row in found] == ['cleanup', 'report']
    first = found[0]
    assert first['scheduled'] == TEN
    assert first['state'] == 'failed'
    assert first['took'] == pytest.approx(1.25, abs=0.001)
    assert first['paused'] is None
    assert 0 < first['next'] - time.time() <= 15 * MINUTE


def test_colours_are_for_a_terminal_only(
    ledger: Ledger, shell: Shell, monkeypatch: pytest.MonkeyPatch,
) -> None:
    ran(ledger, TEN)
    assert '\x1b' not in shell('status')
    monkeypatch.setattr('sys.stdout.isatty', lambda: True)
    monkeypatch.setenv('TERM', 'xterm')
    monkeypatch.delenv('NO_COLOR', raising=False)
    assert '\x1b[32mok\x1b[0m' in shell('status')
    monkeypatch.setenv('NO_COLOR', '1')
    assert '\x1b' not in shell('status')


def test_what_a_view_raised_does_not_steer_the_terminal(ledger: Ledger, shell: Shell) -> None:
    ran(ledger, TEN, 'failed', detail='\x1b[2J\x07')
    assert shell('history').isascii()
    assert '\x1b' not in shell('history') + shell('history', 'cleanup', '--at', '2026-11-20 10:00')


# -- history

def test_the_history_is_told_newest_first(ledger: Ledger, shell: Shell) -> None:
    for quarter in range(4):
        ran(ledger, TEN + quarter * 15 * MINUTE)
    lines = shell('history', 'cleanup', '-n', '3').partition('\n\n')[0].splitlines()
    assert [line[:12] for line in lines[1:]] == ['20 Nov 10:45', '20 Nov 10:30', '20 Nov 10:15']
    assert len(json.loads(shell('history', '--json'))) == 4
    assert json.loads(shell('history', '--json', '-a', BERN)) == []


def test_the_history_for_a_program_is_written_as_it_is_read(
    ledger: Ledger, shell: Shell, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr('cronsched.ledger.sqlite.reading.PIECE', 2)
    for minute in range(5):
        ran(ledger, TEN + 900 * minute)
    text = shell('history', '--json', '-n', '4')
    assert [row['scheduled'] for row in json.loads(text)] == [
        TEN + 900 * minute for minute in (4, 3, 2, 1)]
    assert len(text.splitlines()) == 6   # a run a line
    rows = json.loads(shell('history', '--json', '-a', ZUG, '-a', BERN, '-n', '99'))
    assert len(rows) == 5
    assert rows[0]['took'] == 1.25
    assert json.loads(shell('history', '--json', '-a', BERN)) == []


def test_what_follows_is_told_too(ledger: Ledger, shell: Shell) -> None:
    claim = ledger.claim(Run(ZUG, 'cleanup', TEN), retries=2, backoff=60.0)
    ledger.finish(claim, 'failed', took=1.0)
    assert '; attempt 2 is due at ' in answer(shell)


def test_the_history_tells_the_details(ledger: Ledger, shell: Shell) -> None:
    ran(ledger, TEN, 'failed', detail='ValueError: no\nsecond line')
    ledger.record(Run(ZUG, 'cleanup', TEN), 'failed', at=TEN, status=500)
    ledger.record(Run(BERN, 'cleanup', TEN), 'missed', at=TEN, until=TEN + HOUR, count=5)
    told = shell('history')
    assert 'status 500, ValueError: no\n' in told
    assert '5 runs until 20 Nov 11:00' in told


# -- Why did it not run?

def answer(shell: Shell, at: str = '2026-11-20 10:00', application_id: str = ZUG) -> str:
    return shell('history', 'cleanup', '-a', application_id, '--at', at)


def test_a_time_without_an_offset_is_in_the_zone_of_the_job(
    ledger: Ledger, shell: Shell,
) -> None:
    ran(ledger, TEN)
    told = answer(shell)
    assert told.startswith('cleanup of org/zug: The run of 2026-11-20 10:00:00 CET ran from ')
    assert told.endswith(', ok.\n')
    assert told == answer(shell, '2026-11-20T09:00Z') == answer(shell, '2026-11-20T09:00+00:00')


@pytest.mark.parametrize(('outcome', 'words'), [
    ('failed', 'and failed: because.'),
    ('timed_out', 'given up by its sender at '),
    ('unreachable', 'no server answered until '),
    ('lost', 'and lost: '),
    ('skipped_overlap', 'the previous run was still executing: because.'),
    ('missed', 'was missed: nothing ran the jobs of the application from '),
])
def test_each_outcome_is_a_sentence(
    ledger: Ledger, shell: Shell, outcome: str, words: str,
) -> None:
    ledger.record(Run(ZUG, 'cleanup', TEN), outcome, at=TEN + 5, detail='because')
    told = answer(shell)
    assert words in told
    assert told.endswith('because.\n')


def test_a_running_run_is_told_with_its_process(ledger: Ledger, shell: Shell) -> None:
    ledger.claim(Run(ZUG, 'cleanup', TEN))
    assert f'in process {os.getpid()} on ' in answer(shell)


def test_a_pause_is_told_with_its_note(ledger: Ledger, shell: Shell) -> None:
    ledger.pause(None, 'cleanup', note='new server')
    ledger.claim(Run(ZUG, 'cleanup', TEN))
    ledger.resume(None, 'cleanup')
    assert 'was skipped: the job was paused: new server.' in answer(shell)


def test_an_overlap_is_told_with_the_process(ledger: Ledger, shell: Shell) -> None:
    ledger.claim(Run(ZUG, 'cleanup', TEN - HOUR))
    ledger.claim(Run(ZUG, 'cleanup', TEN))
    assert f'process {os.getpid()} executed another run.' in answer(shell)


def test_what_was_missed_is_told_with_from_when_to_when(ledger: Ledger, shell: Shell) -> None:
    ledger.record(Run(ZUG, 'cleanup', TEN - HOUR), 'unreachable', at=TEN - HOUR)
    ledger.record(Run(ZUG, 'cleanup', TEN), 'missed', at=TEN + DAY, until=TEN + HOUR, count=5)
    told = answer(shell, '2026-11-20 10:30')
    assert 'from 2026-11-20 09:00:00 CET on' in told
    assert 'at 2026-11-21 10:00:00 CET it was too late' in told
    assert '5 runs were missed, from 2026-11-20 10:00:00 CET to 2026-11-20 11:00:00 CET' in told


def test_a_time_that_is_not_scheduled_is_told_with_its_neighbours(
    ledger: Ledger, shell: Shell,
) -> None:
    ledger.record(Run(ZUG, 'cleanup', TEN), 'missed', at=TEN + DAY, until=TEN + HOUR, count=5)
    told = answer(shell, '2026-11-20 10:07')
    assert "is not scheduled: '*/15 * * * *' names 2026-11-20 10:00:00 CET before" in told
    assert 'and 2026-11-20 10:15:00 CET after it' in told


def test_a_time_before_the_job_was_seen_is_not_known(ledger: Ledger, shell: Shell) -> None:
    told = answer(shell, '2026-11-01 10:00')
    assert 'is not known: the job was first seen at 2026-11-19 10:00:00 CET' in told


def test_a_time_to_come_is_not_due_yet(ledger: Ledger, shell: Shell) -> None:
    assert 'is not due yet' in answer(shell, '2190-01-01 10:00')


def test_a_time_after_the_last_record_has_none_yet(ledger: Ledger, shell: Shell) -> None:
    assert 'has no record; the last is none.' in answer(shell)
    ran(ledger, TEN - HOUR)
    assert 'has no record; the last is that of 2026-11-20 09:00:00 CET.' in answer(shell)


def test_a_time_between_records_is_told_with_both(ledger: Ledger, shell: Shell) -> None:
    ran(ledger, TEN - HOUR)
    ran(ledger, TEN + HOUR)
    told = answer(shell)
    assert 'the one before is that of 2026-11-20 09:00:00 CET' in told
    assert 'the one after that of 2026-11-20 11:00:00 CET' in told


def test_a_job_without_a_plan_is_answered_in_utc(ledger: Ledger, shell: Shell) -> None:
    ledger.claim(Run('other', 'cleanup', TEN))
    told = answer(shell, '2026-11-20 09:00', 'other')
    assert 'The run of 2026-11-20 09:00:00 UTC has been running since' in told


def test_every_scheduled_time_has_an_answer(ledger: Ledger, shell: Shell) -> None:
    for number in range(0, 40, 7):
        ran(ledger, TEN + number * 15 * MINUTE)
    for number in range(-200, 60):
        at = datetime.fromtimestamp(TEN + number * 15 * MINUTE, UTC).isoformat()
        found = json.loads(shell('history', 'cleanup', '--json', '--at', at))
        assert [one['application_id'] for one in found] == [BERN, ZUG]
        assert all(len(one['sentence']) > 40 for one in found)


# -- pause, resume

def test_a_job_is_paused_and_resumed(ledger: Ledger, shell: Shell) -> None:
    told = shell('pause', 'cleanup', '--note', 'new server')
    assert told == 'cleanup is paused for all application ids: new server\n'
    assert ledger.claim(Run(ZUG, 'cleanup', TEN)).verdict == 'skipped_paused'
    assert shell('resume', 'cleanup') == 'cleanup is not paused\n'
    assert ledger.claim(Run(ZUG, 'cleanup', TEN + HOUR)).granted


def test_a_pause_of_one_application_is_ended_for_it(ledger: Ledger, shell: Shell) -> None:
    shell('pause', 'cleanup', '-a', ZUG)
    assert 'resume it with -a org/zug' in shell('resume', 'cleanup', status=2)
    assert json.loads(shell('resume', 'cleanup', '-a', ZUG, '--json')) == []


# -- Errors

@pytest.mark.parametrize(('words', 'hint'), [
    (['history', 'cleenup'], "no job 'cleenup'; there is cleanup"),
    (['run', 'x'], 'there is cleanup, report'),
    (['pause', 'reprot'], 'there is report'),
    (['status', '-a', 'org/zgu'], 'there is org/zug'),
    (['history', 'cleanup', '--at', 'yesterday'], "write '14:42' for today"),
    (['history', '--at', '2026-11-20'], '--at needs a job'),
    (['resume', 'cleanup'], 'is not paused for all application ids'),
])
def test_an_error_says_what_was_meant(shell: Shell, words: list[str], hint: str) -> None:
    told = shell(*words, status=2)
    assert told.startswith('cronsched: ')
    assert hint in told


def test_looking_at_a_ledger_makes_none(
    ledger: Ledger, shell: Shell, directory: Path,
) -> None:
    ledger.close()
    os.unlink(directory / 'ledger.sqlite3')
    assert 'there is no ledger at ' in shell('status', status=2)
    assert list(directory.iterdir()) == []


def test_a_damaged_ledger_is_an_error(ledger: Ledger, shell: Shell, directory: Path) -> None:
    ledger.close()
    (directory / 'ledger.sqlite3').write_bytes(b'x' * 5000)
    assert 'is damaged' in shell('status', status=2)
