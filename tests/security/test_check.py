"""`cronsched check` reads anybody's files: each ends in bounded time, with one
error and no traceback."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest

from cronsched.cli import main
from cronsched.cli.sources import MOST_BYTES, in_crontab

DEEP = 100_000


@pytest.mark.parametrize('line', [
    '0 0 9 * * ' + 'L' * 60 + '!',
    '0 0 9 * * ' + 'LW' * 30 + '!',
    '0 0 9 * * ' + 'W' * 1_000_000 + '!',
    '0 0 9 * * ' + 'MON' * 300_000 + '!',
    '0 0 9 * * ' + 'sunL' * 300_000 + '!',
    'A' + ' ' * 1_000_000 + 'x',
    ' ' * 1_000_000 + '=' + ' ' * 1_000_000,
    'TZ=' + ' ' * 1_000_000 + 'x' + ' ' * 1_000_000,
    'x ' * 1_000_000,
])
def test_a_line_is_read_in_linear_time(line: str) -> None:
    begun = time.process_time()
    list(in_crontab(line, 'crontab'))
    assert time.process_time() - begun < 2


@pytest.mark.parametrize(('name', 'text'), [
    ('deep.py', '(' * DEEP + ')' * DEEP),
    ('deep_list.py', 'X = ' + '[' * 90 + ']' * 90),
    ('deep_minus.py', 'X = ' + '-' * DEEP + '1'),
    ('deep_sum.py', 'X = ' + '+'.join('1' * 20_000)),
    ('deep_zone.py', '@cronjob(timezone=' + 'ZoneInfo(' * 3000 + '"UTC"' + ')' * 3000
     + ', hour=1)\ndef f(r): pass'),
    ('deep_field.py', '@cronjob(hour=' + '+'.join('1' * 5000) + ')\ndef f(r): pass'),
    ('deep_attribute.py', '@' + 'a.' * 20_000 + 'cronjob(hour=1)\ndef f(r): pass'),
    ('unhashable.py', 'X = {[]: 1}\nY = {{}}\n@cronjob({[]})\ndef f(r): pass'),
    ('types.py', '@cronjob(hour=[1], minute={}, timezone=5, name=b"")\ndef f(r): pass'),
    ('types_2.py', '@cronjob(5, timezone="UTC")\ndef f(r): pass'),
    ('types_3.py', '@cronjob(hour=1, timezone=...)\ndef f(r): pass'),
    ('digits.py', '@cronjob(hour=' + '9' * 5000 + ')\ndef f(r): pass'),
    ('nul.py', 'x\0y'),
    ('half.py', '@cronjob("\\ud800 * * * *", timezone="\\ud800")\ndef f(r): pass'),
    ('latin', b'\xff\xfe'),
    ('crontab', '\0 * * * *\n'),
    ('zone', 'CRON_TZ=/etc/passwd\n'),
    ('zone_2', 'CRON_TZ=' + 'x' * 1_000_000 + '\n'),
])
def test_what_is_odd_is_one_error_and_no_traceback(
    tmp_path: Path, name: str, text: str | bytes, capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    begun = time.process_time()
    assert main(['check', str(path)]) in (0, 2)
    written = capsys.readouterr()
    assert time.process_time() - begun < 20
    assert 'Traceback' not in written.err
    assert written.err.count('error:') <= 2
    assert len(written.out) + len(written.err) < 10_000


def test_one_file_that_is_wrong_keeps_no_other_from_being_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / 'deep.py').write_text('(' * DEEP)
    assert main(['check', str(tmp_path / 'deep.py'), '0 9 * * *']) == 2
    written = capsys.readouterr()
    assert written.err.count('error:') == 1
    assert 'At 09:00' in written.out


@pytest.mark.parametrize('source', ['/dev/zero', '-'])
def test_a_source_without_an_end_is_not_read_to_it(
    source: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr('sys.stdin', io.StringIO('#' * (MOST_BYTES + 1)))
    assert main(['check', source]) == 2
    assert 'longer than 4 MiB' in capsys.readouterr().err


@pytest.mark.parametrize(
    'expression', ['x' * 1_000_000, 'x ' * 500_000, '@' + 'x' * 1_000_000, '* \0'])
def test_an_argument_of_any_length_is_an_error(
    expression: str, capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(['check', expression]) == 2
    assert 'error:' in capsys.readouterr().err


@pytest.mark.parametrize('count', ['9' * 5000, '9' * 30])
def test_a_number_of_any_length_is_an_error(count: str) -> None:
    with pytest.raises(SystemExit):
        main(['next', '0 9 * * *', '-n', count])
