"""The command `pause`: skip the runs of a job until `resume`.

Example::

    $ cronsched pause cleanup --note 'new server'
    cleanup is paused for all application ids: new server
"""

from __future__ import annotations

import argparse
import sys
import time

from cronsched.base.text import printable
from cronsched.cli.access import add_job, add_ledger_options, jobs_of, opened
from cronsched.cli.runs import write_json
from cronsched.cli.terminal import Terminal
from cronsched.ledger import Ledger

__all__ = ['add_arguments', 'run', 'write_pauses']

DESCRIPTION = """\
Skips the runs of a job from now on, for all application ids or those of -a.
They are recorded as skipped_paused. A run that executes already goes on."""
EXAMPLES = (
    'cronsched pause cleanup',
    "cronsched pause cleanup -a org/zug --note 'moving to the new server'",
)
STATUSES = (('2', 'there is no such job, or no ledger'),)
MOST_OF_NOTE = 4096     # characters


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_job(parser)
    parser.add_argument('--note', metavar='TEXT', default='',
                        help='why; shown with each run that is skipped')
    add_ledger_options(parser)


def run(arguments: argparse.Namespace) -> None:
    with opened(arguments, looks=False) as ledger:
        jobs_of(arguments, ledger, arguments.job)
        for application_id in arguments.application or [None]:
            ledger.pause(application_id, arguments.job, note=arguments.note, at=time.time())
        write_pauses(arguments, ledger)


def write_pauses(arguments: argparse.Namespace, ledger: Ledger) -> None:
    """What is paused now of the job."""
    pauses = [
        {'application_id': application_id, 'job': job, 'note': note}
        for (application_id, job), note in ledger.paused().items() if job == arguments.job
    ]
    if arguments.json:
        return write_json(pauses)
    terminal = Terminal(sys.stdout)
    job = terminal.name(arguments.job)
    for pause in pauses:
        owner = pause['application_id']
        whom = 'all application ids' if owner is None else terminal.name(owner)
        note = f': {printable(pause["note"], MOST_OF_NOTE)}' if pause['note'] else ''
        terminal.write_folded(f'{job} is paused for {whom}{note}')
    if not pauses:
        terminal.write_folded(f'{job} is not paused')
