"""What can happen to the file of a SQLite ledger: nothing of it may make a run
happen twice, and all of it is told."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cronsched.ledger import LedgerError, Run, open_ledger
from cronsched.ledger.sqlite import SQLiteLedger

ROW = Run('org/zug', 'cleanup', 1792000020)
OTHERS = [Run('org/zug', 'cleanup', ROW.scheduled + 60 * minute) for minute in range(1, 400)]
PAGE = 4096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    directory = tmp_path / 'ledger'
    directory.mkdir(mode=0o700)
    return directory / 'ledger.sqlite3'


@pytest.fixture
def ledger(path: Path) -> Iterator[SQLiteLedger]:
    ledger = SQLiteLedger(path, patience=0.2)
    yield ledger
    ledger.close()


def fill(ledger: SQLiteLedger) -> None:
    for run in OTHERS:
        claim = ledger.claim(run, overlap='allow')
        ledger.finish(claim, 'ok', took=0.0, detail='x' * 100)


def refused(ledger: SQLiteLedger, match: str) -> None:
    """Each use tells what is wrong, and none grants a run."""
    for _ in range(2):
        with pytest.raises(LedgerError, match=match) as caught:
            ledger.claim(ROW)
        assert str(ledger.path) in str(caught.value)
        assert caught.value.path == ledger.path
        with pytest.raises(LedgerError):
            ledger.history()


def claim_in_vain(ledger: SQLiteLedger) -> str | None:
    """Claim what was granted before, until an error says why it cannot be."""
    for run in OTHERS:
        try:
            claim = ledger.claim(run, overlap='allow')
        except LedgerError as error:
            return str(error)
        assert not claim.granted
    return None


def run_script(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', script, *map(str, arguments)],
        text=True, capture_output=True, timeout=60, check=False)


# -- Where it is

@pytest.mark.parametrize('text', ['sqlite://{}', 'sqlite:///{}', 'sqlite://{}?synchronous=full'])
def test_a_url_names_an_absolute_path(text: str, tmp_path: Path) -> None:
    ledger = SQLiteLedger.from_url(text.format(tmp_path / 'a%20b'))
    assert ledger.path == tmp_path / 'a b'
    assert ledger.claim(ROW).granted
    assert open_ledger(text.format(tmp_path / 'a%20b')).claim(ROW).verdict == 'duplicate'
    ledger.close()


@pytest.mark.parametrize('url', [
    'sqlite://', 'sqlite:///', 'sqlite://host/path', 'mysql:///x', '/a/path', '',
    'sqlite:///x?synchronous=off', 'sqlite:///x?other=1',
])
def test_a_url_that_names_none_is_an_error(url: str) -> None:
    with pytest.raises(LedgerError, match=r'synchronous|sqlite:///absolute/path'):
        open_ledger(url)


def test_nothing_is_opened_before_the_first_use(path: Path) -> None:
    SQLiteLedger(path)
    assert not path.exists()


def test_all_its_files_are_private(ledger: SQLiteLedger, path: Path) -> None:
    before = os.umask(0)
    try:
        ledger.claim(ROW)
    finally:
        os.umask(before)
    files = sorted(path.parent.iterdir())
    assert [file.name.removeprefix(path.name) for file in files] == [
        '', '-alive', '-shm', '-wal']
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


@pytest.mark.parametrize(('given', 'kept'), [
    (0o644, 0o640), (0o666, 0o640), (0o660, 0o640), (0o640, 0o640), (0o604, 0o600), (0o700, 0o600),
])
def test_a_file_is_read_by_its_group_at_most_and_written_by_us(
    ledger: SQLiteLedger, path: Path, given: int, kept: int,
) -> None:
    ledger.claim(ROW)
    ledger.close()
    path.chmod(given)
    assert ledger.claim(ROW).verdict == 'duplicate'
    assert stat.S_IMODE(path.stat().st_mode) == kept


def test_a_link_is_refused(ledger: SQLiteLedger, path: Path) -> None:
    (path.parent / 'real').touch(mode=0o600)
    path.symlink_to(path.parent / 'real')
    refused(ledger, 'not a regular file of this user')


def test_closing_leaves_no_companion_and_no_descriptor(ledger: SQLiteLedger, path: Path) -> None:
    before = len(os.listdir('/dev/fd'))
    claim = ledger.claim(ROW)
    ledger.close()
    assert len(os.listdir('/dev/fd')) == before + 1   # it executes a run
    ledger.finish(claim, 'ok', took=0.1)
    ledger.close()
    assert sorted(file.name for file in path.parent.iterdir()) == [path.name, f'{path.name}-alive']
    assert len(os.listdir('/dev/fd')) == before


def test_a_ledger_that_is_forgotten_is_closed(path: Path) -> None:
    before = len(os.listdir('/dev/fd'))
    ledger = SQLiteLedger(path)
    ledger.claim(ROW)
    del ledger
    assert len(os.listdir('/dev/fd')) == before


def test_a_program_may_end_without_closing(path: Path) -> None:
    script = ('import sys; from cronsched.ledger import *\n'
              'ledger = open_ledger(f"sqlite://{sys.argv[1]}")\n'
              'assert ledger.claim(Run("a", "b", 1)).granted')
    done = run_script(script.replace('import sys', 'import sys, warnings; '
                                     'warnings.simplefilter("always")'), path)
    assert (done.returncode, done.stderr) == (0, '')


# -- What is in it

@pytest.mark.parametrize('damage', [b'', b'\0', b'SQLite format 3\0', b'not a database at all'])
def test_a_damaged_head_is_an_error(ledger: SQLiteLedger, path: Path, damage: bytes) -> None:
    fill(ledger)
    ledger.close()
    content = path.read_bytes()
    path.write_bytes(damage + b'\xa5' * (100 - len(damage)) + content[100:])
    refused(ledger, 'damaged')


def test_damage_anywhere_grants_nothing_twice(ledger: SQLiteLedger, path: Path) -> None:
    fill(ledger)
    ledger.close()
    content, refusals = path.read_bytes(), 0
    for page in range(1, len(content) // PAGE):
        path.write_bytes(content[:page * PAGE] + b'\xa5' * PAGE + content[(page + 1) * PAGE:])
        refusals += 'damaged' in (claim_in_vain(ledger) or '')
        ledger.close()
    assert refusals > len(content) // PAGE // 2


def test_a_file_cut_short_is_an_error(ledger: SQLiteLedger, path: Path) -> None:
    fill(ledger)
    ledger.close()
    os.truncate(path, path.stat().st_size // 2)
    assert 'damaged' in (claim_in_vain(ledger) or '')


def test_a_newer_schema_is_an_error(ledger: SQLiteLedger, path: Path) -> None:
    ledger.claim(ROW)
    ledger.close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute('PRAGMA user_version = 99')
    refused(ledger, 'newer cronsched.*upgrade')


@pytest.mark.parametrize('version', [0, 1, 7])
def test_the_database_of_another_program_is_left_alone(
    ledger: SQLiteLedger, path: Path, version: int,
) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute('CREATE TABLE theirs (x)')
        connection.execute(f'PRAGMA user_version = {version}')
    before = path.read_bytes()
    refused(ledger, 'another program|newer cronsched')
    assert path.read_bytes() == before


def test_ledgers_made_at_once_are_one(path: Path) -> None:
    script = ('import sys; from cronsched.ledger import *\n'
              'ledger = open_ledger(f"sqlite://{sys.argv[1]}")\n'
              'sys.stdin.readline()\n'
              'print(ledger.claim(Run("a", "b", 1)).verdict, flush=True)\n'
              'sys.stdin.read()   # while it lives, its run is not lost')
    started = [
        subprocess.Popen([sys.executable, '-c', script, str(path)], text=True,
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    for process in started:
        assert process.stdin
        process.stdin.write('go\n')
        process.stdin.flush()
    answers = sorted(process.stdout.readline() for process in started if process.stdout)
    for process in started:
        process.communicate(timeout=60)
    assert answers == ['duplicate\n'] * 3 + ['granted\n']


# -- Locked, read-only, full, gone

def test_a_file_that_stays_locked_is_an_error(ledger: SQLiteLedger, path: Path) -> None:
    ledger.claim(OTHERS[0])
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute('BEGIN IMMEDIATE')
        before = time.monotonic()
        with pytest.raises(LedgerError, match=r'locked by another process.*fuser') as locked:
            ledger.claim(ROW, overlap='allow')
        assert locked.value.passing   # its sender tries again
        assert 0.1 < time.monotonic() - before < 5.0
        assert len(ledger.history()) == 1
        connection.execute('ROLLBACK')
    assert ledger.claim(ROW, overlap='allow').granted


UNPRIVILEGED = """
import os, stat, sys
from cronsched.ledger import *
path, what = sys.argv[1:]
directory = os.path.dirname(path)
warm_up = open_ledger(f'sqlite://{path}.0')   # that user may not read the modules
warm_up.claim(Run('a', 'b', 1))
warm_up.close()
ledger = open_ledger(f'sqlite://{path}')
if os.getuid() == 0:
    os.chown(directory, 65534, 65534)
    os.setgid(65534)
    os.setuid(65534)
