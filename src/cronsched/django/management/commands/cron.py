"""`manage.py cron`: the command `cronsched`, for this project.

Example::

    manage.py cron status
    manage.py cron history send_invoices --at '2026-11-23 08:00'
    manage.py cron run send_invoices
    manage.py cron check

It knows the application id, the state directory and the time zone.
"""

from __future__ import annotations

import argparse
import inspect
import os
import sys
from contextlib import redirect_stdout
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from cronsched.cli import check, main
from cronsched.cli.commands import LEDGER_COMMANDS, add_commands
from cronsched.django.conf import PREFIX, configuration
from cronsched.django.host import HOST
from cronsched.django.jobs import JOBS
from cronsched.errors import CronError

__all__ = ['Command']


class Command(BaseCommand):  # type: ignore[misc]
    help = 'The runs of the jobs: what ran, what did not and why, run one now.'
    requires_system_checks: tuple[str, ...] = ()

    def add_arguments(self, parser: CommandParser) -> None:
        commands = parser.add_subparsers(title='commands', metavar='COMMAND', required=True)
        add_commands(commands, LEDGER_COMMANDS)
        _add_check(commands)
        for each in commands.choices.values():
            _add_base_arguments(each)

    def handle(self, *args: Any, **options: Any) -> None:
        if options['no_color']:
            os.environ['NO_COLOR'] = '1'
        chosen = argparse.Namespace(**_with_defaults(options))
        try:
            with redirect_stdout(self.stdout._out):
                found = chosen.run(chosen)
        except CronError as error:
            raise CommandError(str(error)) from error
        if found:
            sys.exit(found)


def _with_defaults(options: dict[str, Any]) -> dict[str, Any]:
    """What the project knows; in place of Django's own `--settings`."""
    options['settings'] = configuration().settings
    options['application'] = options.get('application') or [HOST.application_id]
    if options.get('prefix') == PREFIX:
        options['prefix'] = configuration().prefix
    return options


def _add_check(commands: Any) -> None:
    parser = commands.add_parser('check', help='look at the expressions of the jobs, or of files')
    parser.add_argument('sources', nargs='*', metavar='FILE-OR-EXPRESSION',
                        help="default: the project's jobs")
    check.add_options(parser)
    parser.set_defaults(run=_check, tz=None)


def _check(options: argparse.Namespace) -> int:
    flags = [f'--{name}' for name in ('strict', 'quiet', 'json') if getattr(options, name)]
    zone = options.tz or str(configuration().timezone)
    sources = options.sources or sorted({_file_of(job.function) for job in JOBS.values()})
    if not sources:
        raise CronError('there are no jobs: write one in cron.py of an application')
    return main(['check', '--tz', zone, *flags, '--', *sources])


def _file_of(function: Any) -> str:
    return str(inspect.unwrap(function).__code__.co_filename)


def _add_base_arguments(parser: argparse.ArgumentParser) -> None:
    """Django's own, which may stand behind the command as well."""
    taken = {flag for action in parser._actions for flag in action.option_strings}
    given: dict[str, Any] = {'default': argparse.SUPPRESS, 'help': argparse.SUPPRESS}
    if '-v' not in taken:
        parser.add_argument('-v', '--verbosity', type=int, choices=range(4), **given)
    for name in ('--settings', '--pythonpath'):
        parser.add_argument(name, **given)
    for name in ('--traceback', '--no-color', '--force-color'):
        parser.add_argument(name, action='store_true', **given)
