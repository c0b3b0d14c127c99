"""The commands of `cronsched`: a module each, loaded when it is called.

Example::

    options = parse(['status', '--check'])
    add_commands(parser.add_subparsers(...), LEDGER_COMMANDS)    # in a framework's command

A new command is a line in COMMANDS and a module with the constants DESCRIPTION,
EXAMPLES and, if its exit status says something, STATUSES; with
`add_arguments(parser)`, and `run(arguments)`, which returns the exit status.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from importlib import import_module

from cronsched.cli.parser import HelpFormatter, epilog

TYPE_CHECKING = False    # as in typing, which is slow to load
if TYPE_CHECKING:
    from typing import Any, Final

__all__ = ['COMMANDS', 'LEDGER_COMMANDS', 'add_commands', 'make_parser', 'parse']

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
    'machines': ('cronsched.cli.machines', 'who shares the ledger, and who fires how much'),
    'machine': ('cronsched.cli.machine', 'say that a machine will never be back'),
    'metrics': ('cronsched.cli.metrics', 'figures for Prometheus'),
    'doctor': ('cronsched.cli.doctor', 'ask whether applications are reached, and who answers'),
    'ledger': ('cronsched.cli.ledger', 'the tables of a ledger that several machines share'),
    'web': ('cronsched.cli.web', 'show the dashboard, to you alone'),
    'completion': ('cronsched.cli.completion', 'a script that completes commands in a shell'),
}

#: Those about the ledger of an application, which frameworks offer as well.
LEDGER_COMMANDS: Final = (
    'status', 'history', 'run', 'pause', 'resume', 'machines', 'machine', 'metrics',
    'doctor', 'web',
)

EPILOG = """\
An expression has five to seven fields, [second] minute hour day month weekday
[year], and is quoted: '*/15 8-18 * * MON-FRI'. Each command says more with
--help; `cronsched completion bash` prints a script for the shell."""


def make_parser() -> argparse.ArgumentParser:
    """For every command."""
    from cronsched.cli.version import ShowVersion  # no single command needs it

    parser = argparse.ArgumentParser(
        prog='cronsched',
        description='Cron expressions, and the runs of the jobs on this machine.',
        epilog=EPILOG, formatter_class=HelpFormatter,
    )
    parser.add_argument('--version', action=ShowVersion)
    add_commands(parser.add_subparsers(title='commands', metavar='COMMAND', required=True))
    return parser


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The arguments, with the function `run`. Where a command is named first,
    only its module is loaded."""
    if words and words[0] in COMMANDS:
        module, _ = COMMANDS[words[0]]
        found = import_module(module)
        parser = argparse.ArgumentParser(prog=f'cronsched {words[0]}', **_texts(found))
        return _filled(parser, found).parse_args(words[1:])
    return make_parser().parse_args(words)


def add_commands(commands: Any, names: Iterable[str] = tuple(COMMANDS)) -> None:
    """Add those commands to what `add_subparsers` gave."""
    for name in names:
        module, summary = COMMANDS[name]
        found = import_module(module)
        _filled(commands.add_parser(name, help=summary, **_texts(found)), found)


def _texts(module: Any) -> dict[str, Any]:
    return {
        'description': module.DESCRIPTION, 'formatter_class': HelpFormatter,
        'epilog': epilog(module.EXAMPLES, getattr(module, 'STATUSES', ())),
    }


def _filled(parser: argparse.ArgumentParser, module: Any) -> argparse.ArgumentParser:
    module.add_arguments(parser)
    parser.set_defaults(run=module.run)
    return parser