if what != 'directory':
    ledger.claim(Run('a', 'b', 1))
    ledger.close()
os.chmod(directory if what == 'directory' else path, 0o500)
if what == 'both':
    os.chmod(directory, 0o500)
for _ in range(2):
    try:
        print(ledger.claim(Run('a', 'b', 2), overlap='allow').verdict)
    except LedgerError as error:
        print(error)
os.chmod(directory, 0o700)
"""


@pytest.mark.parametrize('what', ['directory', 'file', 'both'])
def test_what_is_read_only_is_an_error(what: str) -> None:
    # Not below pytest's directory, which another user may not enter.
    with tempfile.TemporaryDirectory() as directory:
        done = run_script(UNPRIVILEGED, f'{directory}/ledger.sqlite3', what)
    lines = done.stdout.splitlines()
    assert len(lines) == 2, done.stderr
    for line in lines:
        assert 'give this user the right to write' in line


def test_a_file_that_goes_away_while_open_is_an_error(ledger: SQLiteLedger, path: Path) -> None:
    ledger.claim(OTHERS[0])
    path.unlink()
    refused(ledger, 'removed or replaced while in use')
    ledger.close()
    with pytest.raises(LedgerError):
        ledger.claim(ROW)
    assert not path.exists()


def test_a_file_that_is_replaced_while_open_is_an_error(
    ledger: SQLiteLedger, path: Path,
) -> None:
    ledger.claim(OTHERS[0])
    path.rename(path.parent / 'moved')
    other = SQLiteLedger(path)
    assert other.claim(ROW).granted
    refused(ledger, 'removed or replaced while in use')
    other.close()


@pytest.mark.parametrize('suffix', ['-wal', '-shm'])
def test_a_companion_that_goes_away_is_an_error(
    ledger: SQLiteLedger, path: Path, suffix: str,
) -> None:
    ledger.claim(ROW)
    Path(f'{path}{suffix}').unlink()
    refused(ledger, 'removed or replaced while in use')


FULL = """
import os, resource, signal, sqlite3, sys
from cronsched.ledger import *
path, die = sys.argv[1:]
ledger = open_ledger(f'sqlite://{path}')
claims = [ledger.claim(Run('a', 'b', minute), overlap='allow') for minute in range(3)]
keeper = sqlite3.connect(path)   # as other workers do, so that the WAL stays
keeper.execute('SELECT 1 FROM runs').fetchone()
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize(f'{path}-wal'), hard))
for claim in claims[:2]:
    ledger.finish(claim, 'ok', took=0.1)
