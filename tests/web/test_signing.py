"""Only what the native side signed starts a run, and only that run."""

from __future__ import annotations

import contextlib
import multiprocessing
import random
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from cronsched._cronsched import sign_headers
from cronsched.base.directories import DirectoryError
from cronsched.base.keys import KEY_SIZE, derive_key, state_secret
from cronsched.errors import ConfigurationError
from cronsched.ledger import Run
from cronsched.web.signing import Refused, Signed, verify

APPLICATION, JOB, SCHEDULED, NOW = 'org/zug', 'cleanup', 1792000000, 1792000007
KEY = derive_key('a secret', APPLICATION)
OLD_KEY = derive_key('the secret before', APPLICATION)
Headers = dict[str, str]


def signed(
    application_id: str = APPLICATION, job: str = JOB, scheduled: int = SCHEDULED, *,
    key: bytes = KEY, now: int = NOW, attempt: int = 1, epoch: int = 0,
) -> Headers:
    return sign_headers(
        application_id, job, scheduled, key=key, now=now, attempt=attempt, epoch=epoch)


def check(
    headers: Headers, application_id: str = APPLICATION, job: str = JOB, *,
    keys: tuple[bytes, ...] = (KEY,), now: float = NOW,
) -> Signed:
    return verify(headers, application_id=application_id, job=job, keys=keys, now=now)


def test_what_the_native_side_signed_is_accepted() -> None:
    answer = check(signed(attempt=3))
    assert answer == Signed(Run(APPLICATION, JOB, SCHEDULED), 3, NOW)


def test_the_attempt_is_signed() -> None:
    for genuine, forged in ((1, 99999), (1, 2), (2, 1), (2, 3), (12, 2), (2, 12)):
        headers = signed(attempt=genuine)
        assert check(headers).attempt == genuine
        for changed in (
            {'Cronsched-Attempt': str(forged)},
            {'Cronsched-Attempt': str(forged),
             'webhook-id': signed(attempt=forged)['webhook-id']},
        ):
            with pytest.raises(Refused):
                check(headers | changed)


def test_the_epoch_is_signed() -> None:
    headers = signed(attempt=2, epoch=31)
    assert check(headers) == Signed(Run(APPLICATION, JOB, SCHEDULED), 2, NOW, 31)
    assert check(signed(epoch=31)).attempt == 1
    without = {name: value for name, value in headers.items() if name != 'Cronsched-Epoch'}
    for changed in (
        headers | {'Cronsched-Epoch': '32'},
        headers | {'Cronsched-Epoch': '0'},
        headers | {'webhook-id': signed(attempt=2, epoch=32)['webhook-id'],
                   'Cronsched-Epoch': '32'},
        without,
        without | {'webhook-id': signed(attempt=2)['webhook-id']},
        signed() | {'Cronsched-Epoch': '1'},
        # The same digits, put together in another way.
        signed(attempt=23, epoch=1) | {'Cronsched-Attempt': '2', 'Cronsched-Epoch': '31'},
    ):
        with pytest.raises(Refused):
            check(changed)


def test_names_beyond_ascii_are_accepted() -> None:
    assert check(signed('örg/züg', 'aufräumen'), 'örg/züg', 'aufräumen').run.job == 'aufräumen'


def test_header_names_are_found_in_any_case() -> None:
    assert check({name.upper(): value for name, value in signed().items()})
    assert check({name.lower(): value for name, value in signed().items()})


def test_both_keys_of_a_rotation_are_accepted() -> None:
    for key in (KEY, OLD_KEY):
        assert check(signed(key=key), keys=(KEY, OLD_KEY))
    with pytest.raises(Refused):
        check(signed(key=OLD_KEY))


def test_one_right_signature_among_several_is_enough() -> None:
    headers = signed()
    headers['webhook-signature'] = f'v1a,AAAA {headers["webhook-signature"]} v1,BBBB='
    assert check(headers)


@pytest.mark.parametrize('age', [-300, 0, 300])
def test_a_request_is_good_for_300_seconds(age: int) -> None:
    assert check(signed(), now=NOW + age)


@pytest.mark.parametrize('age', [-300.001, 300.001, 86400.0, float('nan'), float('inf')])
def test_a_request_outside_of_the_tolerance_is_refused(age: float) -> None:
    with pytest.raises(Refused):
        check(signed(), now=NOW + age)


