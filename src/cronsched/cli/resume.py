"""The command `resume`: end the pause of a job.

Example::

    $ cronsched resume cleanup
    cleanup is not paused
"""

from __future__ import annotations

import argparse

from cronsched.cli.access import add_job, add_ledger_options, opened
from cronsched.cli.pause import write_pauses
from cronsched.errors import CronError

__all__ = ['add_arguments', 'run']

DESCRIPTION = """\
Ends the pause of a job: the one for all application ids, or those of -a. What
was skipped is not made up for; `cronsched run` runs the job now."""
EXAMPLES = ('cronsched resume cleanup', 'cronsched resume cleanup -a org/zug')
STATUSES = (('2', 'the job is not paused for these application ids, or there is no ledger'),)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_job(parser)
    add_ledger_options(parser)


def run(arguments: argparse.Namespace) -> None:
    with opened(arguments, looks=False) as ledger:
        paused = [each for each, job in ledger.paused() if job == arguments.job]
        for application_id in arguments.application or [None]:
            if application_id not in paused:
                raise CronError(_not_paused(arguments.job, application_id, paused))
            ledger.resume(application_id, arguments.job)
        write_pauses(arguments, ledger)


def _not_paused(job: str, application_id: str | None, paused: list[str | None]) -> str:
    whom = 'all application ids' if application_id is None else application_id
    ways = ['without -a' if each is None else f'with -a {each}' for each in paused]
    return f'{job} is not paused for {whom}' + (f': resume it {" or ".join(ways)}' if ways else '')
