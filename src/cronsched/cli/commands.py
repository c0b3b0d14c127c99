"""The commands of `cronsched`: a module each, loaded when it is called.

Example::

    make_parser().parse_args(['status', '--check'])
    add_commands(parser.add_subparsers(...), LEDGER_COMMANDS)    # in a framework's command

A new command is a line in COMMANDS and a module with the constants DESCRIPTION,
EXAMPLES and, if its exit status says something, STATUSES; with
`add_arguments(parser)`, and `run(arguments)`, which returns the exit status.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from importlib import import_module
from typing import Any, Final

from cronsched.cli.parser import HelpFormatter, epilog
from cronsched.cli.version import ShowVersion

__all__ = ['COMMANDS', 'LEDGER_COMMANDS', 'add_commands', 'make_parser']

#: By name: the module, and a line of help.
COMMANDS: Final = {
    'next': ('cronsched.cli.next_runs', 'the next runs of an expression'),
    'explain': ('cronsched.cli.explain', 'what an expression means'),
    'check': ('cronsched.cli.check', 'look for mistakes in expressions and files'),
    'status': ('cronsched.cli.status', 'the last and next run of each job, and who runs it'),
    'history': ('cronsched.cli.history', 'runs, the newest first; or why one did not happen'),
    'run': ('cronsched.cli.run', 'run a job now'),
    'pause': ('cronsched.cli.pause', 'skip the runs of a job from now on'),
    'resume': ('cronsched.cli.resume', 'end the pause of a job'),
    'doctor': ('cronsched.cli.doctor', 'ask whether applications are reached, and who answers'),
    'completion': ('cronsched.cli.completion', 'a script that completes commands in a shell'),
}

#: Those about the ledger of an application, which frameworks offer as well.
LEDGER_COMMANDS: Final = ('status', 'history', 'run', 'pause', 'resume', 'doctor')

EPILOG = """\
An expression has five to seven fields, [second] minute hour day month weekday
[year], and is quoted: '*/15 8-18 * * MON-FRI'. Each command says more with
--help; `cronsched completion bash` prints a script for the shell."""


def make_parser(command: str | None = None) -> argparse.ArgumentParser:
    """With the module of one command, if that is named, and of all otherwise."""
    parser = argparse.ArgumentParser(
        prog='cronsched',
        description='Cron expressions, and the runs of the jobs on this machine.',
        epilog=EPILOG, formatter_class=HelpFormatter,
    )
    parser.add_argument('--version', action=ShowVersion)
    # With `prog`, argparse need not format the usage to find it.
    commands = parser.add_subparsers(
        title='commands', metavar='COMMAND', required=True, prog='cronsched')
    add_commands(commands, [command] if command in COMMANDS else COMMANDS)
    return parser


def add_commands(commands: Any, names: Iterable[str] = tuple(COMMANDS)) -> None:
    """Add those commands to what `add_subparsers` gave."""
    for name in names:
        module, summary = COMMANDS[name]
        _add(commands, name, import_module(module), summary)


def _add(commands: Any, name: str, module: Any, summary: str) -> None:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=module.DESCRIPTION, formatter_class=HelpFormatter,
        epilog=epilog(module.EXAMPLES, getattr(module, 'STATUSES', ())),
    )
    module.add_arguments(parser)
    parser.set_defaults(run=module.run)