def test_a_request_is_good_for_no_other_application_or_job() -> None:
    for other in ((APPLICATION, 'other'), ('org/bern', JOB), (f'{APPLICATION}/{JOB}', '')):
        with pytest.raises(Refused):
            check(signed(), *other)


def test_a_request_is_good_for_no_other_time() -> None:
    headers, other = signed(), signed(scheduled=SCHEDULED + 60)
    for moved in (['Cronsched-Scheduled'], ['webhook-id'], ['Cronsched-Scheduled', 'webhook-id']):
        with pytest.raises(Refused):
            check({**headers, **{name: other[name] for name in moved}})


@pytest.mark.parametrize('name', list(signed()))
def test_each_header_is_needed(name: str) -> None:
    headers = signed()
    del headers[name]
    with pytest.raises(Refused):
        check(headers)


def test_a_header_given_twice_is_refused() -> None:
    with pytest.raises(Refused):
        check({**signed(), 'WEBHOOK-ID': 'run_0'})


@pytest.mark.parametrize(('name', 'value'), [
    ('webhook-timestamp', f'+{NOW}'), ('webhook-timestamp', f'0{NOW}'),
    ('webhook-timestamp', f'{NOW}.0'), ('webhook-timestamp', f' {NOW}'),
    ('webhook-timestamp', f'{NOW}\n'), ('webhook-timestamp', '1_792_000_007'),
    ('webhook-timestamp', ''.join(chr(0xff10 + int(digit)) for digit in str(NOW))),
    ('webhook-timestamp', '-1'),
    ('webhook-timestamp', ''), ('webhook-timestamp', '9' * 5000),
    ('Cronsched-Attempt', '0'), ('Cronsched-Attempt', '-1'), ('Cronsched-Attempt', '01'),
    ('Cronsched-Attempt', '1e3'), ('Cronsched-Attempt', '9' * 6),
    ('Cronsched-Scheduled', '2026-10-14 17:46:40Z'), ('Cronsched-Scheduled', '1792000000'),
    ('Cronsched-Scheduled', '2026-10-14T17:46:40+00:00'),
    ('Cronsched-Scheduled', '2026-10-14T17:46:40.0Z'),
    ('Cronsched-Scheduled', '2026-10-14T17:46:40z'),
    ('Cronsched-Scheduled', '2026-13-14T17:46:40Z'),
    ('webhook-signature', ''), ('webhook-signature', 'v1,'), ('webhook-signature', 'v1'),
    ('webhook-signature', ' '.join(['v1,AAAA'] * 1000)), ('webhook-signature', 'v1,é'),
    ('webhook-id', ''), ('webhook-id', 'run_é'), ('webhook-id', 'run_\ud800'),
])
def test_a_malformed_header_is_refused(name: str, value: str) -> None:
    with pytest.raises(Refused):
        check({**signed(), name: value})


def test_the_right_bytes_in_other_letters_are_refused() -> None:
    # The last letter of 32 bytes in Base64 has two bits that mean nothing.
    headers = signed()
    signature = headers['webhook-signature']
    alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
    last = alphabet.index(signature[-2])
    headers['webhook-signature'] = f'{signature[:-2]}{alphabet[last ^ 1]}='
    with pytest.raises(Refused):
        check(headers)


def test_without_a_key_everything_is_refused() -> None:
    with pytest.raises(Refused):
        check(signed(), keys=())
    with pytest.raises(ConfigurationError, match='derive_key'):
        check(signed(), keys=(b'',))


def test_a_name_with_a_nul_is_refused() -> None:
    with pytest.raises(Refused):
        check(signed('a', 'b'), 'a\0b', '')


def test_the_outside_is_told_nothing_but_the_log_is() -> None:
    reasons = set()
    moved = {**signed(), 'webhook-id': 'x'}
    for headers in ({}, moved, signed(key=OLD_KEY), signed(now=NOW + 999)):
        with pytest.raises(Refused) as caught:
            check(headers)
        assert str(caught.value) == 'refused'
        reasons.add(caught.value.reason)
    assert len(reasons) == 4


def replace(text: str, at: int, letter: str) -> str:
    return text[:at] + letter + text[at + 1:]


def insert(text: str, at: int, letter: str) -> str:
    return text[:at] + letter + text[at:]


def delete(text: str, at: int, letter: str) -> str:
    return text[:at] + text[at + 1:]


