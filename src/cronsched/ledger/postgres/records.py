"""What a PostgreSQL ledger knows besides runs, as values and as columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from cronsched.ledger.known import Declared, KnownJob, Plan, known_plan

__all__ = ['KNOWN', 'composite', 'declaration', 'known_job', 'storable']

KNOWN: Final = (
    'j.application_id, j.job, j.since, j.newest, j.last_ok, j.expression, j.timezone, j.seed, '
    'j.planned, j.declared, j.delay, j.options, j.place, j.words')


def known_job(row: tuple[Any, ...]) -> KnownJob:
    """From the columns KNOWN."""
    return KnownJob._make((*row[:5], known_plan(*row[5:8]), *row[8:]))


def storable(text: str | None) -> str | None:
    """A text of somebody's error, without what PostgreSQL cannot keep."""
    if text is None:
        return None
    return text.replace('\0', '\ufffd').encode('utf-8', 'replace').decode('utf-8')


def composite(fields: Iterable[str | float | None]) -> str:
    """A row as text (PostgreSQL, "Composite Type Input and Output Syntax"): the
    server makes one value of it faster than of as many parameters."""
    return f'({",".join(map(_field, fields))})'


def _field(value: str | float | None) -> str:
    if value is None:
        return ''
    if isinstance(value, str):
        return '"' + value.replace('\\', r'\\').replace('"', '""') + '"'
    return repr(value)


def declaration(name: str, said: Plan | Declared | None) -> list[Any]:
    """A job as `declare_v1` takes it."""
    declared = Declared(said) if isinstance(said, Plan) else said
    if declared is None or declared.plan is None:
        return [name, None, None, None, 0.0, None, None, None]
    plan = declared.plan
    return [name, plan.expression, plan.timezone, plan.seed, declared.offset, declared.options,
            declared.place, declared.words]
