"""Directories of our own, or an error that says what to do."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from cronsched.base.directories import (
    DirectoryError,
    create_private,
    private_directory,
    runtime_directory,
    state_directory,
)
from cronsched.errors import CronError


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ('STATE_DIRECTORY', 'RUNTIME_DIRECTORY', 'XDG_RUNTIME_DIR', 'XDG_STATE_HOME'):
        monkeypatch.delenv(name, raising=False)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def anything_goes() -> object:
    before = os.umask(0)
    yield None
    os.umask(before)


@pytest.mark.usefixtures('anything_goes')
def test_a_directory_is_made_for_this_user_alone(tmp_path: Path) -> None:
    made = state_directory(tmp_path / 'a' / 'b')
    assert made == tmp_path / 'a' / 'b'
    assert mode_of(made) == 0o700
    assert mode_of(made.parent) == 0o700


def test_a_directory_that_is_there_is_used(tmp_path: Path) -> None:
    assert state_directory(tmp_path / 'a') == state_directory(str(tmp_path / 'a'))


def test_state_is_kept_where_systemd_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / 'lib').mkdir()
    monkeypatch.setenv('STATE_DIRECTORY', f'{tmp_path}/lib:{tmp_path}/other')
    assert state_directory() == tmp_path / 'lib' / 'cronsched'


def test_a_link_of_systemd_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'private').mkdir()
    (tmp_path / 'app').symlink_to(tmp_path / 'private')
    monkeypatch.setenv('STATE_DIRECTORY', str(tmp_path / 'app'))
    assert state_directory() == tmp_path / 'private' / 'cronsched'


def test_state_is_kept_in_the_home_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv('HOME', str(tmp_path))
    assert state_directory().is_relative_to(tmp_path)
    assert state_directory().name == 'cronsched'


def test_the_runtime_directory_is_the_one_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv('RUNTIME_DIRECTORY', str(tmp_path))
    assert runtime_directory() == tmp_path / 'cronsched'


def test_the_runtime_directory_is_beside_the_state_otherwise(tmp_path: Path) -> None:
    made = runtime_directory(state=tmp_path / 'state')
    assert made == tmp_path / 'state' / 'run'
    assert mode_of(made) == 0o700


def test_a_runtime_directory_that_is_gone_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv('RUNTIME_DIRECTORY', str(tmp_path / 'ended'))
    assert runtime_directory(state=tmp_path) == tmp_path / 'run'


def test_a_login_is_not_asked_where_the_leases_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A logout would remove them, and who has not logged in has none."""
    without = runtime_directory(state=tmp_path)
    (tmp_path / 'session').mkdir(mode=0o700)
    monkeypatch.setenv('XDG_RUNTIME_DIR', str(tmp_path / 'session'))
    assert runtime_directory(state=tmp_path) == without
    assert not list((tmp_path / 'session').iterdir())


@pytest.mark.parametrize('mode', [0o770, 0o702, 0o1777])
def test_a_directory_that_others_write_to_is_refused(mode: int, tmp_path: Path) -> None:
    (tmp_path / 'open').mkdir()
    (tmp_path / 'open').chmod(mode)
    with pytest.raises(DirectoryError, match='chmod 700') as caught:
        private_directory(tmp_path / 'open')
    assert caught.value.path == tmp_path / 'open'
    assert isinstance(caught.value, CronError)


@pytest.mark.parametrize('ending', ['', '/', '/.'])
def test_a_link_is_refused_by_any_name(ending: str, tmp_path: Path) -> None:
    (tmp_path / 'real').mkdir(mode=0o700)
    (tmp_path / 'link').symlink_to(tmp_path / 'real')
    with pytest.raises(DirectoryError, match=f'symbolic link: .*{tmp_path}/real'):
        private_directory(f'{tmp_path}/link{ending}')


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / 'file').touch()
    with pytest.raises(DirectoryError, match='file'):
        private_directory(tmp_path / 'file')


def test_a_directory_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / 'theirs').mkdir(mode=0o700)
    monkeypatch.setattr(os, 'geteuid', lambda: os.getuid() + 1)
    with pytest.raises(DirectoryError, match='belongs to the user'):
        private_directory(tmp_path / 'theirs')


def test_no_home_is_an_error_that_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('HOME', '/dev/null/nobody')
    with pytest.raises(DirectoryError, match=r'STATE_DIRECTORY'):
        state_directory()


@pytest.mark.usefixtures('anything_goes')
def test_a_private_file_is_whole_and_made_once(tmp_path: Path) -> None:
    path = private_directory(tmp_path / 'directory') / 'file'
    assert create_private(path, b'first')
    assert not create_private(path, b'second')
    assert path.read_bytes() == b'first'
    assert mode_of(path) == 0o600
    assert list(path.parent.iterdir()) == [path]