def swap(text: str, at: int, letter: str) -> str:
    return text[:at] + text[at + 1:at + 2] + text[at:at + 1] + text[at + 2:]


def flip(text: str, at: int, letter: str) -> str:
    return replace(text, at, chr(ord(text[at]) ^ 1 << ord(letter) % 7))


MUTATIONS: tuple[Callable[[str, int, str], str], ...] = (replace, insert, delete, swap, flip)
SIGNED_NAMES = list(signed())


def test_none_of_10000_mutated_requests_is_accepted() -> None:
    chance, tried, accepted = random.Random(4), 0, []
    while tried < 10_000:
        headers = signed(scheduled=SCHEDULED + 60 * chance.randrange(1000),
                         attempt=chance.randrange(1, 5))
        mutant = dict(headers)
        for name in chance.sample(SIGNED_NAMES, chance.choice((1, 1, 2, 3))):
            change = chance.choice(MUTATIONS)
            at = chance.randrange(len(mutant[name]))
            mutant[name] = change(mutant[name], at, chr(chance.randrange(128)))
        if mutant == headers:
            continue
        tried += 1
        with contextlib.suppress(Refused):
            accepted.append((mutant, check(mutant)))
    assert accepted == []


def test_none_of_10000_headers_made_with_other_keys_is_accepted() -> None:
    chance, accepted = random.Random(5), []
    for _ in range(10_000):
        key = bytearray(KEY)
        key[chance.randrange(KEY_SIZE)] ^= 1 << chance.randrange(8)
        with contextlib.suppress(Refused):
            accepted.append(check(signed(key=bytes(key))))
    assert accepted == []


def test_the_key_is_that_of_rfc_5869() -> None:
    # openssl kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt 'key:a secret' \
    #   -kdfopt salt:cronsched/1 -kdfopt hexinfo:72657175657374006f72672f7a7567 HKDF
    expected = '6ef5415a5ff6044b92195bdfcd6deab9d2eec5cd40564ccbb2f48a4ab2afe546'
    assert KEY.hex() == expected
    assert derive_key(b'a secret', APPLICATION) == KEY


def test_each_application_id_and_secret_has_its_own_key() -> None:
    keys = {derive_key(secret, name) for secret in ('a', 'b') for name in ('x', 'y', '')}
    assert len(keys) == 6


@pytest.mark.parametrize('secret', ['', b''])
def test_an_empty_secret_is_an_error(secret: str | bytes) -> None:
    with pytest.raises(ConfigurationError, match='secret is empty'):
        derive_key(secret, APPLICATION)


def test_the_secret_is_made_once_and_private(tmp_path: Path) -> None:
    secret = state_secret(tmp_path)
    assert len(secret.reveal()) == 64
    assert state_secret(tmp_path) == secret
    assert stat.S_IMODE((tmp_path / 'secret').stat().st_mode) == 0o600
    (tmp_path / 'other').mkdir()
    assert state_secret(tmp_path / 'other') != secret


def test_processes_that_race_for_the_secret_get_the_same(tmp_path: Path) -> None:
    with multiprocessing.get_context('spawn').Pool(4) as pool:
        for turn in range(20):
            directory = tmp_path / str(turn)
            directory.mkdir()
            assert len(set(pool.map(state_secret, [directory] * 4, chunksize=1))) == 1


@pytest.mark.parametrize('mode', [0o640, 0o604, 0o660, 0o644])
def test_a_secret_that_others_may_read_is_refused(mode: int, tmp_path: Path) -> None:
    state_secret(tmp_path)
    (tmp_path / 'secret').chmod(mode)
    with pytest.raises(DirectoryError, match='read by others'):
        state_secret(tmp_path)


@pytest.mark.parametrize('content', [b'', b'\n', b'short\n', b'   \n'])
def test_an_empty_or_short_secret_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / 'secret').touch(mode=0o600)
    (tmp_path / 'secret').write_bytes(content)
    with pytest.raises(DirectoryError, match='empty or damaged'):
        state_secret(tmp_path)


def test_a_link_to_a_secret_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'a').mkdir()
    state_secret(tmp_path / 'a')
    (tmp_path / 'secret').symlink_to(tmp_path / 'a' / 'secret')
    with pytest.raises(DirectoryError, match='cannot be read'):
        state_secret(tmp_path)


def test_a_directory_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DirectoryError, match='cannot be read or made'):
        state_secret(tmp_path / 'none')
