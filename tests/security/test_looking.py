"""Who looks at a ledger changes nothing, whoever it is, and needs no more than
the right to read it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import sqlite3
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from users import (
    APPLICATION,
    COLLEAGUE,
    GROUP,
    OTHER_GROUP,
    STRANGER,
    as_user,
    directory_for_all,
    needs_root,
)

from cronsched.cli import main
from cronsched.ledger import LedgerError, Run, open_ledger

LOOKS = [
    ['status'], ['status', '--json'], ['history'], ['history', 'cleanup', '--json'],
    ['history', 'cleanup', '--at', '2026-11-20 10:00'],
]


def work(directory: Path, stopped: int | None = None) -> None:
    """An application that ran one run and, with `stopped`, stays."""
    ledger = open_ledger(f'sqlite://{directory}/ledger.sqlite3')
    ledger.seen('org/zug', 'http://localhost', ['cleanup'], 1_795_000_000)
    claim = ledger.claim(Run('org/zug', 'cleanup', 1_795_000_000))
    if claim.granted:
        ledger.finish(claim, 'ok', took=1.0)
    if stopped is None:
        ledger.close()
    else:
        os.write(stopped, b'x')
        signal.pause()


@contextlib.contextmanager
def running(directory: Path, *, killed: bool = False) -> Iterator[None]:
    """The application runs meanwhile, or was killed before."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setgid(GROUP)
            os.setuid(APPLICATION)
            work(directory, writing)
        finally:
            os._exit(1)
    os.close(writing)
    assert os.read(reading, 1) == b'x', 'the application did not start'
    os.close(reading)
    if killed:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    try:
        yield
    finally:
        if not killed:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


@pytest.fixture
def state() -> Iterator[Path]:
    """The state directory of an application whose group may read."""
    with directory_for_all() as place:
        directory = place / 'state'
        directory.mkdir()
        os.chown(directory, APPLICATION, GROUP)
        directory.chmod(0o750)
        (directory / 'ledger.sqlite3').touch()
        os.chown(directory / 'ledger.sqlite3', APPLICATION, GROUP)
        (directory / 'ledger.sqlite3').chmod(0o640)
        yield directory


def everything(directory: Path) -> dict[str, tuple[object, ...]]:
    """What could have changed, of each file; the directory's time too."""
    names = ['.', *sorted(os.listdir(directory))]
    found = {}
    for name in names:
        status = (directory / name).stat()
        content = b'' if name == '.' else (directory / name).read_bytes()
        found[name] = (
            stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, status.st_ino,
            status.st_mtime_ns, content,
        )
    return found


def look(words: list[str]) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    return code, out.getvalue(), err.getvalue()


ROOT = (0, 0)


@needs_root
@pytest.mark.parametrize('application', ['runs', 'was killed', 'has ended'])
@pytest.mark.parametrize('user', [(COLLEAGUE, GROUP), ROOT, (APPLICATION, GROUP)])
@pytest.mark.parametrize('words', LOOKS, ids=' '.join)
def test_looking_changes_nothing(
    state: Path, application: str, user: tuple[int, int], words: list[str],
) -> None:
    as_user(APPLICATION, GROUP, work, state)
    with contextlib.ExitStack() as stack:
        if application != 'has ended':
            stack.enter_context(running(state, killed=application == 'was killed'))
        before = everything(state)
        code, out, err = as_user(*user, look, [*words, '--state-directory', str(state)])
        assert everything(state) == before
    assert (code, err) == (0, '')
    assert 'cleanup' in out


@needs_root
def test_what_is_seen_is_what_the_application_has_just_written(state: Path) -> None:
    with running(state):
        words = ['history', '--json', '--state-directory', str(state)]
        _, out, _ = as_user(COLLEAGUE, GROUP, look, words)
    assert [row['state'] for row in json.loads(out)] == ['ok']


@needs_root
@pytest.mark.parametrize('user', [(STRANGER, OTHER_GROUP)])
def test_who_may_not_read_it_is_told_so(state: Path, user: tuple[int, int]) -> None:
    as_user(APPLICATION, GROUP, work, state)
    code, _, err = as_user(*user, look, ['status', '--state-directory', str(state)])
    assert code == 2
    assert 'cannot be looked at (Permission denied): run this as the user' in err


