"""What reports an error, with the local variables of each function that it
passed (as Sentry does), reports no secret and no key."""

from __future__ import annotations

import hashlib
import os
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from cronsched.base.directories import DirectoryError
from cronsched.base.keys import Key, Secret, derive_key, state_secret
from cronsched.jobs.settings import Settings
from cronsched.morepath import CronApp
from cronsched.scheduler.site import Site, secrets_of
from cronsched.web.signing import verify

SECRET = 'the secret of this test, long enough'
HALF = 'half a character \ud800'


def frames_of(error: BaseException | None) -> Iterator[Any]:
    """Each frame that the error, and what it came from, passed; not those of
    this file."""
    while error is not None:
        traceback = error.__traceback__
        while traceback is not None:
            if traceback.tb_frame.f_code.co_filename != __file__:
                yield traceback.tb_frame
            traceback = traceback.tb_next
        error = error.__cause__ or error.__context__


def shown(value: Any, depth: int = 4) -> str:
    """A value as Sentry shows it: containers are opened, the rest is repr()."""
    if depth and isinstance(value, Mapping):
        return ' '.join(shown(each, depth - 1) for pair in value.items() for each in pair)
    if depth and isinstance(value, (list, tuple, set, frozenset)):
        return ' '.join(shown(each, depth - 1) for each in value)
    return repr(value)


def assert_nothing_is_shown(error: BaseException, secrets: list[Any]) -> None:
    told = [str(error)]
    for frame in frames_of(error):
        told += [f'{name} {shown(value)}' for name, value in frame.f_locals.items()]
    assert len(told) > 1, 'no frame was looked at'
    for secret in secrets:
        assert not [line for line in told if secret in line]


def wrong_setting() -> None:
    class App(CronApp):
        pass

    App.setting(section='cronjobs', name='secret')(lambda: SECRET)
    App.setting(section='cronjobs', name='base_url')(lambda: 'nowhere')
    App.commit()


def wrong_name() -> None:
    Settings.read(types.SimpleNamespace(previous_secret=SECRET, base_ulr='x'))


def short_secret() -> None:
    Settings.read(types.SimpleNamespace(secret=SECRET[:15]))


def odd_application_id(use: Callable[[CronApp], object]) -> Callable[[], None]:
    def do() -> None:
        class App(CronApp):
            application_id = HALF

        App.setting(section='cronjobs', name='secret')(lambda: SECRET)
        App.setting(section='cronjobs', name='previous_secret')(lambda: SECRET)
        App.setting(section='cronjobs', name='ledger')(lambda: None)
        App.commit()
        use(App())

    return do


def raising_application_id() -> None:
    class App(CronApp):
        @property
        def application_id(self) -> str:
            raise RuntimeError('not yet')

    App.setting(section='cronjobs', name='secret')(lambda: SECRET)
    App.setting(section='cronjobs', name='ledger')(lambda: None)
    App.commit()
    App().sign('name', 'salt')


def refused() -> None:
    site = Site(secrets=(Secret(SECRET),))
    verify({}, application_id='org/zug', job='job', keys=site.keys('org/zug'), now=0)


def empty_secret() -> None:
    derive_key('', 'org/zug')


@pytest.mark.parametrize('mistake', [
    wrong_setting,
    wrong_name,
    short_secret,
    odd_application_id(lambda app: app.sign('name', 'salt')),
    odd_application_id(lambda app: app.cronjob_site.keys(app.application_id)),
    odd_application_id(lambda app: app.cronjob_site.key(app.application_id)),
    raising_application_id,
    refused,
    empty_secret,
])
def test_no_frame_of_an_error_shows_a_secret(mistake: Callable[[], None]) -> None:
    with pytest.raises(Exception) as caught:    # noqa: PT011 (each has its own)
        mistake()
    key = derive_key(SECRET, 'org/zug')
    assert_nothing_is_shown(
        caught.value, [SECRET[:15], repr(bytes(key)), bytes(key).hex()])


@pytest.mark.parametrize('spoilt', [
    lambda path: path.chmod(0o644),
    lambda path: os.link(path, path.parent.parent / 'copy'),
    lambda path: path.write_text(path.read_text()[:20]),
])
def test_no_frame_shows_the_secret_of_the_state_directory(
    spoilt: Callable[[Path], None], tmp_path: Path,
) -> None:
    (tmp_path / 'own').mkdir(mode=0o700)
    secret = state_secret(tmp_path / 'own').reveal()
    spoilt(tmp_path / 'own' / 'secret')
    with pytest.raises(DirectoryError) as caught:
        secrets_of(Settings(state_directory=str(tmp_path / 'own')))
    assert_nothing_is_shown(caught.value, [secret[:15]])


def test_the_walk_over_the_frames_finds_what_is_there() -> None:
    def careless(secret: str) -> None:
        raise RuntimeError

    # Of this file, so it has to say otherwise.
    code = careless.__code__.replace(co_filename='elsewhere')
    careless = types.FunctionType(code, {})
    with pytest.raises(RuntimeError) as caught:
        careless(SECRET)
    with pytest.raises(AssertionError):
        assert_nothing_is_shown(caught.value, [SECRET])


def test_secrets_and_keys_show_nothing_of_themselves() -> None:
    secret, key = Secret(SECRET), derive_key(SECRET, 'org/zug')
    for value in (secret, key, Settings(secret=secret), Site(secrets=(secret,))):
        for text in (repr(value), str(value), f'{value}', repr([value])):
            assert SECRET not in text
            assert repr(bytes(key)) not in text
    assert isinstance(key, Key)
    assert len(key) == 32
    assert hashlib.sha256(key).digest() == hashlib.sha256(bytes(key)).digest()


def test_a_secret_is_equal_to_one_of_the_same_text_only() -> None:
    assert Secret(SECRET) == Secret(Secret(SECRET))
    assert hash(Secret(SECRET)) == hash(Secret(SECRET))
    assert Secret(SECRET) != Secret('another')
    assert Secret(SECRET) != SECRET


def test_a_previous_secret_alone_signs_nothing(tmp_path: Path) -> None:
    settings = Settings.read(types.SimpleNamespace(
        previous_secret=SECRET, state_directory=str(tmp_path / 'own')))
    site = Site(settings, secrets_of(settings))
    made = state_secret(tmp_path / 'own')
    assert site.key('org/zug') == derive_key(made, 'org/zug')
    assert site.keys('org/zug') == (derive_key(made, 'org/zug'), derive_key(SECRET, 'org/zug'))


def test_a_secret_with_another_name_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'own').mkdir(mode=0o700)
    secret = state_secret(tmp_path / 'own')
    # As it is for a moment while another process makes it.
    os.link(tmp_path / 'own' / 'secret', tmp_path / 'own' / '.secret.x')
    assert state_secret(tmp_path / 'own') == secret
    os.link(tmp_path / 'own' / 'secret', tmp_path / 'copy')
    with pytest.raises(DirectoryError, match='hard link'):
        state_secret(tmp_path / 'own')
