"""What to run, and when: a function with a schedule and its options.

Example::

    job = Job(cleanup, hour=8, minute=0, timezone='Europe/Zurich')
    job.next_runtime()     # aware datetime, the seeded offset included
    job = Job(report, expression='0 9 * * MON#1', timezone='Europe/Zurich', retries=2)

A job is registered once per application class. A job that is bound to an
application id has a `url`; the offset is seeded by that URL, and computed when
it is first asked for.

"Now" is what `time.time()` says, so a test that freezes Python's clock sees
the runtimes of its own day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from math import ceil
from types import GenericAlias
from typing import Any, ClassVar, Final, NoReturn, Self

from cronsched._cronsched import Zone, seeded_offset
from cronsched.base import clock
from cronsched.base.text import printable
from cronsched.errors import CronError, ExpressionError, OptionError
from cronsched.jobs.options import Policy, check
from cronsched.schedule import FIELDS, Schedule, expression_of

__all__ = ['NOT_GIVEN', 'Job', 'title_at']

NOT_GIVEN: Final[Any] = object()

LONGEST_NAME: Final = 200   # characters


class Job:
    """A single cron job. `hour` and `minute` keep what was written."""

    __slots__ = (
        '__weakref__',
        '_offset',
        'function',
        'hour',
        'minute',
        'name',
        'once',
        'options',
        'schedule',
        'url',
    )

    #: `Job[...]` is read in annotations, where the original was generic.
    __class_getitem__: ClassVar[Any] = classmethod(GenericAlias)

    def __init__(
        self,
        function: Callable[..., Any],
        hour: int | str | None = None,
        minute: int | str | None = None,
        timezone: str | tzinfo | Zone = NOT_GIVEN,
        once: bool = False,
        url: str | None = None,
        *,
        expression: str | None = None,
        name: str | None = None,
        **options: Any,
    ) -> None:
        """The options are those of `cronsched.jobs.options.Policy`, and the fields
        `second day month weekday year`. Raises a `CronError` for anything
        that would fail later."""
        self.name = _check_name(_name_of(function) if name is None else name)
        self.function = function
        self.hour = hour
        self.minute = minute
        if not isinstance(once, bool):
            raise OptionError(f'once={once!r}: write True or False', field='once')
        self.once = once
        self.url = url
        fields = {name: options.pop(name) for name in FIELDS if name in options}
        self.options = check(options)
        fields.update(hour=hour, minute=minute)
        self.schedule = _schedule(expression, fields, timezone, self.name)
        self._offset: float | None = None

    @property
    def timezone(self) -> tzinfo:
        return self.schedule.timezone

    @property
    def title(self) -> str:
        """The address, as in the original. Logs show `title_at` instead."""
        return self.url.partition('://')[-1] if self.url else self.name

    @property
    def policy(self) -> Policy:
        """The options, with the defaults for those not given."""
        return Policy.of(self.options)

    @property
    def offset(self) -> float:
        """Seconds that the job runs after its scheduled time: seeded by the
        URL, else by the name, so that it is the same after each restart."""
        if self._offset is None:
            self._offset = seeded_offset(self.url or self.name, self.policy.max_offset)
        return self._offset

    @offset.setter
    def offset(self, seconds: float) -> None:
        self._offset = seconds

    def due_epoch(self, now: float) -> float | None:
        """The first runtime that is not before `now`, both in UTC seconds."""
        scheduled = self.schedule.next_epoch(ceil(now - self.offset) - 1)
        return None if scheduled is None else scheduled + self.offset

    def runtimes(self, today: date) -> Iterator[datetime]:
        """The runtimes of that day in the job's zone, but none in the past."""
        zone = self.timezone
        start = datetime(today.year, today.month, today.day, tzinfo=zone).timestamp()
        following = today + timedelta(days=1)
        end = datetime(following.year, following.month, following.day, tzinfo=zone).timestamp()
        after = max(ceil(start), ceil(clock.now() - self.offset)) - 1
        while (scheduled := self.schedule.next_epoch(after)) is not None and scheduled < end:
            yield self._local(scheduled + self.offset)
            after = scheduled

    def next_runtime(self, today: date | None = None) -> datetime:
        """When the job runs next; with `today` only on that day. Raises a
        `CronError` (a `RuntimeError`) when there is no such time."""
        if today is not None:
            for runtime in self.runtimes(today):
                return runtime
            self._refuse(f' on {today}')
        due = self.due_epoch(clock.now())
        if due is None:
            self._refuse('')
        return self._local(due)

    def _local(self, epoch: float) -> datetime:
        # By way of UTC: adding to local time would be wrong near a change of
        # the clocks.
        return datetime.fromtimestamp(epoch, UTC).astimezone(self.timezone)

    def _refuse(self, when: str) -> NoReturn:
        raise CronError(f'could not find a new runtime for job {self.name}{when}')

    def bound_to(self, url: str, function: Callable[[], Any]) -> Self:
        """A copy with another function, and the URL as its seed."""
        bound = object.__new__(type(self))
        bound.name = self.name
        bound.function = function
        bound.hour = self.hour
        bound.minute = self.minute
        bound.once = self.once
        bound.options = self.options
        bound.schedule = self.schedule
        bound.url = url
        bound._offset = None
        return bound

    def __repr__(self) -> str:
        return f'<{type(self).__name__} {self.name} {self.schedule.expression!r}>'


def title_at(url: str, name: str) -> str:
    """What a log shows of the job at `url`, whose last part may be signed."""
    return printable(f'{url.partition("://")[-1].rpartition("/")[0]}/{name}')


def _name_of(function: Callable[..., Any]) -> str:
    name = getattr(function, '__qualname__', None)
    if not isinstance(name, str):
        raise OptionError(f"{function!r} has no name: write name='...'", field='name')
    return name


def _check_name(name: object) -> str:
    """It is in addresses, signatures and the ledger."""
    if not isinstance(name, str) or not name or '\0' in name or not _is_text(name):
        raise OptionError(f'name={name!r}: write text without NUL or lone surrogates',
                          field='name')
    if len(name) > LONGEST_NAME:
        raise OptionError(
            f'name={name[:40]!r}... has {len(name)} characters: write at most {LONGEST_NAME}, '
            'as it is in a URL', field='name',
        )
    return name


def _is_text(name: str) -> bool:
    return not any('\ud800' <= character <= '\udfff' for character in name)


def _schedule(
    expression: str | None,
    fields: dict[str, Any],
    timezone: str | tzinfo | Zone,
    seed: str,
) -> Schedule:
    if timezone is NOT_GIVEN or timezone is None:
        raise OptionError(
            "timezone is missing: write timezone='Europe/Zurich', or timezone='UTC'",
            field='timezone',
        )
    if expression is None:
        return Schedule(expression_of(**fields), timezone, seed=seed)
    if not isinstance(expression, str):
        raise OptionError(
            f"expression={expression!r}: write text like '0 8 * * *'", field='expression'
        )
    given = [name for name, value in fields.items() if value is not None]
    if given:
        raise ExpressionError(
            f'both an expression ({expression!r}) and {", ".join(given)}=: write one of them'
        )
    return Schedule(expression, timezone, seed=seed)
