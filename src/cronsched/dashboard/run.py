"""One run: what became of it, as a sentence and as a line of instants."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from string import Formatter
from typing import Any, Final
from urllib.parse import quote

from cronsched._cronsched import run_id
from cronsched.dashboard.messages import Unreadable
from cronsched.dashboard.view import Page, View, timezone_of
from cronsched.errors import ConfigurationError
from cronsched.ledger import KnownJob, Row, Run
from cronsched.report.overview import executing_data
from cronsched.report.reasons import explain, schedule_of

__all__ = ['check_links', 'page']

# What nobody takes for so long is forgotten, seconds.
REQUEST_LIFETIME: Final = 600

FIELDS: Final = (
    'run_id', 'job', 'application_id', 'scheduled', 'started', 'ended', 'host', 'pid',
)


def page(view: View) -> Page:
    known = view.job()
    at = view.instant('at', timezone_of(known))
    if at is None:
        raise Unreadable('the address names no time: write at=..., UTC seconds')
    row = view.ledger.find(Run(known.application_id, known.job, at))
    executing = [
        each for each in view.ledger.executing(known.application_id)
        if each.run == Run(known.application_id, known.job, at)
    ]
    answer = explain(
        view.ledger, known, at, now=view.now, details=view.rights.may_operate)
    schedule = schedule_of(known)
    asked = row is None and bool(view.request.value('asked'))
    return Page('run.html', {
        'application_id': known.application_id, 'job': known.job, 'scheduled': at,
        'id': run_id(known.application_id, known.job, at),
        'timezone': timezone_of(known), 'state': row.state if row else 'asked' if asked else None,
        'sentence': _waiting(at, view.now) if asked else answer.sentence,
        'run': None if row is None else view.run_data(row),
        'instants': list(_instants(known, at, row)),
        'executing': [executing_data(each, view.now) for each in executing],
        'before': None if schedule is None else schedule.previous_epoch(at),
        'after': None if schedule is None else schedule.next_epoch(at),
        'links': _links(view, known, at, row),
    })


def _waiting(at: int, now: float) -> str:
    """Of a run that was asked for by hand, and has no row yet."""
    if now - at < REQUEST_LIFETIME:
        return 'It is asked for: whoever calls the jobs of the application takes it in a moment.'
    return 'It was asked for, and nobody took it within ten minutes: nothing calls the jobs now.'


def _instants(known: KnownJob, at: int, row: Row | None) -> Iterator[dict[str, Any]]:
    """In order, with the seconds since the one before."""
    named = [('scheduled', float(at)), ('due', at + known.offset)]
    if row is not None:
        if row.until is not None:
            named.append(('the last of those missed', row.until))
        attempt = f'attempt {row.attempt} ' if row.attempt > 1 else ''
        named += [(name, instant) for name, instant in (
            (f'{attempt}started', row.started), ('its sender gave up', row.gave_up),
            (f'{attempt}ended' if row.started else 'recorded', row.ended),
            (f'attempt {row.attempt + 1} is due', row.next_attempt),
        ) if instant is not None]
    before = None
    for name, instant in sorted(named, key=lambda each: each[1]):
        yield {
            'what': name, 'at': instant, 'after': None if before is None else instant - before,
        }
        before = instant


def check_links(links: Mapping[str, str]) -> Mapping[str, str]:
    """Raises `ConfigurationError` for a template with a
    field that no run has, or that leads to no page."""
    for name, template in links.items():
        fields = [field for _, field, _, _ in Formatter().parse(template) if field is not None]
        unknown = [field for field in fields if field not in FIELDS]
        if unknown:
            raise ConfigurationError(
                f'links[{name!r}] names {unknown[0]!r}: there are {", ".join(FIELDS)}')
        if not template.startswith(('https://', 'http://')):
            raise ConfigurationError(f"links[{name!r}] = {template!r}: write 'https://...'")
    return links


def _links(
    view: View, known: KnownJob, at: int, row: Row | None,
) -> list[dict[str, str]]:
    """Into logs and traces, as the application has given them."""
    values = {
        'run_id': run_id(known.application_id, known.job, at), 'job': known.job,
        'application_id': known.application_id, 'scheduled': at,
        'started': row and row.started, 'ended': row and row.ended,
        'host': row and row.host, 'pid': row and row.pid,
    }
    quoted = {
        name: quote('' if value is None else str(value), safe='')
        for name, value in values.items()
    }
    return [
        {'name': name, 'url': template.format_map(quoted)}
        for name, template in view.links.items()
    ]
