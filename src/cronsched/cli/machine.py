"""The command `machine`: what an operator knows of a machine.

Example::

    $ cronsched machine forget web1
    web1 is given up: 3 processes, which fired 5121 application ids.
    lost: cleanup of org/zug, scheduled 2026-11-24 14:42:00
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from cronsched.base.text import printable
from cronsched.cli.access import add_ledger_options, opened
from cronsched.cli.runs import write_json
from cronsched.cli.terminal import Terminal
from cronsched.cli.times import clock_text, took_text
from cronsched.errors import CronError
from cronsched.ledger import Member, Run
from cronsched.ledger.process import Process

__all__ = ['add_arguments', 'run']

DESCRIPTION = """\
`forget` says that a machine will never be back: what it executes is recorded
as lost, and not waited for any longer, and the others have its application ids
at once. They find out by themselves when nothing was heard of it for a minute;
what only executes there, and never fires, counts until its timeout. A machine
that was heard lately is not given up."""
EXAMPLES = ('cronsched machine forget web1', 'cronsched machine forget web1 --json')
STATUSES = (('2', 'there is no such machine, it lives, or there is one machine only'),)

#: Who was heard so many seconds ago may be heard again.
LATELY: Final = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('action', choices=('forget',), help='what to do')
    parser.add_argument('machine', metavar='NAME',
                        help='as `cronsched machines` shows it, or its machine id')
    add_ledger_options(parser)


def run(arguments: argparse.Namespace) -> None:
    with opened(arguments, looks=False) as ledger:
        members = _members_of(arguments.machine, ledger.members())
        _check_gone(arguments.machine, members)
        lost = ledger.give_up([each.id for each in members])
    if arguments.json:
        return write_json({'members': [each.id for each in members],
                           'lost': [each._asdict() for each in lost]})
    _tell(arguments.machine, members, lost)


def _members_of(name: str, members: Sequence[Member]) -> list[Member]:
    found = [each for each in members if name in (each.host, each.machine)]
    machines = sorted({each.machine for each in found})
    if len(machines) > 1:
        raise CronError(f'{len(machines)} machines are called {name!r}: name one by its id, '
                        f'{" or ".join(machines)}')
    if not found:
        names = sorted({each.host for each in members})
        raise CronError(f'no machine is called {name!r}'
                        + (f'; there is {", ".join(names)}' if names else ''))
    return found


def _check_gone(name: str, members: Collection[Member]) -> None:
    here = Process.current()
    if any((each.machine, each.host) == (here.machine, here.host) for each in members):
        raise CronError(f'{name} is this machine, which looks for its processes itself')
    heard = [each.silent for each in members if each.silent is not None and each.alive]
    if heard and min(heard) < LATELY:
        raise CronError(f'{name} was heard {took_text(min(heard))} ago: it is not gone')


def _tell(name: str, members: Sequence[Member], lost: Collection[Run]) -> None:
    seats = sum(each.seats for each in members)
    terminal, zone, now = Terminal(sys.stdout), datetime.now().astimezone().tzinfo, time.time()
    assert zone
    terminal.write(f'{printable(name)} is given up: {_counted(len(members), "process")}, '
                   f'which fired {_counted(seats, "application id")}.')
    for each in lost:
        terminal.write(f'lost: {printable(each.job)} of {printable(each.application_id)}, '
                       f'scheduled {clock_text(each.scheduled, zone, now)}')


def _counted(count: int, what: str) -> str:
    return f'{count} {what}{"es" if what.endswith("s") else "s"}' if count != 1 else f'1 {what}'