print([row.state for row in ledger.history()])
for minute in (0, 7):
    try:
        print(ledger.claim(Run('a', 'b', minute), overlap='allow').verdict)
    except LedgerError as error:
        print('LedgerError', error)
if die == 'die':
    os.kill(os.getpid(), signal.SIGKILL)
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
print(ledger.claim(Run('a', 'b', 7), overlap='allow').verdict)
print([row.state for row in ledger.history(oldest_first=True)])
"""


def test_the_ends_that_a_full_disk_refused_are_written_later(path: Path) -> None:
    done = run_script(FULL, path, 'live')
    lines = done.stdout.splitlines()
    assert lines[0] == "['running', 'running', 'running']", done.stderr
    assert all(line.startswith('LedgerError') for line in lines[1:3])
    assert lines[3:] == ['granted', "['ok', 'ok', 'running', 'running']"]
    assert done.stderr.count('is kept in memory') == 2


def test_runs_of_a_process_that_died_on_a_full_disk_are_lost(
    path: Path, ledger: SQLiteLedger,
) -> None:
    assert run_script(FULL, path, 'die').returncode == -9
    assert len(ledger.recover(time.time())) == 3
    assert {row.state for row in ledger.history()} == {'lost'}
    assert ledger.claim(Run('a', 'b', 0)).verdict == 'lost'


def test_a_full_file_is_an_error_and_keeps_the_end(
    ledger: SQLiteLedger, path: Path, caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr('cronsched.ledger.sqlite.ledger.FINISH_PAUSES', (0.0, 0.0))
    claim = ledger.claim(ROW)
    with limited(ledger):
        with pytest.raises(LedgerError, match='full'):
            fill(ledger)
        with caplog.at_level(logging.ERROR, 'cronsched.ledger'):
            ledger.finish(claim, 'failed', took=0.1, detail='x' * 10 * PAGE)
        assert 'kept in memory' in caplog.text
    assert ledger.recover(time.time()) == []   # any use that writes will do
    row = ledger.find(ROW)
    assert row is not None
    assert row.state == 'failed'


@contextlib.contextmanager
def limited(ledger: SQLiteLedger) -> Iterator[None]:
    """No page is left, for the connection this process has."""
    connection = ledger._store.handles.own().connection
    assert connection is not None
    pages = connection.execute('PRAGMA page_count').fetchone()[0]
    connection.execute(f'PRAGMA max_page_count = {pages}')
    yield
    ledger.close()


# -- Fork

FORKS = """
import os, sys, threading
from cronsched.ledger import *
ledger = open_ledger(f'sqlite://{sys.argv[1]}')
stop = threading.Event()
def work(name):
    minute = 0
    while not stop.is_set():
        claim = ledger.claim(Run(name, 'job', minute))
        assert claim.granted, claim
        ledger.finish(claim, 'ok', took=0.0)
        minute += 1
