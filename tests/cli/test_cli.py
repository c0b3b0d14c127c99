"""The command `cronsched`: next, explain and check."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cronsched.cli import main
from cronsched.cli.sources import in_crontab, in_python, read
from cronsched.cli.terminal import Terminal, table

CRONTAB = """\
# Jobs of the town
CRON_TZ="Europe/Zurich"
MAILTO=root

30 3 * * *  root /usr/bin/backup --all
*/25 8-18 * * mon-fri /usr/bin/R CMD BATCH
@daily /usr/bin/tidy
15 0 9 * * SUN echo 1
TZ=UTC
0 12 * * MON-FIR /bin/true
"""

APPLICATION = """\
import morepath, pytz
from zoneinfo import ZoneInfo

ZONE = 'Europe/Zurich'
HOURS = object()

@App.cronjob(hour=8, minute=0, timezone=ZONE)
def morning(request): ...

@App.cronjob('0 9 * * MON#6', timezone=ZoneInfo('Europe/Zurich'))
async def monthly(request): ...

@module.App.cronjob('H H * * *', timezone=pytz.timezone(ZONE), retries=HOURS)
def nightly(request): ...

@App.cronjob(hour=HOURS, minute=0)
def computed(request): ...

@App.cronjob(hour='*/2', timezone='UTC')
def careless(request): ...

