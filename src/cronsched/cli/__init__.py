"""The command `cronsched`.

Example::

    cronsched next '0 9 * * MON#1' --tz Europe/Zurich -n 5
    cronsched status
    cronsched history cleanup --at '24 Nov 08:00'

The exit status is 0; 2 for errors, which go to standard error; 130 when it was
interrupted, 141 when its output is no longer read. What else a command returns
is in its help. A module for each command is listed in `commands`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from io import TextIOWrapper

from cronsched.cli.commands import parse
from cronsched.cli.terminal import Terminal, close_after_broken_pipe
from cronsched.errors import CronError

TYPE_CHECKING = False    # as in typing, which is slow to load
if TYPE_CHECKING:
    from cronsched.jobs.settings import Settings

__all__ = ['main']

ERROR = 2
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None, settings: Settings | None = None) -> int:
    """Run one command; its exit status. `settings`: of the application whose
    ledger is meant where none is named."""
    if isinstance(sys.stdout, TextIOWrapper):
        # A file name is never a reason to fail.
        sys.stdout.reconfigure(errors='backslashreplace')
    try:
        options = parse(sys.argv[1:] if arguments is None else arguments)
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
    from cronsched.base.text import printable_lines

    terminal = Terminal(sys.stderr)
    terminal.write(f'cronsched: {terminal.bad("error:")} {printable_lines(str(error))}')