threads = [threading.Thread(target=work, args=(str(n),)) for n in range(3)]
for thread in threads:
    thread.start()
for child in range(30):
    pid = os.fork()
    if pid == 0:
        shared = ledger.claim(Run('shared', 'job', child), overlap='allow')
        own = ledger.claim(Run(f'child {child}', 'job', 0))
        ledger.finish(own, 'ok', took=0.0)
        os._exit(0 if own.granted else 1)
    ledger.claim(Run('shared', 'job', child), overlap='allow')
    assert os.waitpid(pid, 0)[1] == 0
stop.set()
for thread in threads:
    thread.join()
print(len(ledger.history(application_id='shared')))
"""


def test_forks_in_the_middle_of_claims_break_nothing(ledger: SQLiteLedger, path: Path) -> None:
    done = run_script(FORKS, path)
    assert (done.stdout, done.stderr) == ('30\n', '')
    assert all(row.state == 'ok' for row in ledger.history(job='job', limit=10**6)
               if row.run.application_id != 'shared')
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute('PRAGMA integrity_check').fetchone() == ('ok',)


def test_a_child_does_not_inherit_the_connection(ledger: SQLiteLedger) -> None:
    ledger.claim(OTHERS[0])
    pid = os.fork()
    if pid == 0:
        os._exit(0 if ledger._store.handles.own().connection is None else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert ledger.claim(OTHERS[0]).verdict == 'duplicate'


def test_a_child_of_a_plain_fork_opens_its_own(ledger: SQLiteLedger) -> None:
    ledger.claim(OTHERS[0])
    fork = ctypes.PyDLL(None).fork   # as uWSGI does, past Python's hooks
    pid = fork()
    if pid == 0:
        try:
            granted = ledger.claim(ROW, overlap='allow').granted
        finally:
            os._exit(0 if granted else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert ledger.claim(ROW).verdict == 'lost'
    assert ledger.claim(OTHERS[1], overlap='allow').granted


def test_a_parent_writes_the_ends_it_keeps_itself(
    ledger: SQLiteLedger, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr('cronsched.ledger.sqlite.ledger.FINISH_PAUSES', (0.0,))
    claim = ledger.claim(ROW)
    assert ledger._own_kept() == []
    ledger._kept.append((claim, 'ok', 1.0, None))
    pid = os.fork()
    if pid == 0:
        os._exit(len(ledger._own_kept()))
    assert os.waitpid(pid, 0)[1] == 0
    ledger.recover(0.0)
    assert [row.state for row in ledger.history()] == ['ok']


# -- Where it must not be, how large it grows

def test_a_network_file_system_is_refused_by_name(
    ledger: SQLiteLedger, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    device = os.stat(path.parent).st_dev
    mounts = tmp_path / 'mountinfo'
    mounts.write_text(
        '22 1 0:999 / /proc rw shared:12 - proc proc rw\n'
        f'36 25 {os.major(device)}:{os.minor(device)} / {path.parent} rw - nfs4 a:/b rw\n')
    monkeypatch.setattr('cronsched.ledger.sqlite.local.MOUNTS', str(mounts))
    refused(ledger, 'is on nfs4, a network file system.*local disk')
    assert not path.exists()


WRITER = """
import sys
from cronsched.ledger import *
ledger = open_ledger(f'sqlite://{sys.argv[1]}')
for minute in range(1500):
    claim = ledger.claim(Run(sys.argv[2], 'job', minute), overlap='allow')
    ledger.finish(claim, 'ok', took=0.0, detail='x' * 1000)
