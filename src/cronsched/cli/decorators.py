"""The decorators of jobs in a Python file.

Example::

    for written in in_python(text, 'shop.py'):
        written.schedule()   # raises a CronError with what is wrong

Read are `cronjob` and `cron.job`, where `cron` is a `Cron(...)` of the module,
or named so. Nothing is executed: only literals count, and constants of the
module.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from cronsched.base.text import printable
from cronsched.cli.written import ODD, Written, reason_of
from cronsched.errors import ConfigurationError
from cronsched.schedule import FIELDS

__all__ = ['in_python']

# ZoneInfo('Europe/Zurich'), pytz.timezone('Europe/Zurich')
ZONE_MAKERS = ('ZoneInfo', 'timezone')

SCHEDULE_ARGUMENTS = ('expression', 'timezone', 'name', *FIELDS)


def in_python(text: str, name: str, timezone: str = 'UTC') -> Iterator[Written]:
    """Raises `ConfigurationError` when it is not Python."""
    try:
        tree = ast.parse(text, name)
    except (SyntaxError, *ODD) as error:
        raise ConfigurationError(f'{name} is not Python: {reason_of(error)}') from error
    try:
        yield from _decorated_in(tree, name, timezone)
    except ODD as error:
        raise ConfigurationError(f'{name} cannot be read: {reason_of(error)}') from error


def _decorated_in(tree: ast.Module, name: str, timezone: str) -> Iterator[Written]:
    constants = dict(_constants(tree))
    crons = dict(_crons(tree, constants))
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and _is_ours(decorator.func, crons):
                place = f'{name}:{decorator.lineno}'
                zone = crons.get(_name_of(getattr(decorator.func, 'value', decorator))) or timezone
                yield _decorated(decorator, place, constants, zone, node.name)


def _constants(tree: ast.Module) -> Iterator[tuple[str, Any]]:
    """`ZONE = 'Europe/Zurich'` at the top of the module."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                yield node.targets[0].id, ast.literal_eval(node.value)
            except ODD:
                continue


def _crons(tree: ast.Module, constants: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
    """`jobs = Cron('shop', timezone='UTC')`: the name, and the zone of its jobs."""
    for node in ast.walk(tree):
        made = node.value if isinstance(node, ast.Assign) else None
        if isinstance(made, ast.Call) and _name_of(made.func) == 'Cron':
            zones = [word.value for word in made.keywords if word.arg == 'timezone']
            for target in node.targets:  # type: ignore[attr-defined]
                yield _name_of(target), _zone_of(zones, constants)


def _zone_of(zones: list[ast.expr], constants: dict[str, Any]) -> str | None:
    try:
        return str(_value(zones[0], constants)) if zones else None
    except ODD:
        return None


def _decorated(
    call: ast.Call, place: str, constants: dict[str, Any], timezone: str, function: str
) -> Written:
    nodes = {word.arg: word.value for word in call.keywords if word.arg}
    if call.args:
        nodes['expression'] = call.args[0]
    given: dict[str, Any] = {}
    for name in SCHEDULE_ARGUMENTS:
        if name in nodes:
            try:
                given[name] = _value(nodes[name], constants)
            except ODD:
                return Written(place, unread=f'{name}={_text_of(nodes[name])} is not a literal')
    return Written(
        place,
        given.get('expression'),
        {field: given[field] for field in FIELDS if field in given},
        given.get('timezone') or timezone,
        str(given.get('name') or function),
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


def _is_ours(function: ast.expr, crons: dict[str, str | None]) -> bool:
    """`@cronjob`, `@App.cronjob`, and `@cron.job` of something made or named so."""
    name = _name_of(function)
    if name == 'job' and isinstance(function, ast.Attribute):
        owner = _name_of(function.value)
        return owner in crons or owner.lower().endswith('cron')
    return name == 'cronjob'


def _name_of(function: ast.expr) -> str:
    """`cronjob` for `cronjob`, `App.cronjob` and `app.App.cronjob`."""
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ''