@needs_root
@pytest.mark.parametrize('words', [['pause', 'cleanup'], ['run', 'cleanup']])
@pytest.mark.parametrize('user', [ROOT, (COLLEAGUE, GROUP)])
def test_who_is_somebody_else_may_not_write(
    state: Path, user: tuple[int, int], words: list[str],
) -> None:
    as_user(APPLICATION, GROUP, work, state)
    before = everything(state)
    code, _, err = as_user(*user, look, [*words, '--state-directory', str(state)])
    assert code == 2
    assert f'belongs to the user {APPLICATION}' in err
    assert everything(state) == before


@pytest.mark.parametrize('words', LOOKS, ids=' '.join)
def test_where_there_is_no_ledger_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str],
) -> None:
    monkeypatch.setenv('XDG_STATE_HOME', str(tmp_path / 'home' / 'state'))
    code, _, err = look(words)
    assert code == 2
    assert 'there is no ledger at ' in err
    assert not (tmp_path / 'home').exists()


@pytest.mark.parametrize('words', [*LOOKS, ['pause', 'x'], ['run', 'x'], ['resume', 'x']])
def test_no_command_changes_a_file_that_is_no_ledger(tmp_path: Path, words: list[str]) -> None:
    path = tmp_path / 'shadow'
    path.write_text('root:x:0:0\n' * 100)
    path.chmod(0o644)
    code, _, err = look([*words, '--ledger', f'sqlite://{path}'])
    assert code == 2
    assert 'damaged or no ledger' in err
    assert path.read_text().startswith('root')
    if words in LOOKS:
        assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [each.name for each in tmp_path.iterdir() if each.is_file()] == ['shadow']


def test_a_ledger_of_an_older_cronsched_is_not_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / 'ledger.sqlite3'
    path.touch(mode=0o600)
    before = path.stat()
    code, _, err = look(['status', '--ledger', f'sqlite://{path}'])
    assert code == 2
    assert 'start the application once with this one' in err
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (0, before.st_mtime_ns)


def test_a_copy_that_lacks_its_index_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / 'own' / 'ledger.sqlite3'
    path.parent.mkdir(mode=0o700)
    ledger = open_ledger(f'sqlite://{path}')
    ledger.seen('org/zug', 'http://localhost', ['cleanup'], 1_795_000_000)
    copy = tmp_path / 'copy'
    copy.mkdir(mode=0o700)
    for ending in ('', '-wal'):
        (copy / f'l{ending}').write_bytes(Path(f'{path}{ending}').read_bytes())
    ledger.close()
    code, _, err = look(['status', '--ledger', f'sqlite://{copy}/l'])
    assert code == 2
    assert 'has a -wal but no -shm' in err
    assert len(list(copy.iterdir())) == 2


def test_a_store_that_looks_sees_what_comes_later(tmp_path: Path) -> None:
    url = f'sqlite://{tmp_path}/ledger.sqlite3'
    application, looking = open_ledger(url), open_ledger(url, looking=True)
    for turn in range(4):
        application.seen(f'org/{turn}', 'http://localhost', ['cleanup'], 1_795_000_000)
        if turn % 2:
            application.close()
        assert len(list(looking.jobs())) == turn + 1
    with pytest.raises(LedgerError, match='only looked at'):
        looking.pause(None, 'cleanup')
    looking.close()
    application.close()


@pytest.mark.parametrize('mode', [0o770, 0o702, 0o1777])
@pytest.mark.parametrize('command', [
    lambda url: look(['status', '--ledger', url])[2],
    lambda url: look(['pause', 'cleanup', '--ledger', url])[2],
])
def test_a_ledger_where_others_may_write_is_refused(
    tmp_path: Path, mode: int, command: Callable[[str], str],
) -> None:
    directory = tmp_path / 'open'
    directory.mkdir(mode=0o700)
    ledger = open_ledger(f'sqlite://{directory}/l')
    ledger.seen('org/zug', 'http://localhost', ['cleanup'], 1_795_000_000)
    ledger.close()
    directory.chmod(mode)
    told = command(f'sqlite://{directory}/l')
    assert 'may be written to by others' in told or 'that others may write to' in told
    with pytest.raises(LedgerError, match='may be written to by others'):
        ledger.claim(Run('org/zug', 'cleanup', 1))
    with sqlite3.connect(f'file:{directory}/l?mode=ro&immutable=1', uri=True) as connection:
        assert connection.execute('SELECT count(*) FROM runs').fetchone() == (0,)
    connection.close()
