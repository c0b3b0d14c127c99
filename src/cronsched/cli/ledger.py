"""The command `ledger`: the tables of a ledger that several machines share.

Example::

    $ cronsched ledger migrate postgresql://owner@db/app --role app
    The tables were made: schema 1. The role of the application needs:
    GRANT USAGE ON SCHEMA cronsched TO "app";
    ...

An application never makes or changes the tables itself.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from cronsched.cli.terminal import Terminal, table
from cronsched.errors import CronError

__all__ = ['add_arguments', 'run']

DESCRIPTION = """\
For a ledger in PostgreSQL, which several machines share. `migrate` makes its
tables, or brings them to this version, and prints what the role of the
application has to be granted. `check` says whether an application can use it.
`copy` adds history, last runs, pauses, requests and totals of a SQLite ledger,
of an application that was stopped."""
EXAMPLES = (
    'cronsched ledger migrate postgresql://owner@db/app --role app',
    'cronsched ledger migrate postgresql://owner@db/app --sql > cronsched.sql',
    'cronsched ledger check postgresql://app@db/app',
    'cronsched ledger copy sqlite:///srv/ledger.sqlite3 \\',
    '    postgresql://owner@db/app',
)
STATUSES = (
    ('0', 'it is done; an application can use it'),
    ('1', '`check` found what stands in the way'),
    ('2', 'the database cannot be used'),
)

PATIENCE: Final = 10.0          # seconds
LARGEST_OFFSET: Final = 1.0     # seconds

FACTS: Final = (
    "SELECT current_setting('server_version'), current_setting('transaction_read_only') = 'on', "
    'extract(epoch FROM clock_timestamp())::float8, '
    "(SELECT value FROM cronsched.state WHERE key = 'version'), "
    '(SELECT count(*) FROM cronsched.applications), (SELECT count(*) FROM cronsched.jobs), '
    "(SELECT bool_and(has_function_privilege(p.oid, 'EXECUTE')) FROM pg_proc AS p "
    "JOIN pg_namespace AS n ON n.oid = p.pronamespace WHERE n.nspname = 'cronsched')")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('action', choices=tuple(ACTIONS), help='what to do')
    parser.add_argument('urls', metavar='URL', nargs='+',
                        help='postgresql://owner@host/database; for `copy` after the SQLite one')
    parser.add_argument('--role', metavar='NAME',
                        help='migrate: the role of the application, to print its rights')
    parser.add_argument('--sql', action='store_true',
                        help='migrate: print the statements, and run nothing')


def run(arguments: argparse.Namespace) -> int:
    action, wanted = ACTIONS[arguments.action]
    if len(arguments.urls) != wanted:
        raise CronError(f'`ledger {arguments.action}` takes {wanted} URL{"s"[:wanted - 1]}, not '
                        f'{len(arguments.urls)}: see cronsched ledger --help')
    return action(arguments, *arguments.urls)


def _migrate(arguments: argparse.Namespace, url: str) -> int:
    from cronsched.ledger.postgres import schema

    write = sys.stdout.write
    if arguments.sql:
        write(schema.whole_script())
    else:
        before = _on(url, schema.migrate)
        done = 'made' if before == 0 else 'up to date' if before == schema.VERSION else (
            f'brought from schema {before} to this version')
        write(f'The tables were {done}: schema {schema.VERSION}. The role of the application '
              f'needs{"" if arguments.role else " (put its name for app)"}:\n')
    write(f'{schema.grants(arguments.role or "app")}\n')
    return 0


def _check(arguments: argparse.Namespace, url: str) -> int:
    before = time.time()
    server, read_only, now, version, applications, jobs, may = _on(url, _facts)
    offset = (before + time.time()) / 2 - now
    faults = [told for told, is_so in (
        ('It is read-only: name the primary server, or add ?target_session_attrs=read-write to '
         'the URL.', read_only),
        ('This role may not call the functions: grant it what `cronsched ledger migrate URL '
         '--role NAME` prints.', not may),
        (f'The clock of this machine is {offset:+.1f} s away from that of the database: set it.',
         abs(offset) > LARGEST_OFFSET)) if is_so]
    terminal = Terminal(sys.stdout)
    for line in table((
        ('server', f'PostgreSQL {server}'), ('schema', version),
        ('clock of this machine', f'{offset:+.3f} s'),
        ('application ids', str(applications)), ('jobs', str(jobs)),
    )):
        terminal.write(line)
    for fault in faults:
        terminal.write_folded(fault)
    return 1 if faults else 0


def _facts(source: Any) -> tuple[Any, ...]:
    from cronsched.ledger.postgres import schema
    from cronsched.ledger.postgres.connections import disconnect, execute

    connection = source.connect(PATIENCE)
    try:
        schema.check(connection)
        return execute(connection, FACTS)[0]
    finally:
        disconnect(connection)


def _copy(arguments: argparse.Namespace, source: str, url: str) -> int:
    from cronsched.ledger.postgres.copying import copy

    parts = urlsplit(source)
    path = Path('/' + unquote(parts.path).lstrip('/'))
    if parts.scheme != 'sqlite' or parts.netloc or not path.is_file():
        raise CronError(
            f'there is no SQLite ledger at {source!r}: write sqlite:///absolute/path')
    counts = _on(url, lambda target: copy(path, target))
    sys.stdout.write('added: ' + ', '.join(
        f'{count} {name}' for name, count in counts.items()) + '\n')
    return 0


def _on(url: str, work: Callable[[Any], Any]) -> Any:
    """`work` with the database; its errors as ours."""
    from cronsched.ledger.postgres import errors
    from cronsched.ledger.postgres.connections import Source, driver_errors

    source = Source(url)
    try:
        return work(source)
    except CronError as error:
        raise CronError(f'the ledger {source.name} {error}') from None
    except driver_errors() as error:
        raise CronError(f'the ledger {source.name} {errors.told(error)}') from error


#: By name: what does it, and how many URLs it takes.
ACTIONS: Final[dict[str, tuple[Callable[..., int], int]]] = {
    'migrate': (_migrate, 1), 'check': (_check, 1), 'copy': (_copy, 2),
}
