"""The command `machines`: who fires calls and executes runs, and where.

Example::

    $ cronsched machines
    MACHINE  PROCESS  MEMBER  SEATS  EPOCH  LAST BEAT  CLOCK    STATE
    web1     1203     41      5121   7      0.4 s ago  +0.02 s  lives
    web2     880      43      4879   9      0.2 s ago  -0.01 s  lives
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from typing import Final

from cronsched.base.text import printable
from cronsched.cli.access import add_ledger_options, add_wide, opened
from cronsched.cli.runs import write_json
from cronsched.cli.terminal import Column, Terminal
from cronsched.cli.times import took_text
from cronsched.ledger import Member

__all__ = ['add_arguments', 'run']

DESCRIPTION = """\
The processes that share the ledger: how many application ids each fires (its
seats), the newest of its terms of office (epoch), when it was last heard, and
by how much its clock is off from that of the database. Where one machine has
the ledger, its processes, which need not beat."""
EXAMPLES = ('cronsched machines', 'cronsched machines --all', 'cronsched machines --json')
STATUSES = (('2', 'there is no ledger'),)

COLUMNS: Final = (
    Column('MACHINE', 8), Column('PROCESS'), Column('MEMBER', optional=True), Column('SEATS'),
    Column('EPOCH', optional=True), Column('LAST BEAT'), Column('CLOCK', optional=True),
    Column('STATE'),
)
# Seconds; a clock that is further off is shown as a warning, or as an error.
TOLD_OFFSET: Final = 1.0
MOST_OFFSET: Final = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--all', action='store_true', help='those that are gone, too')
    add_wide(parser)
    add_ledger_options(parser)


def run(arguments: argparse.Namespace) -> None:
    with opened(arguments, looks=True) as ledger:
        found = [each for each in ledger.members() if arguments.all or each.alive is not False]
    if arguments.json:
        return write_json([asdict(each) for each in found])
    terminal = Terminal(sys.stdout, wide=arguments.wide)
    rows = [_row(each, terminal) for each in sorted(found, key=_key)]
    for line in terminal.table(COLUMNS, rows):
        terminal.write(line)


def _key(member: Member) -> tuple[str, int]:
    return member.host, member.id


def _row(member: Member, terminal: Terminal) -> list[str]:
    beat = '-' if member.silent is None else f'{took_text(max(member.silent, 0.0))} ago'
    return [
        printable(member.host or member.machine), str(member.pid), str(member.id),
        str(member.seats), str(member.epoch or '-'), beat, _clock(member.offset, terminal),
        _state(member.alive, terminal),
    ]


def _clock(offset: float | None, terminal: Terminal) -> str:
    if offset is None:
        return '-'
    text = f'{offset:+.2f} s'
    if abs(offset) > MOST_OFFSET:
        return terminal.bad(text)
    return terminal.warning(text) if abs(offset) > TOLD_OFFSET else text


def _state(alive: bool | None, terminal: Terminal) -> str:
    if alive is None:
        return 'not known'
    return terminal.good('lives') if alive else terminal.bad('gone')
