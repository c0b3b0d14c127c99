"""Which hosts a first request may name."""

from __future__ import annotations

import socket

import pytest

from cronsched.base.hosts import is_loopback, name_of
from cronsched.web import facts
from cronsched.web.address import is_trusted


@pytest.mark.parametrize('host', [
    '..localhost', '.localhost', 'a..localhost', '-.localhost', 'localhost.localdomain',
    'notlocalhost', 'localhost.evil.example', '[::ffff:8.8.8.8]', '0.0.0.0', '127.1', '0x7f.0.0.1',
    '2130706433',
])
def test_what_only_looks_like_the_loopback_is_not_trusted(host: str) -> None:
    assert not is_trusted(host, ())


@pytest.mark.parametrize(('host', 'allowed', 'trusted'), [
    ('app.example', ['app.example'], True),
    ('APP.example', ['app.EXAMPLE'], True),
    ('app.example:8080', ['app.example'], False),
    ('app.example:8080', ['app.example:8080'], True),
    ('app.example', ['app.example:8080'], False),
    ('app.example.', ['app.example'], False),
    ('x.app.example', ['app.example'], False),
])
def test_an_allowed_host_is_exactly_that(host: str, allowed: list[str], trusted: bool) -> None:
    assert is_trusted(host, allowed) is trusted


def test_a_host_of_a_megabyte_is_none() -> None:
    assert name_of('a' * 1_000_000) is None
    assert name_of('a-' * 1_000_000) is None
    assert not is_loopback('a.' * 100_000 + 'localhost')


@pytest.mark.parametrize(('environ', 'process', 'prefix'), [
    ({'SCRIPT_NAME': '/shop'}, '', '/shop'),    # the server, or where it is mounted
    ({'SCRIPT_NAME': '/evil', 'HTTP_SCRIPT_NAME': '/evil'}, '', ''),
    ({'SCRIPT_NAME': '/evil', 'HTTP_X_FORWARDED_PREFIX': '/evil/'}, '', ''),
    ({'SCRIPT_NAME': '/evil/shop', 'HTTP_SCRIPT_NAME': '/evil'}, '', '/shop'),
    ({'SCRIPT_NAME': '/evil/shop', 'HTTP_SCRIPT_NAME': '/evil'}, '/app', '/app/shop'),
    ({'SCRIPT_NAME': '/evils', 'HTTP_SCRIPT_NAME': '/evil'}, '', '/evils'),   # not believed
    ({'HTTP_SCRIPT_NAME': '/evil', 'HTTP_X_FORWARDED_PROTO': 'https', 'HTTP_HOST': 'evil:1'},
     '', ''),
])
def test_no_header_decides_where_a_process_is_reached(
    environ: dict[str, str], process: str, prefix: str, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(facts, 'server', lambda: 'gunicorn')
    monkeypatch.setenv('SCRIPT_NAME', process)
    with socket.create_server(('127.0.0.1', 0)) as listening:
        port = listening.getsockname()[1]
        address = facts.own_address({'SERVER_PORT': str(port), **environ})
        assert address == f'http://127.0.0.1:{port}{prefix}'
        assert facts.own_address({'SERVER_PORT': str(port + 1), **environ}) is None
