"""No file of somebody else is changed, whatever is put where ours should be;
and nobody else can put something there."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from users import APPLICATION, COLLEAGUE, GROUP, as_user, directory_for_all, needs_root

from cronsched.base import ownership
from cronsched.base.directories import (
    DirectoryError,
    private_directory,
    runtime_directory,
    state_directory,
)
from cronsched.base.keys import state_secret
from cronsched.cli import main
from cronsched.errors import CronError
from cronsched.ledger import LedgerError, Run, open_ledger
from cronsched.ledger.sqlite import files

LOOKS_AT_A_RACE = 100
RUN = Run('org/zug', 'cleanup', 1_795_000_000)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@contextmanager
def swapping(path: Path, victim: Path) -> Iterator[None]:
    """Another process turns `path` from the file to a link and back, as fast
    as it can."""
    kept, link = path.with_name('kept'), path.with_name('link')
    child = os.fork()
    if not child:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with suppress(OSError):
                os.symlink(victim, link)
                os.link(path, kept)
                os.rename(link, path)
                os.rename(kept, path)
        os._exit(0)
    try:
        yield
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


@pytest.mark.parametrize('command', ['status', 'pause cleanup', 'open'])
def test_a_link_that_comes_and_goes_leads_to_no_other_file(
    tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str],
) -> None:
    own = tmp_path / 'own'
    own.mkdir(mode=0o700)
    victim, path = tmp_path / 'victim', own / 'ledger.sqlite3'
    with sqlite3.connect(victim) as connection:
        connection.execute('CREATE TABLE precious (x)')
    connection.close()
    victim.chmod(0o644)
    before = victim.read_bytes()
    url = f'sqlite://{path}'
    ledger = open_ledger(url)
    ledger.seen('org/zug', 'http://localhost', ['cleanup'], 1_795_000_000)
    ledger.close()
    with swapping(path, victim):
        for _ in range(LOOKS_AT_A_RACE):
            if command == 'open':
                with suppress(LedgerError):
                    open_ledger(url).claim(RUN)
            else:
                main([*command.split(), '--ledger', url])
            assert mode_of(victim) == 0o644
    capsys.readouterr()
    assert victim.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir() if 'victim' in each.name) == ['victim']


def test_what_sqlite_opened_is_compared_with_what_was_looked_at(tmp_path: Path) -> None:
    path, other = tmp_path / 'ledger.sqlite3', tmp_path / 'other'
    path.touch(mode=0o600)
    other.touch(mode=0o600)
    identity = files.secured(path)
    os.replace(other, path)
    with pytest.raises(LedgerError, match='was replaced while it was opened'):
        files.connect(path, identity, 'mode=rw')


def test_a_mode_is_set_through_what_was_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, victim = tmp_path / 'ledger.sqlite3', tmp_path / 'victim'
    for each in (path, victim):
        each.touch()
        each.chmod(0o666)
    really = os.fstat

    def swap_after(descriptor: int) -> os.stat_result:
        status = really(descriptor)
        path.unlink(missing_ok=True)
        with suppress(FileExistsError):
            path.symlink_to(victim)
        return status

    monkeypatch.setattr(files.os, 'fstat', swap_after)
    files.secured(path)
    assert mode_of(victim) == 0o666


def test_a_ledger_with_a_second_name_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'own').mkdir(mode=0o700)
    ledger = open_ledger(f'sqlite://{tmp_path}/own/l')
    assert ledger.claim(RUN).granted
    ledger.close()
    os.link(tmp_path / 'own' / 'l', tmp_path / 'copy')
    with pytest.raises(LedgerError, match='hard link'):
        ledger.claim(RUN)


# -- Whose it is

@needs_root
@pytest.mark.parametrize('user', [(0, 0), (COLLEAGUE, GROUP)])
@pytest.mark.parametrize('use', [
    lambda directory: state_directory(directory),
    lambda directory: runtime_directory(directory),
    lambda directory: state_secret(directory),
    lambda directory: open_ledger(f'sqlite://{directory}/ledger.sqlite3').claim(RUN),
    lambda directory: open_ledger(f'sqlite://{directory}/ledger.sqlite3').jobs(),
])
def test_nobody_not_even_root_uses_the_state_of_another(
    use: Callable[[Path], object], user: tuple[int, int],
) -> None:
    with directory_for_all() as place:
        directory = place / 'state'
        directory.mkdir(mode=0o755)
        os.chown(directory, APPLICATION, GROUP)
        for make in (state_secret, lambda where: open_ledger(f'sqlite://{where}/ledger.sqlite3')):
            as_user(APPLICATION, GROUP, lambda make=make: bool(make(directory)))
        before = sorted(os.listdir(directory))
        with pytest.raises(RuntimeError, match=r'belongs to the user|Permission denied'):
            as_user(*user, lambda: str(use(directory)))
        assert sorted(os.listdir(directory)) == before


@needs_root
def test_the_runtime_directory_of_another_service_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:
    with directory_for_all() as place:
        os.chown(place, APPLICATION, GROUP)
        monkeypatch.setenv('RUNTIME_DIRECTORY', str(place))
        assert runtime_directory(state=tmp_path / 'own') == tmp_path / 'own' / 'run'
        assert not list(place.iterdir())


# -- What it is in

def test_each_part_that_is_made_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        private_directory(tmp_path / 'a' / 'b' / 'c' / 'd')
    finally:
        os.umask(before)
    made = [tmp_path / 'a', *(tmp_path / 'a').rglob('*')]
    assert len(made) == 4
    assert {mode_of(each) for each in made} == {0o700}


@pytest.mark.parametrize('mode', [0o777, 0o707, 0o775])
@pytest.mark.parametrize('there', [True, False])
def test_a_way_that_others_may_turn_is_refused(
    tmp_path: Path, mode: int, there: bool, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ownership, '_is_private_group', lambda gid: False)
    way = tmp_path / 'way' / 'more'
    way.mkdir(parents=True)
    if there:
        (way / 'state').mkdir(mode=0o700)
    way.parent.chmod(mode)
    with pytest.raises(DirectoryError, match=f'chmod go-w {way.parent}') as caught:
        private_directory(way / 'state')
    assert caught.value.path == way.parent
    assert (way / 'state').exists() is there


def test_in_a_directory_like_tmp_nobody_may_rename_ours(tmp_path: Path) -> None:
    (tmp_path / 'tmp').mkdir()
    (tmp_path / 'tmp').chmod(0o1777)
    assert private_directory(tmp_path / 'tmp' / 'state').exists()


@needs_root
def test_a_group_that_is_ours_alone_is_nobody_else(tmp_path: Path) -> None:
    # As with the umask 002 of many systems; a group of its own is root's here.
    (tmp_path / 'home').mkdir()
    (tmp_path / 'home').chmod(0o775)
    assert private_directory(tmp_path / 'home' / 'state').exists()
    os.chown(tmp_path / 'home', -1, GROUP)
    with pytest.raises(DirectoryError, match='chmod go-w'):
        private_directory(tmp_path / 'home' / 'other')


def test_a_link_on_the_way_is_followed_and_where_it_leads_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / 'real').mkdir(mode=0o700)
    (tmp_path / 'link').symlink_to('real')
    (tmp_path / 'far').symlink_to(tmp_path / 'open' / '..' / 'link')
    (tmp_path / 'open').mkdir(mode=0o700)
    assert private_directory(tmp_path / 'far' / 'state').exists()
    (tmp_path / 'open').chmod(0o707)
    with pytest.raises(DirectoryError, match=f'{tmp_path}/open may be written to'):
        private_directory(tmp_path / 'far' / 'other')


def test_links_without_an_end_are_an_error(tmp_path: Path) -> None:
    (tmp_path / 'a').symlink_to('b')
    (tmp_path / 'b').symlink_to('a')
    with pytest.raises(CronError, match='cannot be made or used'):
        private_directory(tmp_path / 'a' / 'state')


@needs_root
def test_a_link_of_another_user_is_not_followed() -> None:
    with directory_for_all() as place:
        place.chmod(0o1777)
        (place / 'mine').mkdir(mode=0o700)
        as_user(COLLEAGUE, GROUP, lambda: os.symlink(place / 'mine', place / 'theirs'))
        with pytest.raises(DirectoryError, match=f'belongs to the user {COLLEAGUE}'):
            private_directory(place / 'theirs' / 'state')


@needs_root
def test_a_directory_in_the_home_of_another_is_refused() -> None:
    with directory_for_all() as place:
        home = place / 'home'
        home.mkdir(mode=0o755)
        os.chown(home, COLLEAGUE, GROUP)
        with pytest.raises(DirectoryError, match='could put another in the place'):
            private_directory(home / 'state')
        assert not (home / 'state').exists()


@needs_root
def test_where_users_are_not_mapped_the_unknown_one_is_the_system(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with directory_for_all() as place:
        os.chown(place, COLLEAGUE, GROUP)
        with pytest.raises(DirectoryError, match='belongs to'):
            private_directory(place / 'state')
        monkeypatch.setattr(ownership, '_unknown_user', lambda: COLLEAGUE)
        assert private_directory(place / 'state').exists()
