"""Where expressions are written: crontabs, and decorators in Python files.

Example::

    for written in read('crontab'):
        written.schedule()   # raises a CronError with what is wrong

A crontab's lines are an expression and, maybe, a command. What follows
`CRON_TZ=` or `TZ=` is in that time zone: the lines below, or the expression on
the same line. Of a Python file, the decorators are read; see `decorators`.

The files are not trusted: what is read is bounded, and each pattern is linear.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from cronsched.cli.decorators import in_python
from cronsched.cli.written import Written, reason_of
from cronsched.errors import ConfigurationError, ZoneError
from cronsched.schedule.zones import resolve

__all__ = ['Written', 'in_crontab', 'in_python', 'read', 'read_text']

#: Of one source. The largest crontab or Python file that we know is smaller.
MOST_BYTES: Final = 4 << 20

SETTING = re.compile(r'\s*([A-Za-z_][A-Za-z_0-9]*)\s*=')
ZONE_SETTINGS = ('CRON_TZ', 'TZ')

# What a sixth or seventh field can look like; a command begins otherwise.
FIELD = re.compile(r'(?!/)[A-Z0-9*?,#+/()-]{1,100}|[A-Za-z0-9,#+-]{1,100}')
LETTERS = re.compile('[A-Za-z]+')
WORDS = re.compile('(?:[A-Z]{3}|[LWH])+|(?i:SUN|MON|TUE|WED|THU|FRI|SAT|L)+')
MOST_LETTERS = 12    # LW, or a word with its neighbours; WORDS is not linear
FEWEST, MOST = 5, 7


def read(path: Path, timezone: str = 'UTC') -> Iterator[Written]:
    """What is written in that file. Raises `ConfigurationError` when it cannot
    be read."""
    try:
        with path.open(encoding='utf-8-sig') as file:
            text = read_text(file, str(path))
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(f'{path} cannot be read: {reason_of(error)}') from error
    if path.suffix in ('.py', '.pyi'):
        yield from in_python(text, str(path), timezone)
    else:
        yield from in_crontab(text, str(path), timezone)


def read_text(file: IO[str], name: str) -> str:
    """All of it, if it is no more than a crontab can be."""
    text = file.read(MOST_BYTES + 1)
    if len(text) > MOST_BYTES:
        raise ConfigurationError(f'{name} is longer than {MOST_BYTES >> 20} MiB: it is not read')
    return text


def in_crontab(text: str, name: str, timezone: str = 'UTC') -> Iterator[Written]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith('#'):
            continue
        place = f'{name}:{number}'
        setting = SETTING.match(line)
        if setting is None:
            yield Written(place, _expression_in(line), timezone=timezone)
        elif setting[1] in ZONE_SETTINGS:
            zone, _, rest = line[setting.end():].strip().partition(' ')
            zone = zone.strip('\'"') or 'UTC'
            error = _problem_of(zone)
            if error is not None:
                yield Written(place, error=error)
            elif rest.strip():
                yield Written(place, _expression_in(rest), timezone=zone)
            else:
                timezone = zone


def _problem_of(zone: str) -> ZoneError | None:
    try:
        resolve(zone)
    except ZoneError as error:
        return error
    return None


def _expression_in(line: str) -> str:
    """The fields at the start of a line, without the command."""
    words = line.split(maxsplit=MOST)[:MOST]
    if words[0].startswith('@'):
        return words[0]
    count = min(FEWEST, len(words))
    while count < len(words) and _is_field(words[count]):
        count += 1
    return ' '.join(words[:count])


def _is_field(word: str) -> bool:
    return FIELD.fullmatch(word) is not None and all(
        len(letters) <= MOST_LETTERS and WORDS.fullmatch(letters)
        for letters in LETTERS.findall(word)
    )
