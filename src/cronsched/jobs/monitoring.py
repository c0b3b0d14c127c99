"""Who outside is told how a job does: the options `monitor` and `ping`.

Example::

    monitor('monitor', {'checkin_margin': 5})     # Monitor(checkin_margin=5)
    ping('ping', 'https://hc-ping.com/KEY/{slug}')

Both raise an `OptionError` that says what to write.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any, Final

from cronsched.errors import OptionError
from cronsched.jobs.checks import problem_of_url

__all__ = ['SLUG', 'Monitor', 'check_site', 'monitor', 'ping']

#: Stands for application id and job in a `ping`.
SLUG: Final = '{slug}'

# What Sentry takes; minutes, and check-ins in a row.
MOST_MINUTES: Final = 40_320
MOST_IN_A_ROW: Final = 720
NUMBERS: Final = {
    'checkin_margin': MOST_MINUTES, 'max_runtime': MOST_MINUTES,
    'failure_issue_threshold': MOST_IN_A_ROW, 'recovery_threshold': MOST_IN_A_ROW,
}
NAMED: Final = re.compile(r'(?![0-9]+$)[a-z0-9_-]{1,50}')
OWNED: Final = re.compile(r'(team|user):\S+')


@dataclass(frozen=True, slots=True)
class Monitor:
    """A monitor of Sentry's Crons; None is what follows from the job.

    slug: its name. checkin_margin: minutes that a run may be late;
    max_runtime: minutes that one may take. failure_issue_threshold,
    recovery_threshold: check-ins in a row until an issue opens, or closes.
    owner: 'team:operations' or 'user:12'.
    """

    slug: str | None = None
    checkin_margin: int | None = None
    max_runtime: int | None = None
    failure_issue_threshold: int | None = None
    recovery_threshold: int | None = None
    owner: str | None = None


NAMES: Final = tuple(each.name for each in fields(Monitor))


def monitor(name: str, value: Any) -> Monitor | None:
    """True, False or a mapping with the fields of `Monitor`."""
    if isinstance(value, bool) or value is None:
        return Monitor() if value else None
    if isinstance(value, Monitor):
        return value
    if not isinstance(value, Mapping):
        raise OptionError(
            f"{name}={value!r}: write True, False or a dict like {{'checkin_margin': 5}}",
            field=name)
    for key, given in value.items():
        _check_field(name, key, given)
    return Monitor(**value)


def _check_field(name: str, key: Any, given: Any) -> None:
    if key not in NAMES:
        close = get_close_matches(str(key), NAMES, n=1)
        hint = f'did you mean {close[0]!r}?' if close else f'there are {", ".join(NAMES)}'
        raise OptionError(f'{name} has no {key!r}: {hint}', field=name)
    most = NUMBERS.get(key)
    if most is not None:
        if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= most:
            raise OptionError(
                f'{name}: {key}={given!r}: write a whole number, 1 to {most}', field=name)
    elif key == 'slug' and not _matches(NAMED, given):
        raise OptionError(
            f'{name}: slug={given!r}: write up to 50 of a-z, 0-9, _ and -, not only digits',
            field=name)
    elif key == 'owner' and not _matches(OWNED, given):
        raise OptionError(
            f"{name}: owner={given!r}: write 'team:NAME' or 'user:ID'", field=name)


def _matches(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def ping(name: str, value: Any) -> str | None:
    """The URL of a check, without what is said of a run; None for none."""
    if value is None:
        return None
    like = "write a URL like 'https://hc-ping.com/KEY/{slug}', or None for none"
    if not isinstance(value, str):
        raise OptionError(f'{name}={value!r}: {like}', field=name)
    url = value.replace(SLUG, 'slug')
    problem = problem_of_url(url)
    if problem is None and not url.startswith(('http://', 'https://')):
        problem = 'it does not begin with http:// or https://'
    if problem is None and SLUG in value.split('/', 3)[2]:
        problem = 'its host is to be written'
    if problem is not None:
        raise OptionError(f'{name}={value!r}: {problem}: {like}', field=name)
    return value.rstrip('/')


def check_site(options: Mapping[str, Any]) -> None:
    """Of all jobs of an application: each needs a check of its own."""
    url, given = options.get('ping'), options.get('monitor')
    if url is not None and SLUG not in url:
        raise OptionError(
            f"ping={url!r}: all jobs would share one check: write '{{slug}}' where their names "
            'belong, or ping= at one job', field='ping')
    if given is not None and given.slug is not None:
        raise OptionError(
            f'monitor: slug={given.slug!r}: all jobs would share one monitor: write slug at one '
            'job', field='monitor')
