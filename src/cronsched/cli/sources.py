"""Where expressions are written: crontabs, and decorators in Python files.

Example::

    for written in read('crontab'):
        written.schedule()   # raises a CronError with what is wrong

A crontab's lines are an expression and, maybe, a command. What follows
`CRON_TZ=` or `TZ=` is in that time zone. In a Python file, the decorators
named `cronjob` are read and nothing is executed: only literals count, and
constants of the module.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cronsched.errors import ConfigurationError
from cronsched.schedule import FIELDS, Schedule, expression_of

__all__ = ['Written', 'in_crontab', 'in_python', 'read']

SETTING = re.compile(r'\s*([A-Za-z_]\w*)\s*=\s*(.*?)\s*$')
ZONE_SETTINGS = ('CRON_TZ', 'TZ')

# What a sixth or seventh field can look like; a command begins otherwise.
NAME = 'SUN|MON|TUE|WED|THU|FRI|SAT'
FIELD = re.compile(rf'(?!/)(?:(?:[A-Z]{{3}}|[LWH0-9*?,#+/()-])+|(?i:(?:{NAME}|[-,#+L0-9])+))')
FEWEST, MOST = 5, 7

# ZoneInfo('Europe/Zurich'), pytz.timezone('Europe/Zurich')
ZONE_MAKERS = ('ZoneInfo', 'timezone')

SCHEDULE_ARGUMENTS = ('expression', 'timezone', 'name', *FIELDS)


@dataclass(frozen=True, slots=True)
class Written:
    """An expression and its place. `unread` says why it is not looked at."""

    place: str
    expression: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    timezone: str = 'UTC'
    seed: str = 'check'
    unread: str | None = None

    def schedule(self) -> Schedule:
        """Raises a `CronError` when it is wrong."""
        expression = self.expression
        if expression is None:
            expression = expression_of(**self.fields)
        return Schedule(expression, self.timezone, seed=self.seed)


def read(path: Path, timezone: str = 'UTC') -> Iterator[Written]:
    """What is written in that file. Raises `ConfigurationError` when it cannot
    be read."""
    try:
        text = path.read_text('utf-8-sig')
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(f'{path} cannot be read: {_reason(error)}') from error
    if path.suffix in ('.py', '.pyi'):
        yield from in_python(text, str(path), timezone)
    else:
        yield from in_crontab(text, str(path), timezone)


def in_crontab(text: str, name: str, timezone: str = 'UTC') -> Iterator[Written]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith('#'):
            continue
        setting = SETTING.match(line)
        if setting is None:
            yield Written(f'{name}:{number}', _expression_in(line), timezone=timezone)
        elif setting[1] in ZONE_SETTINGS:
            timezone = setting[2].strip('\'"') or 'UTC'


def _expression_in(line: str) -> str:
    """The fields at the start of a line, without the command."""
    words = line.split()
    if words[0].startswith('@'):
        return words[0]
    count = min(FEWEST, len(words))
    while count < min(MOST, len(words)) and FIELD.fullmatch(words[count]):
        count += 1
    return ' '.join(words[:count])


def in_python(text: str, name: str, timezone: str = 'UTC') -> Iterator[Written]:
    """Raises `ConfigurationError` when it is not Python."""
    try:
        tree = ast.parse(text, name)
    except (SyntaxError, ValueError) as error:
        raise ConfigurationError(f'{name} is not Python: {error}') from error
    constants = dict(_constants(tree))
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and _name_of(decorator.func) == 'cronjob':
                place = f'{name}:{decorator.lineno}'
                yield _decorated(decorator, place, constants, timezone, node.name)


def _constants(tree: ast.Module) -> Iterator[tuple[str, Any]]:
    """`ZONE = 'Europe/Zurich'` at the top of the module."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                yield node.targets[0].id, ast.literal_eval(node.value)
            except ValueError:
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
            except ValueError:
                return Written(place, unread=f'{name}={ast.unparse(nodes[name])} is not a literal')
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


def _name_of(function: ast.expr) -> str:
    """`cronjob` for `cronjob`, `App.cronjob` and `app.App.cronjob`."""
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ''


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