"""


def test_the_log_of_writes_stays_bounded_while_nobody_pauses(
    ledger: SQLiteLedger, path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    most = 1 << 20
    bounds = (f'import cronsched.ledger.sqlite.wal as wal\n'
              f'wal.MOST = {most}\nwal.KEPT = {most >> 1}\n'
              'wal.CHECKPOINT_PAUSE = 0.1\n')
    ledger.applications()
    writers = [
        subprocess.Popen([sys.executable, '-c', bounds + WRITER, str(path), str(number)])
        for number in range(4)
    ]
    largest, wal = 0, Path(f'{path}-wal')
    while any(writer.poll() is None for writer in writers):
        largest = max(largest, wal.stat().st_size)
        time.sleep(0.02)
    assert [writer.returncode for writer in writers] == [0] * 4
    # Without the bound it grows as long as they write; how far it gets beyond
    # depends on who is given the processor.
    assert largest < 32 * most


def test_looking_makes_no_file_beside_it(ledger: SQLiteLedger, path: Path) -> None:
    from cronsched.ledger import Owner
    ledger.own([Owner('a', 'http://a', '/', 1.0)])
    ledger.close()
    os.unlink(f'{path}-alive')
    looking = open_ledger(f'sqlite://{path}', looking=True)
    assert looking.owners()['a'].alive   # by its pid
    assert looking.executing() == []
    looking.close()
    assert [file.name for file in path.parent.iterdir()] == [path.name]
