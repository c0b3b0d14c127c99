"""A setting that cannot work is an error where it is read, and says what to
write."""

from __future__ import annotations

import os
import types
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cronsched.base.keys import Secret
from cronsched.errors import ConfigurationError
from cronsched.jobs.settings import NAMES, Settings


def make_connection() -> None: ...


LONG = 'long enough for a secret'


def read(**section: Any) -> Settings:
    return Settings.read(types.SimpleNamespace(**section))


@pytest.mark.parametrize(('name', 'value', 'says'), [
    ('enabled', 'no', 'True or False'),
    ('enabled', None, 'True or False'),
    ('allowed_hosts', None, 'write a list of hosts'),
    ('allowed_hosts', 'app.example', 'write a list of hosts'),
    ('allowed_hosts', 8080, 'write a list of hosts'),
    ('allowed_hosts', [8080], '8080 is not a host'),
    ('allowed_hosts', ['http://app.example'], 'is not a host'),
    ('allowed_hosts', ['app.example:99999'], 'is not a host'),
    ('allowed_hosts', ['*'], 'is not a host'),
    ('allowed_hosts', [''], 'is not a host'),
    ('state_directory', 123, 'write the path of a directory'),
    ('state_directory', b'/x', 'write the path of a directory'),
    ('state_directory', '', 'write an absolute path'),
    ('state_directory', 'relative/dir', 'write an absolute path, like .*relative/dir'),
    ('state_directory', '~no-such-user-of-ours/x', 'write an absolute path'),
    ('state_directory', '/x\0y', 'control characters'),
    ('runtime_directory', 5, 'write the path of a directory'),
    ('runtime_directory', '.', 'write an absolute path'),
    ('ledger', 'sqlit', "write 'sqlite'"),
    ('ledger', '', "write 'sqlite'"),
    ('ledger', True, "write 'sqlite'"),
    ('ledger', '/var/lib/x.db', "'sqlite:///var/lib/x.db'"),
    ('ledger', 'sqlite://x.db', "write 'sqlite'"),
    ('ledger', 'sqlite:///', "write 'sqlite'"),
    ('ledger', 'sqlite:///x.db?synchronous=FUL', "write 'sqlite'"),
    ('ledger', 'sqlite:///x.db?mode=ro', "write 'sqlite'"),
    ('ledger', 'mysql://host/x', "write 'sqlite'"),
    ('ledger', 'postgresql:host/x', 'postgresql://user@host/database'),
    ('ledger', 'postgresql://host:port/x', 'postgresql://user@host/database'),
    ('ledger', 'postgrsql://app:s3cret@host/x', r"ledger='postgrsql://\*\*\*@host/x'"),
    ('ledger', dict, 'a function that returns a connection'),
    ('base_url', 5, 'write a URL'),
    ('base_url', '', 'does not begin with http'),
    ('base_url', 'app.example', 'does not begin with http'),
    ('base_url', 'ftp://app.example', 'does not begin with http'),
    ('base_url', 'http://127.0.0.1:99999', 'port 99999 is not 1 to 65535'),
    ('base_url', 'http://127.0.0.1:0', 'port 0 is not'),
    ('base_url', 'http://127.0.0.1:x', 'port x is not'),
    ('base_url', 'http://127.0.0.1:', 'is not 1 to 65535'),
    ('base_url', 'http://[::1]:99999', 'port 99999 is not'),
    ('base_url', 'http://127.0.0.1:' + '9' * 5000, 'is not 1 to 65535'),
    ('base_url', ' http://127.0.0.1', 'character that is not allowed in a URL'),
    ('base_url', 'http://127.0.0.1/a b', 'character that is not allowed in a URL'),
    ('base_url', 'http://127.0.0.1\n', 'character that is not allowed in a URL'),
    ('base_url', 'http://zürich.example', 'character that is not allowed in a URL'),
    ('base_url', 'http://evil.com\\@127.0.0.1', 'character that is not allowed in a URL'),
    ('base_url', 'http://', 'has no host'),
    ('base_url', 'http:///x', 'has no host'),
    ('base_url', 'http://:8080', 'has no host'),
    ('base_url', 'http://[::1', 'host is not valid'),
    ('base_url', 'http://a..b', 'host is not valid'),
    ('base_url', 'http://user@127.0.0.1', 'a user or a password'),
    ('base_url', 'http://127.0.0.1/../x', 'contains . or ..'),
    ('base_url', 'http://127.0.0.1/%2e%2e/x', 'contains . or ..'),
    ('base_url', 'http://127.0.0.1/?x', 'a query or a fragment'),
    ('base_url', 'http://127.0.0.1/?', 'a query or a fragment'),
    ('base_url', 'http://127.0.0.1/#', 'a query or a fragment'),
    ('base_url', 'http+unix:///run/app.sock', 'http[+]unix://%2Frun%2Fapp.sock'),
    ('base_url', f'http+unix://%2F{"x" * 107}', 'longer than 107 bytes'),
    ('max_concurrency', 0, '1 to 10000'),
    ('max_concurrency', True, '1 to 10000'),
    ('max_per_application', 1.5, '1 to 10000'),
    ('max_applications', 0, '1 to 1000000'),
    ('history_days', 0, 'a number of days'),
    ('takeover', 1, 'write 2 to 60 seconds'),
    ('machine_lost_after', 9, '10 or more, or None'),
    ('machine_lost_after', float('inf'), '10 or more, or None'),
    ('machine_lost_after', 'never', '10 or more, or None'),
    ('takeover', 61, 'write 2 to 60 seconds'),
    ('takeover', '6', 'write 2 to 60 seconds'),
    ('takeover', True, 'write 2 to 60 seconds'),
    ('takeover', float('nan'), 'write 2 to 60 seconds'),
    ('history_days', '30', 'a number of days'),
    ('history_days', None, 'a number of days'),
    ('history_days', float('inf'), 'a number of days'),
    ('history_days', float('nan'), 'a number of days'),
    ('timeout', 0, r'cronjobs\.timeout=0'),
])
def test_a_wrong_setting_says_what_to_write(name: str, value: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        read(**{name: value})
    assert caught.value.field == name
    assert f'cronjobs.{name}' in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize('name', ['secret', 'previous_secret'])
@pytest.mark.parametrize(
    'value', ['', 'x', 'fifteen letters', 5, b'as bytes, long enough', 'x' * 20 + '\ud800'])
def test_a_wrong_secret_says_what_to_write_and_not_what_was_written(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match='16 characters or more') as caught:
        read(**{name: value})
    if len(str(value)) > 1:
        assert str(value) not in str(caught.value)


@pytest.mark.parametrize(('name', 'value', 'kept'), [
    ('allowed_hosts', ['App.example', 'app.example:8080', '[::1]'],
     ('app.example', 'app.example:8080', '[::1]')),
    ('allowed_hosts', {'localhost'}, ('localhost',)),
    ('allowed_hosts', (), ()),
    ('state_directory', '~/x', os.path.expanduser('~/x')),
    ('state_directory', Path('/srv/x'), '/srv/x'),
    ('state_directory', None, None),
    ('ledger', 'sqlite', 'sqlite'),
    ('ledger', None, None),
    ('ledger', 'postgresql://app@db.example:6432/app', 'postgresql://app@db.example:6432/app'),
    ('ledger', 'postgresql+psycopg:///app?host=/run', 'postgresql+psycopg:///app?host=/run'),
    ('ledger', make_connection, make_connection),
    ('ledger', 'sqlite:///srv/x.db?synchronous=full', 'sqlite:///srv/x.db?synchronous=full'),
    ('base_url', 'http+unix://%2Frun%2Fapp.sock/pre', 'http+unix://%2Frun%2Fapp.sock/pre'),
    ('base_url', 'https://[::1]:8443/pre/', 'https://[::1]:8443/pre/'),
    ('base_url', 'http://my_app.localhost', 'http://my_app.localhost'),
    ('history_days', timedelta(days=2), 2.0),
    ('takeover', timedelta(seconds=10), 10.0),
    ('takeover', 2, 2.0),
    ('machine_lost_after', None, None),
    ('machine_lost_after', 300, 300.0),
    ('secret', LONG, Secret(LONG)),
])
def test_a_right_setting_is_kept_in_its_own_type(name: str, value: Any, kept: Any) -> None:
    assert getattr(read(**{name: value}), name) == kept


def test_each_setting_has_a_default_that_is_right() -> None:
    default = Settings()
    for name in NAMES:
        if hasattr(default, name):
            assert getattr(read(**{name: getattr(default, name)}), name) == getattr(default, name)


def test_a_mounted_application_takes_what_it_does_not_write_from_outside() -> None:
    outer = read(ledger='sqlite:///a.db', secret=LONG, retries=3, timeout=9, history_days=3)
    inner = read(history_days=7, timeout=5)
    both = inner.under(outer)
    assert (both.ledger, both.secret) == (outer.ledger, Secret(LONG))
    assert both.history_days == 7
    assert both.options == {'retries': 3, 'timeout': 5.0}
    assert both.given == {'ledger', 'secret', 'history_days'}


def test_a_default_that_is_written_counts_as_written() -> None:
    outer = read(ledger=None, max_concurrency=5)
    assert read(ledger='sqlite').under(outer).ledger == 'sqlite'
    assert read(ledger='sqlite').under(outer).max_concurrency == 5


@pytest.mark.parametrize(('inner', 'outer'), [(True, False), (False, True), (False, False)])
def test_a_mounted_application_is_switched_off_with_the_outer_one(
    inner: bool, outer: bool,
) -> None:
    assert not read(enabled=inner).under(read(enabled=outer)).enabled
