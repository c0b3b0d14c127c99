"""Which cronsched this is, and whose libcurl it calls with.

Example::

    $ cronsched --version
    cronsched 0.1.0
    libcurl/8.14.1 OpenSSL/3.5.7
    in this wheel: curl 8.14.1-2+deb13u5, openssl 3.5.7-1~deb13u2

The last line is there where libcurl came with cronsched: a fault in either of the two is then
fixed by a newer cronsched, else by the system's packages.
"""

from __future__ import annotations

import argparse
import sys

from cronsched._cronsched import libraries
from cronsched._version import __version__

TYPE_CHECKING = False    # as in typing, which is slow to load
if TYPE_CHECKING:
    from importlib.metadata import Distribution
    from typing import Any

__all__ = ['ShowVersion', 'version_lines']


class ShowVersion(argparse.Action):
    """`--version`; what it prints is looked up only then."""

    def __init__(self, option_strings: list[str], dest: str, **keywords: Any) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help='show versions and exit')

    def __call__(self, parser: argparse.ArgumentParser, *rest: object) -> None:
        sys.stdout.write('\n'.join([*version_lines(_this_distribution()), '']))
        parser.exit()


def version_lines(distribution: Distribution | None) -> list[str]:
    import json  # each command would wait for it
    from textwrap import fill

    lines = [f'cronsched {__version__}', fill(libraries(), 79, subsequent_indent='  ')]
    bill = distribution.read_text('sboms/cronsched.cdx.json') if distribution else None
    if bill:
        parts = json.loads(bill)['components']
        lines.append(
            'in this wheel: ' + ', '.join(f'{part["name"]} {part["version"]}' for part in parts)
        )
    return lines


def _this_distribution() -> Distribution | None:
    from importlib.metadata import Distribution, PackageNotFoundError

    try:
        return Distribution.from_name('cronsched')
    except PackageNotFoundError:
        return None
