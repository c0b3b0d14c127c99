"""The command `metrics`: figures for Prometheus on standard output.

Example, for the textfile collector of node_exporter::

    cronsched metrics > cronsched.prom.new && mv cronsched.prom.new cronsched.prom
"""

from __future__ import annotations

import argparse
import sys

from cronsched.cli.access import add_ledger_options, opened
from cronsched.errors import CronError

__all__ = ['add_arguments', 'run']

DESCRIPTION = """\
The figures of the ledger in the text format of Prometheus: the same as those of
`cronsched.telemetry.prometheus.Collector`."""
EXAMPLES = (
    'cronsched metrics',
    'cronsched metrics --by-application -a shop',
)
STATUSES = (('2', 'there is no ledger, or prometheus_client is not installed'),)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--by-application', action='store_true',
        help='a series for each application id, and not only for each job')
    add_ledger_options(parser)


def run(arguments: argparse.Namespace) -> int:
    try:
        from prometheus_client import CollectorRegistry, generate_latest

        from cronsched.telemetry.prometheus import Collector
    except ImportError as error:
        raise CronError(
            "prometheus_client is not installed: pip install 'cronsched[prometheus]'"
        ) from error
    with opened(arguments, looks=True) as ledger:
        registry = CollectorRegistry()
        registry.register(Collector(
            ledger, by_application=arguments.by_application,
            application_ids=arguments.application))
        sys.stdout.write(generate_latest(registry).decode())
    return 0