@App.path(path='/')
class Root: ...
"""


@pytest.fixture
def crontab(tmp_path: Path) -> str:
    path = tmp_path / 'crontab'
    path.write_text(CRONTAB)
    return str(path)


@pytest.fixture
def application(tmp_path: Path) -> str:
    path = tmp_path / 'app.py'
    path.write_text(APPLICATION)
    return str(path)


def output(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> list[str]:
    assert main(arguments) == status
    return capsys.readouterr().out.splitlines()


def data(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> Any:
    return json.loads('\n'.join(output(capsys, *arguments, '--json', status=status)))


# -- next


def test_next_shows_local_time_and_utc(capsys: pytest.CaptureFixture[str]) -> None:
    assert output(
        capsys,
        *('next', '0 9 * * MON#1', '--tz', 'Europe/Zurich'),
        *('-n', '3', '--after', '2027-02-20'),
    ) == [
        'Europe/Zurich                UTC',
        'Mon 2027-03-01 09:00 +01:00  2027-03-01 08:00',
        'Mon 2027-04-05 09:00 +02:00  2027-04-05 07:00',
        'Mon 2027-05-03 09:00 +02:00  2027-05-03 07:00',
    ]


@pytest.mark.parametrize(('expression', 'after', 'mark'), [
    ('30 2 * * *', '2027-03-27T12:00', 'moved from 02:30: clocks go forward'),
    ('30 2,3 * * *', '2027-03-27T12:00', 'moved from 02:30: clocks go forward'),
    ('0 2,3 * * *', '2027-03-27T12:00', 'also for 02:00: clocks go forward'),
    ('5,15 30 2 * * *', '2027-03-27T12:00', 'moved from 02:30:05 and 02:30:15: clocks go forward'),
    ('30 2 * * *', '2027-10-30T12:00', '02:30 happens twice: first one'),
    ('30 * * * *', '2027-10-31T00:15Z', '02:30 happens twice: first one'),
    ('30 * * * *', '2027-10-31T00:45Z', '02:30 happens twice: second one'),
])
def test_next_marks_what_the_clocks_do(
    expression: str, after: str, mark: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ['next', expression, '--tz', 'Europe/Zurich', '-n', '1', '--after', after]
    assert output(capsys, *arguments)[1].endswith(f'  {mark}')
    assert data(capsys, *arguments)['runs'][0]['move']['text'] == mark


@pytest.mark.parametrize('expression', ['* * * * *', '30 3 * * *', '30 1 * * *'])
def test_next_marks_nothing_else(expression: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ['next', expression, '--tz', 'Europe/Zurich', '-n', '3']
    runs = data(capsys, *arguments, '--after', '2027-03-28T00:00')['runs']
    assert [run['move'] for run in runs] == [None] * 3


def test_next_names_the_day_that_was_skipped(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ['next', '0 12 * * *', '--tz', 'Pacific/Apia', '-n', '1']
    (_, line) = output(capsys, *arguments, '--after', '2011-12-29T23:00-10:00')
    assert line.startswith('Sat 2011-12-31 00:00 +14:00')
    assert line.endswith('moved from 2011-12-30 12:00: clocks go forward')


def test_next_goes_back(capsys: pytest.CaptureFixture[str]) -> None:
    runs = data(
        capsys, 'next', '@daily', '--previous', '-n', '2', '--after', '2027-01-01T00:00:00.5Z'
    )['runs']
    assert [run['utc'] for run in runs] == ['2027-01-01T00:00:00Z', '2026-12-31T00:00:00Z']


def test_next_shows_seconds_where_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    lines = output(capsys, 'next', '*/20 * * * * *', '-n', '2', '--after', '2027-01-01')
    assert lines[1:] == [
        'Fri 2027-01-01 00:00:20 +00:00  2027-01-01 00:00:20',
        'Fri 2027-01-01 00:00:40 +00:00  2027-01-01 00:00:40',
    ]


def test_next_begins_now(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('cronsched.cli.explain.time.time', lambda: 1_800_000_000.7)
    (run,) = data(capsys, 'next', '* * * * * *', '-n', '1')['runs']
    assert run['epoch'] == 1_800_000_001


@pytest.mark.parametrize('expression', ['0 0 30 2 *', '0 0 0 1 1 * 1999', '@reboot'])
def test_next_without_a_run_is_status_1(
    expression: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['next', expression]) == 1
    said = capsys.readouterr()
    assert said.out == ''
    assert expression in said.err


# -- explain


def test_explain_says_what_it_means(capsys: pytest.CaptureFixture[str]) -> None:
    lines = output(capsys, 'explain', '30 3 13 * FRI', '--tz', 'Europe/Zurich')
    assert lines[0] == 'At 03:30 on day 13 of the month, or on Friday, Europe/Zurich'
    assert lines[1].split(maxsplit=1) == ['short', '30 3 13 * 5']
    assert lines[2].startswith('kind     fixed:')
    assert [line.split()[0] for line in lines[3:]] == ['next', 'next', 'next', 'warning']


def test_explain_tells_programs_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    said = data(capsys, 'explain', 'H * * * *', '--seed', 'nightly')
    assert said['kind'] == 'interval'
    assert said['canonical'].endswith(' * * * *')
    assert len(said['runs']) == 3
    assert said['findings'] == []


def test_explain_knows_reboot(capsys: pytest.CaptureFixture[str]) -> None:
    assert output(capsys, 'explain', '@reboot')[0] == 'Once at start-up'


# -- check


def test_check_reads_a_crontab(crontab: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['check', crontab]) == 2
    said = capsys.readouterr()
    assert said.out.splitlines()[:2] == [
        f'{crontab}:5: At 03:30 every day, Europe/Zurich',
        f'{crontab}:6: At minutes 0, 25 and 50 of hours 8 to 18, Monday to Friday, Europe/Zurich',
    ]
    assert f'{crontab}:8: At 09:00:15 on Sunday, Europe/Zurich' in said.out
    assert said.err.splitlines() == [
        f'{crontab}:10: error: FIR is not a weekday: did you mean FRI?',
        '  0 12 * * MON-FIR',
        '               ^^^',
    ]


def test_check_reads_decorators(application: str, capsys: pytest.CaptureFixture[str]) -> None:
    results = data(capsys, 'check', application, status=2)['results']
    places = {result['place'].rpartition(':')[2]: result for result in results}
    assert set(places) == {'7', '10', '13', '16', '19'}
    assert places['7']['description'] == 'At 08:00 every day, Europe/Zurich'
    assert places['10']['error']['hint'] == 'use #1 to #5, or #L for the last one'
    assert places['13']['timezone'] == 'Europe/Zurich'
    assert places['16']['unread'] == 'hour=HOURS is not a literal'
    assert 'write minute=0' in places['19']['error']['text']


def test_a_checked_h_is_that_of_the_job(application: str) -> None:
    (written,) = [each for each in in_python(APPLICATION, 'app.py') if each.seed == 'nightly']
    assert written.schedule().seed == 'nightly'


def test_check_takes_expressions(capsys: pytest.CaptureFixture[str]) -> None:
    assert output(capsys, 'check', '0 9 * * MON', '@hourly', '--tz', 'Asia/Tokyo') == [
        "'0 9 * * MON': At 09:00 on Monday, Asia/Tokyo",
        "'@hourly': Every hour, Asia/Tokyo",
    ]


def test_check_reads_standard_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, 'stdin', io.StringIO('0 9 * * *\n'))
    assert output(capsys, 'check', '-') == ['standard input:1: At 09:00 every day, UTC']


@pytest.mark.parametrize(('arguments', 'status'), [
    (['0 9 * * *'], 0),
    (['0 9 * * *', '--strict'], 0),
    (['*/25 * * * *'], 0),
    (['*/25 * * * *', '--strict'], 1),
    (['60 * * * *'], 2),
    (['60 * * * *', '*/25 * * * *', '--strict'], 2),
    (['0 9 * * *', '--tz', 'Europe/Zurch'], 2),
    (['no-such-file'], 2),
    (['.'], 2),
    ([''], 2),
])
def test_the_status_tells_ci(
    arguments: list[str], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['check', *arguments]) == status
    assert (capsys.readouterr().err != '') == (status == 2)


def test_quiet_leaves_out_what_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    lines = output(capsys, 'check', '-q', '0 9 * * *', '*/25 * * * *')
    assert len(lines) == 1
    assert lines[0].startswith("'*/25 * * * *': warning: */25 is uneven")


def test_a_file_that_is_no_python_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / 'broken.py'
    path.write_text('def')
    assert main(['check', str(path)]) == 2
    assert 'is not Python' in capsys.readouterr().err


@pytest.mark.parametrize(('line', 'expression'), [
    ('0 9 * * * root true', '0 9 * * *'),
    ('0 9 * * * /bin/true', '0 9 * * *'),
    ('0 9 * * * R CMD', '0 9 * * *'),
    ('0 9 * * * 7z x', '0 9 * * *'),
    ('0 0 9 * * MON true', '0 0 9 * * MON'),
    ('0 0 9 * * mon-fri true', '0 0 9 * * mon-fri'),
    ('0 0 9 * * MNO', '0 0 9 * * MNO'),
    ('0 0 0 1 1 * 2027 true', '0 0 0 1 1 * 2027'),
    ('@daily true', '@daily'),
    ('0 9', '0 9'),
])
def test_a_command_is_no_field(line: str, expression: str) -> None:
    (written,) = in_crontab(line, 'crontab')
    assert written.expression == expression


def test_a_zone_on_the_line_is_that_of_the_line(tmp_path: Path) -> None:
    text = 'TZ=Asia/Tokyo 0 4 * * * cmd\n0 5 * * * cmd\nCRON_TZ=Europe/Zurich\n0 6 * * *\n'
    written = [(each.expression, each.timezone) for each in in_crontab(text, 'crontab')]
    assert written == [
        ('0 4 * * *', 'Asia/Tokyo'), ('0 5 * * *', 'UTC'), ('0 6 * * *', 'Europe/Zurich')]


def test_a_mistake_on_a_line_with_a_zone_is_told_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / 'crontab'
    path.write_text(
        'CRON_TZ=Asia/Tokyo 99 4 * * * cmd\n0 5 * * * cmd\nCRON_TZ=Asia/Tokio\n0 6 * * *\n')
    assert main(['check', str(path)]) == 2
    written = capsys.readouterr()
    assert ':1: error: ' in written.err.replace('\x1b', '')
    assert 'minute 99 is out of range' in written.err
    assert ':3: error: ' in written.err
    assert "did you mean 'Asia/Tokyo'" in written.err
    assert [line.partition(': ')[0][-2:] for line in written.out.splitlines()] == [':2', ':4']


def test_check_reads_the_decorators_of_cron_and_of_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / 'app.py'
    path.write_text(
        "@cron.job('0 8 * * *')\ndef a(): ...\n@shop_cron.job(hour=9, minute=0)\ndef b(): ...\n"
        "@queue.job('high')\ndef c(): ...\n@job('high')\ndef d(): ...\n")
    assert [each.place[-2:] for each in read(path)] == [':1', ':3']


EXAMPLES = Path(__file__).parents[2] / 'examples'


@pytest.mark.parametrize(('file', 'count', 'zone'), [
    ('flask/shop.py', 2, 'Europe/Zurich'), ('fastapi/shop.py', 3, 'Europe/Zurich'),
    ('pyramid/shop.py', 2, 'UTC'), ('django/shop/cron.py', 3, 'UTC'),
])
def test_check_finds_the_jobs_of_each_framework(file: str, count: int, zone: str) -> None:
    """Those of Pyramid and Django have the zone of their settings."""
    found = list(read(EXAMPLES / file))
    assert len(found) == count
    assert {each.timezone for each in found} == {zone}
    assert all(each.schedule().expression for each in found)


@pytest.mark.parametrize(('made', 'decorator', 'zone'), [
    ("from cronsched.starlette import Cron\njobs = Cron('shop', timezone='Asia/Tokyo')\n",
     'jobs.job', 'Asia/Tokyo'),
    ("import cronsched\nZONE = 'Asia/Tokyo'\n"
     "class Shop:\n  every = cronsched.Cron('shop', timezone=ZONE)\n",
     'Shop.every.job', 'Asia/Tokyo'),
    ("jobs = Cron('shop', timezone=zone_of('shop'))\n", 'jobs.job', 'UTC'),
    ("jobs = Cron('shop')\n", 'jobs.job', 'UTC'),
    ('', 'shop.cron.job', 'UTC'),
    ('', 'App.cronjob', 'UTC'),
])
def test_check_knows_the_cron_that_a_module_makes(
    made: str, decorator: str, zone: str, tmp_path: Path
) -> None:
    path = tmp_path / 'shop.py'
    path.write_text(f"{made}@{decorator}('0 8 * * *')\nasync def refresh(run): ...\n"
                    f"@{decorator}('0 8 * * *', timezone='UTC')\ndef other(): ...\n")
    assert [each.timezone for each in read(path)] == [zone, 'UTC']


# -- errors, terminals, pipes


def test_an_error_is_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['next', '0 60 * * *']) == 2
    said = capsys.readouterr()
    assert said.out == ''
    assert said.err.splitlines() == [
        'cronsched: error: hour 60 is out of range: use 0-23', '  0 60 * * *', '    ^^'
    ]


@pytest.mark.parametrize('arguments', [
    [], ['next'], ['next', '* * * * *', '-n', '0'], ['next', '* * * * *', '-n', 'x'], ['nothing'],
])
def test_a_wrong_use_is_status_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().out == ''


@pytest.mark.parametrize('after', ['yesterday', '2027-13-01', ''])
def test_a_time_that_is_none_is_status_2(after: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['next', '* * * * *', '--after', after]) == 2
    assert '--after' in capsys.readouterr().err


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, '-m', 'cronsched', *arguments],
        capture_output=True, text=True, timeout=60, env={**os.environ, **environment}, check=False,
    )


def test_a_reader_that_goes_away_ends_it_in_silence() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, 'w') as closed:
        finished = subprocess.run(
            [sys.executable, '-m', 'cronsched', 'next', '* * * * *', '-n', '2000'],
            stdout=closed, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )
    assert finished.returncode == 141
    assert finished.stderr == ''


def test_a_path_that_cannot_be_encoded_is_written_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / 'crönt\udce4b'
    path.write_text('0 9 * * *')
    finished = run('check', str(path), PYTHONIOENCODING='ascii')
    assert finished.returncode == 0, finished.stderr
    assert 'At 09:00' in finished.stdout


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colours_are_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('NO_COLOR', raising=False)
    monkeypatch.setenv('TERM', 'xterm')
    assert Terminal(Screen()).bad('no') == '\x1b[31mno\x1b[0m'
    assert Terminal(io.StringIO()).bad('no') == 'no'


@pytest.mark.parametrize(('name', 'value'), [('NO_COLOR', '1'), ('TERM', 'dumb')])
def test_colours_can_be_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('TERM', 'xterm')
    monkeypatch.setenv(name, value)
    assert Terminal(Screen()).bad('no') == 'no'


@pytest.mark.parametrize(('refused', 'coloured'), [('', True), ('1', False)])
def test_a_real_terminal_has_colours_unless_refused(refused: str, coloured: bool) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, 'NO_COLOR': refused, 'TERM': 'xterm'}
    subprocess.run(
        [sys.executable, '-m', 'cronsched', 'next', '@daily', '-n', '1'],
        stdout=theirs, env=environment, timeout=60, check=True,
    )
    os.close(theirs)
    said = os.read(ours, 4096).decode()
    os.close(ours)
    assert ('\x1b[' in said) == coloured


def test_columns_are_aligned_whatever_the_colours() -> None:
    assert list(table([['a', 'b'], ['\x1b[1mlong\x1b[0m', 'c'], ['x']])) == [
        'a     b', '\x1b[1mlong\x1b[0m  c', 'x'
    ]


def test_what_others_wrote_steers_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / 'crontab'
    path.write_text('0 9 * * \x1b]0;owned\x07\n')
    assert main(['check', str(path)]) == 2
    assert '\x1b' not in capsys.readouterr().err


# -- what is often written instead of an expression


@pytest.mark.parametrize(('words', 'hint'), [
    (['0', '9', '*', '*', '1'], "the expression comes as 5 words: write '0 9 * * 1'"),
    (['0', '9', 'README.md', 'src', '1'], "write '0 9 * * MON', say, in quotes"),
    (['every', '5', 'minutes'], "write '*/5 * * * *'"),
    (['every 5 minutes'], 'write */5 * * * *'),
    (['every hour'], 'write 0 * * * *'),
    (['minutes=5'], "write '*/5 * * * *' here"),
    (['hour=8, minute=30'], "write '30 8 * * *' here"),
    (["hour='8' minute='*/5'"], "write '*/5 8 * * *' here"),
])
@pytest.mark.parametrize('command', ['next', 'explain'])
def test_an_error_says_what_to_write(
    command: str, words: list[str], hint: str, capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([command, *words, '--tz', 'Europe/Zurich']) == 2
    assert hint in capsys.readouterr().err


def test_check_is_told_of_quotes_as_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(['check', '0', '9', '*', '*', '1']) == 2
    assert "the expression comes as 5 words: write '0 9 * * 1'" in capsys.readouterr().err


@pytest.mark.parametrize(
    'after', ['2027-01-01 00:00 UTC', 'Fri 2027-01-01 00:00 +00:00', '1798761600'])
def test_next_begins_at_any_time_that_it_shows(
    after: str, capsys: pytest.CaptureFixture[str],
) -> None:
    (run,) = data(capsys, 'next', '@daily', '-n', '1', '--after', after)['runs']
    assert run['utc'] == '2027-01-02T00:00:00Z'
