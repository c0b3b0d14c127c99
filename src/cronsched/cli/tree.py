"""The commands and options of a parser, as values.

Example::

    for name, (summary, parser) in subparsers_of(make_parser()).items():
        print(name, [option.flags for option in options_of(parser)])

For the scripts of `cronsched completion`, and for the documentation.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

__all__ = ['Option', 'options_of', 'subparsers_of']

# What stands for a value: names of the ledger, or of files.
KINDS: Final = {
    'JOB': 'jobs', 'ID': 'applications', 'DIRECTORY': 'directories', 'FILE-OR-EXPRESSION': 'files',
}


@dataclass(frozen=True, slots=True)
class Option:
    """An option, or (without flags) a positional argument. `kind` is one of
    KINDS, 'words' for one of `words`, 'text' for anything else, and '' where it
    takes no value."""

    flags: tuple[str, ...]
    help: str
    kind: str
    words: tuple[str, ...] = ()
    metavar: str = ''


def subparsers_of(parser: argparse.ArgumentParser) -> dict[str, tuple[str, Any]]:
    """By name: a line of help, and the parser."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {each.dest: each.help or '' for each in action._choices_actions}
            return {name: (helps[name], each) for name, each in action.choices.items()}
    return {}


def options_of(parser: argparse.ArgumentParser) -> Iterator[Option]:
    for action in parser._actions:
        if action.help == argparse.SUPPRESS or isinstance(action, argparse._SubParsersAction):
            continue
        text = (action.help or '').replace('%%', '%')
        words = tuple(map(str, action.choices or ()))
        if action.nargs == 0:
            kind = ''
        elif words:
            kind = 'words'
        else:
            kind = KINDS.get(str(action.metavar), 'text')
        metavar = str(action.metavar or ('|'.join(words) if words else action.dest.upper()))
        yield Option(tuple(action.option_strings), text, kind, words, metavar)
