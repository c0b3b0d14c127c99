"""The command `check`: are these expressions right, and wise?

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
from cronsched.cli.explain import as_data
from cronsched.cli.sources import Written, in_crontab, read, read_text
from cronsched.cli.terminal import Terminal
from cronsched.errors import ConfigurationError, CronError

__all__ = ['add_check']

WARNED, WRONG = 1, 2
STANDARD_INPUT = '-'


def add_check(commands: Any) -> None:
    parser = commands.add_parser(
        'check',
        help='look at expressions and files; exit status 2 if one is wrong',
        description='Files are crontabs, or Python files whose cronjob decorators are read.',
    )
    parser.add_argument(
        'sources', nargs='+', metavar='FILE-OR-EXPRESSION', help='- is standard input, a crontab'
    )
    parser.add_argument('--tz', default='UTC', metavar='ZONE', help='where none is written (UTC)')
    parser.add_argument('--strict', action='store_true', help='exit status 1 for warnings')
    parser.add_argument('-q', '--quiet', action='store_true', help='only what is wrong or unwise')
    parser.add_argument('--json', action='store_true', help='for programs')
    parser.set_defaults(run=_check)


def _check(options: argparse.Namespace) -> int:
    results = []
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
    """What is to be said about each expression, and about what is none."""
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


def _is_expression(source: str) -> bool:
    """A path has no blanks, or it exists."""
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
        terminal.write(f'{place} {terminal.faint("not checked:")} {printable(result["unread"])}')
    elif not quiet:
        terminal.write(f'{place} {result["description"]}')
    for finding in result['findings']:
        said = f'{finding["message"]}; {finding["advice"]}'
        terminal.write(f'{place} {terminal.warning("warning:")} {said}')
