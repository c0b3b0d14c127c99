"""How times, durations and states are told: filters of the templates.

Example::

    ago(-240)        # 'in 4 min'
    lasted(200)      # '3 min 20 s'
    state('lost')    # State('lost', 'lost', 'bad', '?')
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple

from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from cronsched.base.text import printable
from cronsched.schedule import zones

__all__ = ['FILTERS', 'STATES', 'State', 'ago', 'lasted', 'shown', 'state', 'zone_of']

MINUTE, HOUR, DAY = 60, 3600, 86400
MOST_OF_TEXT: Final = 2000
DURATIONS: Final = ('timeout', 'connect_timeout', 'backoff', 'catch_up', 'max_offset')


class State(NamedTuple):
    """A state as it is shown: never by its colour alone."""

    name: str
    word: str
    kind: str     # good, bad, warn, idle or live: a class of the style sheet
    glyph: str


STATES: Final = {
    each.name: each for each in (
        State('ok', 'ok', 'good', '\u25cf'),
        State('failed', 'failed', 'bad', '\u2715'),
        State('timed_out', 'timed out', 'bad', '\u29d6'),
        State('unreachable', 'not reached', 'bad', '\u2298'),
        State('lost', 'lost', 'bad', '?'),
        State('missed', 'missed', 'warn', '\u25cb'),
        State('skipped_overlap', 'skipped, still ran', 'idle', '\u25d0'),
        State('skipped_paused', 'skipped, paused', 'idle', '\u25d1'),
        State('running', 'running', 'live', '\u25b6'),
        State('queued', 'waits', 'live', '\u25b7'),
        State('none', 'no run yet', 'idle', '\u2013'),
        State('gone', 'not in the code', 'idle', '\u2013'),
        State('unrecorded', 'no record', 'warn', '\u25cc'),
        State('planned', 'planned', 'idle', '\u25ab'),
        State('asked', 'asked for', 'live', '\u25b7'),
    )
}


def state(name: str | None) -> State:
    return STATES[name or 'none']


def ago(seconds: float) -> str:
    """How long ago, or how soon."""
    if abs(seconds) < 1:
        return 'now'
    size = _rough(abs(seconds))
    return f'{size} ago' if seconds > 0 else f'in {size}'


def _rough(seconds: float) -> str:
    for unit, name in ((DAY, 'd'), (HOUR, 'h'), (MINUTE, 'min')):
        if seconds >= unit * (2 if unit == DAY else 1):
            return f'{seconds / unit:.0f} {name}'
    return f'{seconds:.0f} s'


def lasted(seconds: float | None) -> str:
    """A duration, to the precision that anybody needs."""
    if seconds is None:
        return '\u2013'
    if seconds < 1:
        return f'{seconds * 1000:.0f} ms'
    if seconds < 10:
        return f'{seconds:.1f} s'
    whole = round(seconds)
    if whole < MINUTE:
        return f'{whole} s'
    if whole < HOUR:
        return f'{whole // MINUTE} min {whole % MINUTE:02} s'
    return f'{whole // HOUR} h {whole % HOUR // MINUTE:02} min'


def shown(text: object) -> str:
    """A name or a detail that somebody else wrote: what cannot be seen is
    escaped, and what is too long is cut. The template escapes the rest."""
    return '\n'.join(
        printable(line, MOST_OF_TEXT) for line in str(text)[:MOST_OF_TEXT].splitlines() or ['']
    )


def name(text: str) -> str:
    """On one line, and never nothing."""
    return printable(text) or '(empty)'


@lru_cache(maxsize=512)
def zone_of(timezone: str | None) -> tzinfo:
    """That of a plan; UTC where it cannot be read here."""
    if timezone is None:
        return UTC
    try:
        return zones.resolve(timezone).tzinfo
    except ValueError:
        return UTC


def text_of(at: float, timezone: str | None, now: float) -> str:
    local = datetime.fromtimestamp(at, zone_of(timezone))
    year = '' if local.year == datetime.fromtimestamp(now, UTC).year else ' %Y'
    seconds = ':%S' if local.second else ''
    return format(local, f'{local.day} %b{year} %H:%M{seconds} %Z')


def counted(number: int) -> str:
    """A number that may be large."""
    return f'{number:,}'


def sentence(text: str) -> str:
    """A message of ours, as it stands alone."""
    return f'{text[:1].upper()}{text[1:]}{"" if text.endswith((".", "!", "?")) else "."}'


def without_zone(words: str | None, timezone: str | None) -> str | None:
    """The plain English of a plan, where the times beside it name their zone."""
    return words and words.removesuffix(f', {timezone}')


def value_of(option: str, value: Any) -> str:
    """Of an option of a job, as people write it."""
    if value is None:
        return 'any'
    if option in DURATIONS and isinstance(value, (int, float)):
        return lasted(value)
    return {True: 'yes', False: 'no'}[value] if isinstance(value, bool) else str(value)


@pass_context
def when(context: Context, at: float | None, timezone: str | None = None) -> Markup | str:
    """A time: absolute in the zone of the job, UTC on demand, and relative."""
    if at is None:
        return '\u2013'
    now, utc = context['now'], datetime.fromtimestamp(at, UTC)
    # Markup.format would escape by itself, for half of the time that a page needs.
    return Markup(  # noqa: S704
        f'<time datetime="{utc:%Y-%m-%dT%H:%M:%SZ}" title="{utc:%Y-%m-%d %H:%M:%S} UTC" '
        f'data-at="{int(at)}">{escape(text_of(at, timezone, now))} '
        f'<span class="rel">{escape(ago(now - at))}</span></time>')


@cache
def badge(value: str | None) -> Markup:
    """A state as a mark and a word."""
    one = state(value)
    return Markup(
        '<span class="state {}"><span class="glyph" aria-hidden="true">{}</span> {}</span>'
    ).format(one.kind, one.glyph, one.word)


def outcomes(names: Sequence[str]) -> str:
    """What a picture of the last runs says, in words."""
    counted = ', '.join(f'{count} {state(each).word}' for each, count in Counter(names).items())
    return f'the last {len(names)} runs: {counted}' if names else 'no run yet'


FILTERS: Final[dict[str, Any]] = {
    'ago': ago, 'badge': badge, 'counted': counted, 'lasted': lasted, 'name': name,
    'outcomes': outcomes, 'sentence': sentence,
    'moment': text_of, 'shown': shown, 'when': when, 'word': lambda value: state(value).word,
    'kind': lambda value: state(value).kind, 'value_of': value_of, 'without_zone': without_zone,
}
