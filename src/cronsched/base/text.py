r"""Text that somebody else wrote, as one line that is safe to show.

Example::

    log.warning('refused to run %s', printable(name))
    printable('\x1b]0;title\x07evil')       # '\\x1b]0;title\\x07evil'

A name comes from a visitor's path, a detail from what a view raised or
another server answered. In a log or a terminal, a line feed would begin a
line that looks like ours, and an escape sequence would be obeyed.
"""

from __future__ import annotations

__all__ = ['MOST_SHOWN', 'printable', 'printable_lines']

#: Characters of one text in a line of the log.
MOST_SHOWN = 200


def printable(text: str, most: int = MOST_SHOWN) -> str:
    """`text` in at most `most` characters of one line: what no one could see
    is escaped as in Python's literals, and what is too long is cut."""
    if len(text) <= most and text.isprintable():
        return text
    # What is escaped may become longer, so it is cut before and after.
    escaped = ''.join(map(_visible, text[: most + 1]))
    return escaped if len(escaped) <= most else f'{escaped[: most - 3]}...'


def printable_lines(text: str) -> str:
    """A message of ours, of any length and with its lines. What cannot be seen
    becomes one question mark each, so that a caret below still points at it."""
    return ''.join(
        letter if letter.isprintable() or letter == '\n' else '?' for letter in text
    )


def _visible(letter: str) -> str:
    return letter if letter.isprintable() else letter.encode('unicode_escape').decode('ascii')
