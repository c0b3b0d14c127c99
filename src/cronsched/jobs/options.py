"""How the runs of a job are treated: the options of `@App.cronjob`.

Example::

    check({'timeout': timedelta(minutes=15), 'retries': 2})
    # {'timeout': 900.0, 'retries': 2}
    policy = Policy.of(defaults, job.options)

An option that a job omits comes from the settings of its application, and one
that those omit from `Policy`. All durations are seconds, or a `timedelta`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from difflib import get_close_matches
from math import isfinite
from typing import Any, Final, Literal, cast

from cronsched.errors import OptionError
from cronsched.jobs import monitoring
from cronsched.jobs.monitoring import Monitor

__all__ = ['Overlap', 'Policy', 'check']

Overlap = Literal['skip', 'queue', 'allow']

# What a decorator takes beside the options.
KEYWORDS: Final = ('expression', 'second', 'minute', 'hour', 'day', 'month', 'weekday', 'year',
                   'timezone', 'name', 'once')
# What others call them.
ALIASES: Final = {
    'tz': "timezone='Europe/Zurich'", 'day_of_week': "weekday='MON-FRI'",
    'dow': "weekday='MON-FRI'", 'day_of_month': 'day=1', 'dom': 'day=1',
    'month_of_year': 'month=1', 'cron': "an expression first, '0 8 * * *'",
    'misfire_grace_time': 'catch_up= seconds', 'jitter': 'max_offset= seconds',
    'max_instances': "overlap='skip', 'queue' or 'allow'", 'max_retries': 'retries=',
}

# What the native side holds: milliseconds in 31 bits are not quite 25 days.
LONGEST: Final = 24 * 86_400.0


@dataclass(frozen=True, slots=True)
class Policy:
    """Every option with its value.

    timeout: seconds one attempt may take.
    connect_timeout: seconds its connection may take.
    retries: attempts after the first, for failures that may pass.
    backoff: seconds before the second attempt, at least 1; doubles each time.
    overlap: what happens when a run is due while the last one still executes:
        'skip' it, 'queue' one, or 'allow' both.
    catch_up: a run this many seconds late still fires; None: any.
    coalesce: of several late runs only the latest fires, else each.
    max_offset: the upper bound of the seeded delay, seconds.
    monitor: of Sentry's Crons; True, or a dict with the fields of
        `cronsched.jobs.monitoring.Monitor`.
    ping: the URL of a check that hears of each run; `{slug}` in it stands for
        application id and job.
    """

    timeout: float = 3600.0
    connect_timeout: float = 10.0
    retries: int = 0
    backoff: float = 1.0
    overlap: Overlap = 'skip'
    catch_up: float | None = 600.0
    coalesce: bool = True
    max_offset: float = 30.0
    monitor: Monitor | None = None
    ping: str | None = None

    @classmethod
    def of(cls, *layers: Mapping[str, Any]) -> Policy:
        """The later layers win. The layers were checked before."""
        given: dict[str, Any] = {}
        for layer in layers:
            given.update(layer)
        return cls(**given)

    def native(self) -> dict[str, Any]:
        """The keywords of `Scheduler.define` that this says."""
        return {name: getattr(self, name) for name in RUNNING if name != 'max_offset'}


def check(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options in their own types. Raises `OptionError` that names the
    option and says what to write."""
    return {name: _checker_of(name, value)(name, value) for name, value in given.items()}


def _checker_of(name: str, value: Any) -> Callable[[str, Any], Any]:
    if name in CHECKERS:
        return CHECKERS[name]
    raise OptionError(f'no such option: {name!r}; {_instead_of(name, value)}', field=name)


def _instead_of(name: str, value: Any) -> str:
    """What to write for an option that there is not."""
    field = name.removesuffix('s')
    if name != field and field in ('second', 'minute', 'hour') and type(value) is int:
        once = {'second': 'of each minute', 'minute': 'of each hour', 'hour': 'of each day'}
        return (f"write {field}='*/{value}' for every {value} {name}, "
                f'or {field}={value} for {field} {value} {once[field]}')
    if name in ALIASES:
        return f'write {ALIASES[name]}'
    close = get_close_matches(name, [*KEYWORDS, *CHECKERS], n=1)
    return f'did you mean {close[0]!r}?' if close else (
        f'there are {", ".join([*KEYWORDS, *CHECKERS])}')


def _seconds(value: Any) -> float | None:
    """None for what is not a duration."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value):
        return float(value)
    return None


def _positive(name: str, value: Any) -> float:
    seconds = _seconds(value)
    if seconds is None or not 0.001 <= seconds <= LONGEST:
        raise OptionError(
            f'{name}={value!r}: write seconds (0.001 to {LONGEST:.0f}) or a timedelta', field=name
        )
    return seconds


def _backoff(name: str, value: Any) -> float:
    # An attempt is told from a replay of the last one by its timestamp, which
    # Standard Webhooks gives in whole seconds.
    seconds = _seconds(value)
    if seconds is None or not 1 <= seconds <= LONGEST:
        raise OptionError(
            f'{name}={value!r}: write seconds (1 to {LONGEST:.0f}) or a timedelta', field=name
        )
    return seconds


def _late(name: str, value: Any) -> float | None:
    seconds = _seconds(value)
    if value is not None and (seconds is None or not 0 <= seconds <= LONGEST):
        raise OptionError(
            f'{name}={value!r}: write seconds (0 to {LONGEST:.0f}), a timedelta, '
            'or None if no run is ever too late',
            field=name,
        )
    return seconds


def _offset(name: str, value: Any) -> float:
    seconds = _seconds(value)
    if seconds is None or not 0 <= seconds <= 86_400:
        raise OptionError(
            f'{name}={value!r}: write seconds (0 for no delay, at most 86400) or a timedelta',
            field=name,
        )
    return seconds


def _retries(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 1000:
        raise OptionError(f'{name}={value!r}: write a whole number, 0 to 1000', field=name)
    return value


def _overlap(name: str, value: Any) -> Overlap:
    if value not in ('skip', 'queue', 'allow'):
        raise OptionError(f"{name}={value!r}: write 'skip', 'queue' or 'allow'", field=name)
    return cast(Overlap, value)


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise OptionError(f'{name}={value!r}: write True or False', field=name)
    return value


CHECKERS: Final[dict[str, Callable[[str, Any], Any]]] = {
    'timeout': _positive,
    'connect_timeout': _positive,
    'retries': _retries,
    'backoff': _backoff,
    'overlap': _overlap,
    'catch_up': _late,
    'coalesce': _flag,
    'max_offset': _offset,
    'monitor': monitoring.monitor,
    'ping': monitoring.ping,
}

OPTIONS: Final = tuple(field.name for field in fields(Policy))

#: Those that say how a job runs, and not who is told.
RUNNING: Final = tuple(name for name in OPTIONS if name not in ('monitor', 'ping'))
