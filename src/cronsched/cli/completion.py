"""The command `completion`: a script that completes commands in a shell.

Example::

    source <(cronsched completion bash)                                   # ~/.bashrc
    source <(cronsched completion zsh)                                    # ~/.zshrc
    cronsched completion fish > ~/.config/fish/completions/cronsched.fish

The scripts are made from the parsers of the commands. For the names of jobs and
application ids they call `cronsched completion --list`, which reads the ledger.
"""

from __future__ import annotations

import argparse
import sys
from typing import Final

from cronsched.cli.access import add_ledger_options, opened
from cronsched.errors import CronError

__all__ = ['add_arguments', 'run']

DESCRIPTION = """\
Prints a script that completes commands, options, jobs and application ids in a
shell. It is made from the options of this version: print it again after an
upgrade, or have the shell call this command."""
EXAMPLES = (
    'source <(cronsched completion bash)      # in ~/.bashrc',
    'source <(cronsched completion zsh)       # in ~/.zshrc, after compinit',
    'cronsched completion fish > ~/.config/fish/completions/cronsched.fish',
    'cronsched completion --list jobs',
)
SHELLS: Final = ('bash', 'zsh', 'fish')
LISTS: Final = ('jobs', 'applications')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('shell', nargs='?', choices=SHELLS, help='the shell to complete in')
    parser.add_argument('--list', choices=LISTS, dest='kind',
                        help='print the names in the ledger instead, a line each')
    add_ledger_options(parser)


def run(arguments: argparse.Namespace) -> int:
    if arguments.kind:
        return _write_names(arguments)
    if not arguments.shell:
        raise CronError(f'which shell? write cronsched completion {"|".join(SHELLS)}')
    from cronsched.cli.commands import make_parser
    from cronsched.cli.completion_scripts import SCRIPTS

    sys.stdout.write(SCRIPTS[arguments.shell](make_parser()))
    return 0


def _write_names(arguments: argparse.Namespace) -> int:
    """Writes nothing where there is no ledger, as a shell cannot show an error."""
    try:
        with opened(arguments, looks=True) as ledger:
            jobs = ledger.jobs()
    except CronError:
        return 1
    names = {job.job if arguments.kind == 'jobs' else job.application_id for job in jobs}
    sys.stdout.writelines(f'{name}\n' for name in sorted(names) if name.isprintable())
    return 0
