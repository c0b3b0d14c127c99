"""How the schema of a PostgreSQL ledger is made, checked and given to a role."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import postgres
import psycopg
import pytest

from cronsched.ledger.postgres import errors, schema
from cronsched.ledger.postgres.connections import Source, disconnect, execute, is_url
from cronsched.ledger.values import LedgerError


@pytest.fixture
def empty() -> str:
    return postgres.server().empty_database()


def check(url: str) -> None:
    connection = Source(url).connect(5.0)
    try:
        schema.check(connection)
    finally:
        disconnect(connection)


# -- Connections

SOURCES: dict[str, Callable[[str], object]] = {
    'url': str,
    'url of sqlalchemy': lambda url: url.replace('postgresql:', 'postgresql+psycopg:'),
    'psycopg': lambda url: lambda: psycopg.connect(url, row_factory=psycopg.rows.dict_row),
    'psycopg2': lambda url: lambda: pytest.importorskip('psycopg2').connect(url),
    'engine': lambda url: engine(url.replace('postgresql:', 'postgresql+psycopg:')),
    'engine of psycopg2': lambda url: pytest.importorskip('psycopg2') and engine(
        url.replace('postgresql:', 'postgresql+psycopg2:')),
}


def engine(url: str, **options: Any) -> Any:
    return pytest.importorskip('sqlalchemy').create_engine(url, **options)


@pytest.mark.parametrize('kind', SOURCES)
def test_a_connection_comes_from_whatever_names_it(kind: str) -> None:
    source = Source(SOURCES[kind](postgres.server().clean_database()))
    connection = source.connect(5.0)
    try:
        for value in range(10):     # a named statement would be made at the fifth
            assert execute(connection, 'SELECT %s::bigint, %s::text', (value, 'a')) == [
                (value, 'a')]
        assert execute(connection, 'SELECT count(*) FROM pg_prepared_statements') == [(0,)]
        assert execute(connection, 'SELECT') == [()]     # a row without columns
        assert connection.autocommit
        assert 'owner' not in source.name or '@' in source.name
    finally:
        disconnect(connection)


def test_a_connection_of_an_engine_is_not_given_back_to_its_pool() -> None:
    url = postgres.server().clean_database().replace('postgresql:', 'postgresql+psycopg:')
    pool = engine(url, pool_size=1, max_overflow=0)
    connection = Source(pool).connect(5.0)
    with pool.connect() as other:     # the pool of one has one left
        assert other.connection.dbapi_connection is not connection
    disconnect(connection)
    pool.dispose()


def test_a_password_is_in_no_message() -> None:
    assert Source('postgresql://app:s3cret@db/app?sslpassword=s3cret').name == (
        'postgresql://app@db/app')


@pytest.mark.parametrize('wrong', [7, 'mysql://db', 'sqlite:///x', None])
def test_what_names_no_database_is_an_error(wrong: object) -> None:
    assert not is_url(wrong)
    with pytest.raises(LedgerError, match='write postgresql://user@host/database'):
        Source(wrong)


def test_a_function_that_returns_no_connection_is_an_error() -> None:
    with pytest.raises(LedgerError, match='not a connection of psycopg 3 or psycopg2'):
        Source(lambda: 7).connect(5.0)


# -- Errors

@pytest.mark.parametrize(('error', 'down', 'told'), [
    # As psycopg2 tells of a server that went away in the middle of a statement.
    ('DatabaseError', True, 'does not answer'),
    ('OperationalError', True, 'does not answer'),
    ('InterfaceError', True, 'does not answer'),
    ('DataError', False, 'cannot keep such a text'),
    ('ProgrammingError', False, 'cannot be used'),
])
def test_an_error_without_a_code_is_known_by_its_kind(error: str, down: bool, told: str) -> None:
    for driver in ('psycopg', 'psycopg2'):
        raised = getattr(pytest.importorskip(driver), error)('it went away')
        assert errors.is_down(raised) == down
        assert errors.told(raised).startswith(told)


# -- The schema

def test_a_database_without_the_schema_says_what_to_run(empty: str) -> None:
    with pytest.raises(LedgerError, match='no tables of cronsched: run `cronsched ledger migrate'):
        check(empty)
    assert schema.migrate(Source(empty)) == 0
    check(empty)
    assert schema.migrate(Source(empty)) == schema.VERSION


def test_a_newer_schema_is_used_while_it_says_so(empty: str) -> None:
    schema.migrate(Source(empty))
    connection = Source(empty).connect(5.0)
    execute(connection, "UPDATE cronsched.state SET value = '99' WHERE key = 'version'")
    check(empty)
    execute(connection, "UPDATE cronsched.state SET value = '99' WHERE key = 'usable_from'")
    disconnect(connection)
    for refused in (lambda: check(empty), lambda: schema.migrate(Source(empty))):
        with pytest.raises(LedgerError, match=r'newer cronsched.*upgrade cronsched here'):
            refused()


def test_migrations_at_the_same_time_make_one_schema(empty: str) -> None:
    before: list[int] = []
    threads = [threading.Thread(target=lambda: before.append(schema.migrate(Source(empty))))
               for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(before) == [0, 1, 1, 1]


def test_a_migration_that_fails_leaves_nothing(
    empty: str, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(schema, 'scripts', lambda before: iter([
        ('a', 'CREATE TABLE cronsched.a (b int)'), ('b', 'SELECT 1 / 0')]))
    with pytest.raises(Exception, match='division by zero'):
        schema.migrate(Source(empty))
    monkeypatch.undo()
    connection = Source(empty).connect(5.0)
    assert execute(connection, "SELECT to_regnamespace('cronsched') IS NULL") == [(True,)]
    disconnect(connection)


def test_an_old_server_is_refused(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, 'OLDEST_SERVER', 990_000)
    with pytest.raises(LedgerError, match='cronsched needs 99 or newer'):
        schema.migrate(Source(empty))
