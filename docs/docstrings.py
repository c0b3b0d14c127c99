"""The docstrings of the package as Sphinx reads them.

They are plain text for whoever opens the module or asks `help()`; a line
`name: what it is`, with what belongs to it indented below, is a field::

    timeout: seconds one attempt may take.
    overlap: what happens when a run is due while the last one still executes:
        'skip' it, 'queue' one, or 'allow' both.

A star is a star.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = ['process', 'with_fields']

STAR = re.compile(r'\*(?=[^`]*(?:`[^`]*`[^`]*)*$)')
FIELD = re.compile(r'^([a-z_]+(?:, [a-z_]+)*): (\S.*)$')


def process(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """The handler of `autodoc-process-docstring`."""
    lines[:] = with_fields([with_stars(line) for line in lines])


def with_stars(line: str) -> str:
    """A star outside of code is a star: no docstring has emphasis."""
    return line if line.startswith('    ') else STAR.sub(r'\\*', line)


def with_fields(lines: list[str]) -> list[str]:
    """Each paragraph of fields becomes a list of definitions."""
    found: list[str] = []
    may_begin = True    # not in the middle of a sentence
    for line in lines:
        match = FIELD.match(line) if may_begin else None
        may_begin = not line or match is not None or (may_begin and line.startswith(' '))
        if match:
            # A definition begins after a blank line, whatever was above it.
            found += ['', f'`{match[1].replace(", ", "`, `")}`', f'    {match[2]}']
        else:
            found.append(line)
    return found
