"""How the parsers of all commands look, and the text behind their options.

Example::

    parser = argparse.ArgumentParser(formatter_class=HelpFormatter, ...)
    epilog(['cronsched status'], [('0', 'all is well')])
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from cronsched.cli.terminal import screen_width

TYPE_CHECKING = False    # as in typing, which is slow to load
if TYPE_CHECKING:
    from typing import Any

__all__ = ['HelpFormatter', 'epilog']

USUAL_WIDTH = 80


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of descriptions and examples. The width is given here,
    as argparse would load slow modules to find it."""

    def __init__(self, prog: str, **options: Any) -> None:
        options.setdefault('width', (screen_width(sys.stdout) or USUAL_WIDTH) - 2)
        super().__init__(prog, **options)


def epilog(examples: Sequence[str], statuses: Sequence[tuple[str, str]] = ()) -> str:
    """The end of a help text: examples, and what the exit status means."""
    lines = ['examples:', *(f'  {example}' for example in examples)]
    if statuses:
        lines += ['', 'exit status:', *(f'  {status:<3}  {text}' for status, text in statuses)]
    return '\n'.join(lines)
