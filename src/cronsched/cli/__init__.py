"""The command `cronsched`.

Example::

    cronsched next '0 9 * * MON#1' --tz Europe/Zurich -n 5
    cronsched explain '*/15 8-18 * * MON-FRI'
    cronsched check crontab app/cronjobs.py '0 9 * * MON#1'

Exit status: 0; 1 when there is no run to show, or when `check --strict` has
something to remark; 2 for errors, which go to standard error; 141 when
nobody reads the output any more.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any

from cronsched.base.text import printable_lines
from cronsched.cli.terminal import Terminal, close_after_broken_pipe
from cronsched.cli.version import ShowVersion
from cronsched.errors import CronError

if TYPE_CHECKING:
    from cronsched.jobs.settings import Settings

__all__ = ['main']

ERROR = 2
SCHEDULES = ('next', 'explain')
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None, settings: Settings | None = None) -> int:
    """Run one command; its exit status. `settings`: of the application whose
    ledger is meant where none is named."""
    if isinstance(sys.stdout, TextIOWrapper):
        # A file name is never a reason to fail.
        sys.stdout.reconfigure(errors='backslashreplace')
    try:
        given = sys.argv[1:] if arguments is None else arguments
        options = _parser(next(iter(given), '')).parse_args(arguments)
        options.settings = settings
        status: int | None = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        return close_after_broken_pipe()
    except CronError as error:
        _complain(error)
        return ERROR
    except KeyboardInterrupt:
        return INTERRUPTED
    return status or 0


def _complain(error: CronError) -> None:
    terminal = Terminal(sys.stderr)
    terminal.write(f'cronsched: {terminal.bad("error:")} {printable_lines(str(error))}')


def _parser(command: str) -> argparse.ArgumentParser:
    """For all commands; for `next` and `explain`, which people wait for, no
    more than those are loaded."""
    parser = argparse.ArgumentParser(
        prog='cronsched',
        description='Cron expressions, and the runs of the jobs on this machine.',
        epilog='An expression has five to seven fields: [second] minute hour day month '
        "weekday [year]. Quote it: '*/15 8-18 * * MON-FRI'.",
    )
    parser.add_argument('--version', action=ShowVersion)
    commands = parser.add_subparsers(title='commands', metavar='COMMAND', required=True)
    _add_schedules(commands)
    if command not in SCHEDULES:
        _add_others(commands)
    return parser


def _add_schedules(commands: Any) -> None:
    from cronsched.cli.explain import add_explain, add_next

    add_next(commands)
    add_explain(commands)


def _add_others(commands: Any) -> None:
    from cronsched.cli.check import add_check
    from cronsched.cli.status import add_commands

    add_check(commands)
    add_commands(commands)
