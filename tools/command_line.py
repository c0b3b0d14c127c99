"""Writes the reference of the command line: docs/command-reference.md.

    python tools/command_line.py            # after an option was changed
    python tools/command_line.py --check    # exit status 1 if it is not up to date

It is made from the parsers, so it has every command and option, in the words of
`--help`, whatever the version of Python.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cronsched.cli.commands import COMMANDS, make_parser
from cronsched.cli.tree import Option, options_of, subparsers_of

PAGE = Path(__file__).parent.parent / 'docs' / 'command-reference.md'
HEAD = """\
<!-- Made by tools/command_line.py from the parsers of the commands. -->

# Every command and option

`cronsched COMMAND`, or `python -m cronsched COMMAND`. With `--help`, each command
prints what is written here.

Lines fit the terminal, or `$COLUMNS`: longer names are cut with `…`. They are shown whole with
`--wide`, in JSON, and where the output goes to a file or a pipe. Colours are for terminals only,
and not with `NO_COLOR`. Errors go to standard error, with exit status 2; 130 is that of an
interrupted command, 141 of one whose output is no longer read. Times are those of the job's time
zone. Every time that a command shows is accepted as an argument, and so are `14:42` (today),
`24 Nov 08:00`, and ISO 8601 with or without an offset.
"""


def page() -> str:
    return '\n'.join([HEAD, *_contents(), *_sections()])


def _contents() -> Iterator[str]:
    yield '| command | |'
    yield '|---|---|'
    for name, (_, summary) in COMMANDS.items():
        yield f'| [`{name}`](#cronsched-{name}) | {_cell(summary)} |'
    yield ''


def _sections() -> Iterator[str]:
    for name, (_, parser) in subparsers_of(make_parser()).items():
        yield f'## cronsched {name}'
        yield ''
        yield _cell(' '.join(parser.description.split()))
        yield ''
        yield from _options(parser)
        yield from _epilog(parser.epilog)


def _options(parser: Any) -> Iterator[str]:
    yield '| argument | |'
    yield '|---|---|'
    for option in options_of(parser):
        if '--help' not in option.flags:
            yield f'| {_names(option)} | {_cell(option.help)} |'
    yield ''


def _names(option: Option) -> str:
    value = option.metavar.replace('|', '\\|') if option.kind else ''
    names = option.flags or (value,)
    return ', '.join(f'`{f"{each} {value}".strip() if option.flags else each}`' for each in names)


def _epilog(text: str) -> Iterator[str]:
    """The examples as code, the exit statuses as a table."""
    examples, _, statuses = text.partition('\n\nexit status:\n')
    yield '<!-- run: by tests/cli/test_reference.py -->'
    yield '```sh'
    yield from (line.removeprefix('  ') for line in examples.splitlines()[1:])
    yield '```'
    yield ''
    if statuses:
        yield '| exit status | |'
        yield '|---|---|'
        for line in statuses.splitlines():
            status, _, meaning = line.strip().partition(' ')
            yield f'| {status} | {_cell(meaning.strip())} |'
        yield ''


def _cell(text: str) -> str:
    return text.replace('|', '\\|').replace('<', '&lt;').replace('*', '\\*')


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--check', action='store_true')
    if parser.parse_args().check:
        return 0 if PAGE.read_text() == page() else 1
    PAGE.write_text(page())
    return 0


if __name__ == '__main__':
    sys.exit(main())
