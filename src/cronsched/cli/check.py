"""The command `check`: mistakes and warnings in expressions and files.

Example::

    $ cronsched check crontab app/cronjobs.py '0 9 * * MON#1'
    crontab:3: At 09:00 every day, Europe/Zurich
    app/cronjobs.py:12: Every 15 minutes, UTC
    '0 9 * * MON#1': At 09:00 on the first Monday of the month, UTC

Exit status: 2 when an expression is wrong or a file cannot be read; 1, with
`--strict`, when there is a warning; else 0.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cronsched.base.text import printable, printable_lines
from cronsched.cli.expressions import check_quoted
from cronsched.cli.runs import as_data
from cronsched.cli.sources import Written, in_crontab, read, read_text
from cronsched.cli.terminal import Terminal
from cronsched.errors import ConfigurationError, CronError

__all__ = ['add_arguments', 'add_options', 'run']

DESCRIPTION = """\
Looks for mistakes in expressions: those given, in quotes, those of crontabs,
and those of the decorators in Python files, of which nothing is executed."""
EXAMPLES = (
    "cronsched check '0 9 * * MON#1' '*/25 * * * *'",
    'cronsched check --strict app/cronjobs.py crontab     # in CI',
    'crontab -l | cronsched check --tz Europe/Zurich -',
)
STATUSES = (
    ('0', 'no mistakes; without --strict there may be warnings'),
    ('1', 'with --strict: there are warnings'),
    ('2', 'an expression is wrong, or a file cannot be read'),
)
WARNED, WRONG = 1, 2
STANDARD_INPUT = '-'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'sources', nargs='+', metavar='FILE-OR-EXPRESSION', help='- is standard input, a crontab'
    )
    add_options(parser)


def add_options(parser: argparse.ArgumentParser) -> None:
    """All but the sources."""
    parser.add_argument('--tz', default='UTC', metavar='ZONE',
                        help='of expressions that name no time zone (default UTC)')
    parser.add_argument('--strict', action='store_true', help='exit status 1 for warnings')
    parser.add_argument('-q', '--quiet', action='store_true', help='only errors and warnings')
    parser.add_argument('--json', action='store_true', help='write JSON')


def run(options: argparse.Namespace) -> int:
    results = []
    if len(options.sources) > 1 and not any(map(_may_be_meant, options.sources)):
        check_quoted(options.sources)
    for source in options.sources:
        for result in _results_in(source, options.tz):
            results.append(result)
            if not options.json:
                _report(result, options.quiet)
    if options.json:
        json.dump({'results': results}, sys.stdout, indent=2)
        sys.stdout.write('\n')
    if any(result['error'] for result in results):
        return WRONG
    return WARNED if options.strict and any(result['findings'] for result in results) else 0


def _results_in(source: str, timezone: str) -> Iterator[dict[str, Any]]:
    """A result for each expression, or for a source that cannot be read."""
    try:
        for written in _written_in(source, timezone):
            yield _judged(written)
    except ConfigurationError as error:
        yield _result(source, error=error)


def _written_in(source: str, timezone: str) -> Iterator[Written]:
    if source == STANDARD_INPUT:
        text = read_text(sys.stdin, 'standard input')
        return in_crontab(text, 'standard input', timezone)
    if _is_expression(source):
        return iter([Written(repr(source), source, timezone=timezone)])
    return read(Path(source), timezone)


def _may_be_meant(source: str) -> bool:
    """As a file or an expression by itself, not as a field of one."""
    return source == STANDARD_INPUT or '/' in source[1:] or _is_expression(source) or (
        Path(source).exists())


def _is_expression(source: str) -> bool:
    """A path has no spaces, or it exists."""
    if len(source.split()) == 1 and not source.startswith('@'):
        return False
    try:
        return not source.strip() or not Path(source).exists()
    except (OSError, ValueError):
        return True     # too long for a path, or with a NUL


def _judged(written: Written) -> dict[str, Any]:
    if written.unread:
        return _result(written.place, unread=written.unread)
    try:
        return _result(written.place, as_data(written.schedule()))
    except CronError as error:
        return _result(written.place, error=error)


def _result(
    place: str,
    data: dict[str, Any] | None = None,
    *,
    error: CronError | None = None,
    unread: str | None = None,
) -> dict[str, Any]:
    result: dict[str, Any] = {
        'place': place, 'expression': None, 'canonical': None, 'timezone': None,
        'description': None, 'findings': [], 'error': None, 'unread': unread,
    }
    if error is not None:
        known = ('expression', 'field', 'position', 'length', 'hint')
        result['error'] = {'text': str(error), **{name: getattr(error, name) for name in known}}
        result['expression'] = error.expression
    return result | (data or {})


def _report(result: dict[str, Any], quiet: bool) -> None:
    terminal = Terminal(sys.stdout)
    place = terminal.strong(f'{printable(result["place"])}:')
    if result['error']:
        errors = Terminal(sys.stderr)
        errors.write(f'{place} {errors.bad("error:")} {printable_lines(result["error"]["text"])}')
    elif result['unread']:
        terminal.write_folded(
            f'{place} {terminal.faint("not checked:")} {printable(result["unread"])}')
    elif not quiet:
        terminal.write_folded(f'{place} {result["description"]}')
    for finding in result['findings']:
        text = f'{finding["message"]}; {finding["advice"]}'
        terminal.write_folded(f'{place} {terminal.warning("warning:")} {text}')
