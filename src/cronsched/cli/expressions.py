"""An expression on the command line, and what to write where it is none.

Example::

    add_expression(parser)
    schedule = schedule_of(parser.parse_args(['0 9 * * MON', '--tz', 'Europe/Zurich']))

A shell replaces an unquoted `*` by the names of files, so that an expression
comes as several words, which is an error: what it was cannot be known.
"""

from __future__ import annotations

import argparse
import re

from cronsched._cronsched import Schedule
from cronsched.errors import ExpressionError

__all__ = ['add_expression', 'check_quoted', 'schedule_of']

KEYWORD = r'([a-z_]+)=(\S+)'
FIELD = r'[0-9*?,/#+LWH-]+|[A-Za-z]{3}(-[A-Za-z]{3})?'
PLURALS = {'minutes': '*/{} * * * *', 'hours': '0 */{} * * *', 'seconds': '*/{} * * * * *'}
FEWEST, MOST = 5, 7


def add_expression(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('expression', metavar='EXPRESSION', help="quoted: '0 9 * * MON'")
    # What a shell has made of an expression that is not quoted.
    parser.add_argument('rest', nargs='*', help=argparse.SUPPRESS)
    parser.add_argument('--tz', default='UTC', metavar='ZONE', help='time zone (default UTC)')
    parser.add_argument('--seed', help='the name of the job, which decides what H means')
    parser.add_argument('--json', action='store_true', help='write JSON')


def schedule_of(options: argparse.Namespace) -> Schedule:
    """Raises `CronError` that says what to write."""
    check_quoted([options.expression, *options.rest])
    expression: str = options.expression
    keywords = re.findall(KEYWORD, expression) if '=' in expression else []
    if keywords and re.sub(KEYWORD, '', expression).strip(' ,') == '':
        raise ExpressionError(
            f'{expression!r} is how a decorator is written in Python: write '
            f'{_from_keywords(keywords)} here')
    return Schedule(expression, options.tz, seed=options.seed)


def check_quoted(words: list[str]) -> None:
    """Raises `ExpressionError` for an expression that is several words."""
    if len(words) == 1:
        return
    text = ' '.join(words)
    if FEWEST <= len(words) <= MOST and all(re.fullmatch(FIELD, word) for word in words):
        write = f"write '{text}'"
    elif words[0] in ('every', 'each'):
        write = _plain(text)
    else:
        write = "write '0 9 * * MON', say, in quotes: without them the shell replaces * by " \
                'the names of files'
    raise ExpressionError(f'the expression comes as {len(words)} words: {write}')


def _plain(text: str) -> str:
    """What the words of a sentence are as an expression."""
    try:
        Schedule(text)
    except ExpressionError as error:
        return str(error.hint or error).replace('write ', "write '", 1) + "'"
    return 'put it in quotes'


def _from_keywords(keywords: list[tuple[str, str]]) -> str:
    for name, value in keywords:
        if name in PLURALS:
            return f"'{PLURALS[name].format(value)}'"
    from cronsched.schedule import expression_of

    try:
        return repr(expression_of(**{name: value.strip('\'",') for name, value in keywords}))
    except ExpressionError:
        return "'0 9 * * MON'"
