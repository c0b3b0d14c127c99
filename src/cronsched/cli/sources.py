"""Where expressions are written: crontabs, and decorators in Python files.

Example::

    for written in read('crontab'):
        written.schedule()   # raises a CronError with what is wrong

A crontab's lines are an expression and, maybe, a command. What follows
`CRON_TZ=` or `TZ=` is in that time zone: the lines below, or the expression on
the same line. In a Python file, the decorators `cronjob`
and `cron.job` are read and nothing is executed: only literals count, and constants of the module.

The files are anybody's: what is read has a bound, each pattern is linear.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from cronsched.base.text import printable
from cronsched.errors import ConfigurationError, CronError, ZoneError
from cronsched.schedule import FIELDS, Schedule, expression_of
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

# ZoneInfo('Europe/Zurich'), pytz.timezone('Europe/Zurich')
ZONE_MAKERS = ('ZoneInfo', 'timezone')

SCHEDULE_ARGUMENTS = ('expression', 'timezone', 'name', *FIELDS)

# What reading a source of others may raise beside what is meant for it:
# nesting without end, a set of lists, a number of a million digits.
ODD = (RecursionError, MemoryError, TypeError, ValueError, ArithmeticError)


@dataclass(frozen=True, slots=True)
class Written:
    """An expression and its place. `unread` says why it is not looked at,
    `error` what is wrong at the place itself."""

    place: str
    expression: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    timezone: str = 'UTC'
    seed: str = 'check'
    unread: str | None = None
    error: CronError | None = None

    def schedule(self) -> Schedule:
        """Raises a `CronError` when it is wrong."""
        if self.error is not None:
            raise self.error
        try:
            expression = self.expression
            if expression is None:
                expression = expression_of(**self.fields)
            return Schedule(expression, self.timezone, seed=self.seed)
        except CronError:
            raise
        except ODD as error:
            raise ConfigurationError(f'cannot be read: {error}') from error


def read(path: Path, timezone: str = 'UTC') -> Iterator[Written]:
    """What is written in that file. Raises `ConfigurationError` when it cannot
    be read."""
    try:
        with path.open(encoding='utf-8-sig') as file:
            text = read_text(file, str(path))
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(f'{path} cannot be read: {_reason(error)}') from error
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


def in_python(text: str, name: str, timezone: str = 'UTC') -> Iterator[Written]:
    """Raises `ConfigurationError` when it is not Python."""
    try:
        tree = ast.parse(text, name)
    except (SyntaxError, *ODD) as error:
        raise ConfigurationError(f'{name} is not Python: {_reason(error)}') from error
    try:
        yield from _decorated_in(tree, name, timezone)
    except ODD as error:
        raise ConfigurationError(f'{name} cannot be read: {_reason(error)}') from error


def _decorated_in(tree: ast.Module, name: str, timezone: str) -> Iterator[Written]:
    constants = dict(_constants(tree))
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and _is_ours(decorator.func):
                place = f'{name}:{decorator.lineno}'
                yield _decorated(decorator, place, constants, timezone, node.name)


def _constants(tree: ast.Module) -> Iterator[tuple[str, Any]]:
    """`ZONE = 'Europe/Zurich'` at the top of the module."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                yield node.targets[0].id, ast.literal_eval(node.value)
            except ODD:
                continue


def _decorated(
    call: ast.Call, place: str, constants: dict[str, Any], timezone: str, function: str
) -> Written:
    nodes = {word.arg: word.value for word in call.keywords if word.arg}
    if call.args:
        nodes['expression'] = call.args[0]
    said: dict[str, Any] = {}
    for name in SCHEDULE_ARGUMENTS:
        if name in nodes:
            try:
                said[name] = _value(nodes[name], constants)
            except ODD:
                return Written(place, unread=f'{name}={_text_of(nodes[name])} is not a literal')
    return Written(
        place,
        said.get('expression'),
        {field: said[field] for field in FIELDS if field in said},
        said.get('timezone') or timezone,
        str(said.get('name') or function),
    )


def _value(node: ast.expr, constants: dict[str, Any]) -> Any:
    if isinstance(node, ast.Name) and node.id in constants:
        return constants[node.id]
    if isinstance(node, ast.Call) and _name_of(node.func) in ZONE_MAKERS and len(node.args) == 1:
        return str(_value(node.args[0], constants))
    return ast.literal_eval(node)


def _text_of(node: ast.expr) -> str:
    try:
        return printable(ast.unparse(node))
    except ODD:
        return '...'


def _is_ours(function: ast.expr) -> bool:
    """`@cronjob`, `@App.cronjob`, and `@cron.job` of something named so."""
    name = _name_of(function)
    if name == 'job' and isinstance(function, ast.Attribute):
        return _name_of(function.value).lower().endswith('cron')
    return name == 'cronjob'


def _name_of(function: ast.expr) -> str:
    """`cronjob` for `cronjob`, `App.cronjob` and `app.App.cronjob`."""
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ''


def _reason(error: Exception) -> str:
    said = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return said or 'it is nested too deeply'
