"""The native part of cronsched: expressions, zones, next run, offset, and the
scheduler thread. Everything here is safe to call from any thread."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any, Final, Literal, NamedTuple, Protocol, Self, final

__version__: Final[str]

class CronError(ValueError, RuntimeError):
    """The root of all errors of cronsched."""

    expression: str | None
    field: str | None
    position: int | None
    length: int | None
    hint: str | None

class ExpressionError(CronError):
    """A cron expression, or a field of one, that cannot be read."""

class ZoneError(CronError):
    """A time zone that is unknown or cannot be read."""

class SchedulerError(CronError):
    """The scheduler was asked for something it cannot do."""

def parse_cron(value: str | int, type: Literal['hour', 'minute']) -> tuple[int, ...]: ...
def seeded_offset(seed: str, max_offset: float = 30.0, /) -> float: ...
def run_id(application_id: str, job: str, scheduled: int, /) -> str: ...
def sign_headers(
    application_id: str,
    job: str,
    scheduled: int,
    *,
    key: bytes | None = None,
    now: int,
    attempt: int = 1,
    epoch: int = 0,
) -> dict[str, str]: ...
def libraries() -> str: ...
def set_zone_resolver(resolver: Callable[[Any], Zone], /) -> None:
    """`resolver` turns what a caller wrote as `timezone=` into a Zone; the
    answer is kept for names, so it is asked once for each."""

def forget_zones() -> None:
    """Ask the resolver again from now on."""

def set_fork_resume(resume: Callable[[], None] | None, /) -> None: ...
def resume_after_fork() -> None:
    """Have the function given to `set_fork_resume` called by the main thread
    soon, but not before the fork that is under way has returned."""

@final
class Zone:
    """The rules of one time zone, read-only."""

    @classmethod
    def from_tzif(cls, name: str, data: bytes, tz: tzinfo) -> Zone: ...
    @classmethod
    def fixed(cls, name: str, seconds: int, tz: tzinfo) -> Zone: ...
    @property
    def name(self) -> str: ...
    @property
    def tzinfo(self) -> tzinfo: ...
    def span_at(self, epoch: int, /) -> tuple[int | None, int | None, int]:
        """(first second, first second after, seconds east of UTC) of the
        stretch of one offset around `epoch`; None where it has no end."""

    def from_local(self, local: int, /) -> tuple[Literal['unique', 'gap', 'overlap'], int, int]:
        """What a local time (seconds, as if UTC) can mean, in UTC seconds."""

class _Finding(Protocol):
    """What `lint` returns: a cronsched.schedule.english.lint.Finding."""

    @property
    def rule(self) -> str: ...
    @property
    def field(self) -> str | None: ...
    @property
    def message(self) -> str: ...
    @property
    def advice(self) -> str: ...

@final
class Schedule:
    """A cron expression with a time zone. Immutable, hashable, picklable."""

    def __new__(
        cls,
        expression: str,
        timezone: str | tzinfo | Zone = 'UTC',
        seed: str | None = None,
    ) -> Self: ...
    @property
    def expression(self) -> str: ...
    @property
    def timezone(self) -> tzinfo: ...
    @property
    def zone(self) -> Zone: ...
    @property
    def seed(self) -> str | None: ...
    @property
    def parts(self) -> Mapping[str, Any]:
        """What was read, for `describe` and `lint`: second minute hour day
        month weekday year (tuples of ints), weekday_last (weekdays),
        weekday_nth ((weekday, n) pairs), last_minus, nearest (int or None;
        0 for LW), and the booleans day_any weekday_any both_days interval
        reboot seconds last_day."""

    def next(self, after: datetime | None = None) -> datetime | None: ...
    def previous(self, before: datetime | None = None) -> datetime | None: ...
    def matches(self, at: datetime, /) -> bool: ...
    def next_epoch(self, after: int, /) -> int | None: ...
    def previous_epoch(self, before: int, /) -> int | None: ...
    def matches_epoch(self, at: int, /) -> bool: ...
    # Completed in Python, by cronsched.schedule:
    def between(self, start: datetime, end: datetime) -> Iterator[datetime]: ...
    @classmethod
    def from_fields(
        cls,
        *,
        timezone: str | tzinfo | Zone = 'UTC',
        seed: str | None = None,
        **fields: Any,
    ) -> Schedule: ...
    def describe(self) -> str: ...
    def lint(self) -> tuple[_Finding, ...]: ...

@final
class Event(NamedTuple):
    """What the native thread has to tell; times are UTC seconds.

    ended: `retry_at` is when a further attempt of the run would be due, 0 for
    none. Where runs are claimed the native side does not make it: `fire` does.
    missed: `instead` is the scheduled time that was sent for those missed, 0
    when nothing was; `detail` says why. skipped: `detail` says why.
    held: a scheduled time is due while the run before it was sent and has no
    answer; it waits. `skip` it if that run executes."""

    kind: Literal[
        'owned', 'disowned', 'started', 'retry', 'ended', 'skipped', 'missed',
        'held', 'clock', 'fault',
    ]
    outcome: str | None
    app: int
    call: int
    job: int
    scheduled: int
    until: int
    count: int  # type: ignore[assignment]  # hides tuple.count, as wanted
    step: float
    due: float
    at: float
    took: float
    attempt: int
    status: int
    detail: str | None
    retry_at: float
    instead: int

@final
class Delivery(NamedTuple):
    """One attempt of a manual scheduler, to be completed."""

    run: int
    app: int
    call: int
    job: int
    application_id: str
    job_name: str
    url: str
    method: str
    headers: dict[str, str]
    scheduled: int
    due: float
    attempt: int
    timeout: float

@final
class Scheduler:
    """The native scheduler: one thread for all application ids of a process.
    With `manual` (UTC seconds) it has no thread and its clock stands."""

    def __new__(
        cls,
        *,
        max_concurrency: int = 32,
        max_per_application: int = 4,
        events: int = 8192,
        lease_directory: str | None = None,
        user_agent: str | None = None,
        manual: float | None = None,
    ) -> Self: ...
    def define(
        self,
        name: str,
        schedule: Schedule,
        *,
        timeout: float = 3600.0,
        connect_timeout: float = 10.0,
        retries: int = 0,
        backoff: float = 1.0,
        catch_up: float | None = 600.0,
        overlap: Literal['skip', 'queue', 'allow'] = 'skip',
        coalesce: bool = True,
        once: bool = False,
        method: Literal['POST', 'GET'] = 'POST',
        claims: bool = False,
    ) -> int: ...
    def redefine(self, job: int, schedule: Schedule, /) -> None: ...
    def open(
        self, application_id: str, key: bytes | None = None, headers: Sequence[str] = ()
    ) -> int: ...
    def add(
        self,
        app: int,
        job: int,
        url: str,
        *,
        offset: float | None = None,
        due: float | None = None,
    ) -> int:
        """`offset` None: seeded by the URL, up to 30 s. `due` None: from the
        schedule; else the first due time in UTC seconds, as it is."""

    def offset(self, call: int, /) -> float:
        """How long after its scheduled time each run of a call is due, in
        seconds."""

    def remove(self, call: int, /) -> None: ...
    def fire(
        self, call: int, scheduled: int, /, *, attempt: int = 1, at: float | None = None
    ) -> None:
        """Have a run sent, now or from `at` (UTC seconds) on: catching up, by
        hand, or a further attempt. One that is under way is not fired twice.
        Raises `SchedulerError` when the application id is not owned here."""

    def skip(self, call: int, scheduled: int, /) -> bool:
        """After a `held` event: the run before it executes, so this one is
        not sent; a `skipped` event follows. False when it no longer waits."""

    def owned(self) -> dict[int, float]:
        """Handles of the application ids owned here, and since when (UTC
        seconds): what was due before is not ours. State, not events."""

    def changes(self, after: int = 0, most: int = 1024) -> list[tuple[int, int, bool, float]]:
        """The last change of ownership of each application id that is newer
        than the number `after`: (number, app, owned, since), by number, so
        that the last number is the next `after`. `stats()['ownership']` is
        the newest. The events 'owned' and 'disowned' tell the same, once."""

    # What several machines share:
    def share(self, app: int, /) -> None:
        """Before its first call: several machines have this application id.
        It is fired here while its lease is ours, it was granted, and what was
        granted is good. Raises `SchedulerError` when it is ours already."""

    def grant(self, app: int, epoch: int, /) -> None:
        """This machine fires it, in the term of office `epoch` (from 1), which
        is signed with its requests. Another epoch than before is another
        owner: what was due meanwhile is to be caught up."""

    def revoke(self, app: int, /) -> None:
        """Another machine fires it, or nobody."""

    def granter(self) -> int:
        """One more who grants: its number, for `valid`. Nothing is good before
        it says so."""

    def valid(self, granter: int, until: float | None, /) -> None:
        """Until when all that one has granted is good, by `monotonic`; None
        when it has granted nothing. Past it nothing is sent by this process,
        whatever keeps Python from saying more; said anew, all goes on as it
        was."""

    def monotonic(self) -> float:
        """Seconds of the clock of `valid`: it cannot be set, and runs on while
        the machine is suspended."""

    def leased(self, after: int = ..., /) -> tuple[int, list[int]] | None:
        """The shared application ids whose lease is ours, and the number of
        the last change; None when that is still `after`."""

    def start(self) -> None: ...
    def stop(self, timeout: float = 2.0) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def events(self, timeout: float = 0.0, most: int = 256) -> list[Event]: ...
    def interrupt(self) -> None: ...
    def stats(self) -> dict[str, int]:
        """jobs apps owned calls waiting in_flight backing_off lingering
        started ended skipped missed events_dropped turns ownership running"""

    # Manual schedulers only:
    def advance(self, elapsed: float, step: float = 0.0) -> None: ...
    def idle(self) -> float | None:
        """Seconds until something is due; None for never."""

    def take(self) -> Delivery | None: ...
    def complete(
        self,
        run: int,
        status: int = 200,
        *,
        delivery: Literal['answered', 'timed_out', 'not_connected', 'broken'] = 'answered',
        retry_after: int | None = None,
        outcome: str = '',
        detail: str = '',
        took: float = 0.0,
    ) -> None: ...

@final
class News(NamedTuple):
    """What came of a knock."""

    target: int
    kind: Literal['ask', 'refused', 'silent', 'closed', 'unreached', 'answered']
    status: int
    url: str
    location: str
    outcome: str

@final
class Knock:
    """Finds who serves an application id, by knocking at the listening sockets
    of this process. `told` is called in the main thread when there is news."""

    def __new__(cls, told: Callable[[], object]) -> Self: ...
    def arm(
        self,
        application_id: str,
        key: bytes,
        lease_directory: str,
        paths: Sequence[str],
        headers: Sequence[str] = (),
        addresses: Sequence[str] = (),
    ) -> int: ...
    def started(self, target: int, /) -> None: ...
    def disarm(self, target: int, /) -> None: ...
    def permit(self, permitted: bool, /) -> None: ...
    def take(self) -> News | None: ...
    @staticmethod
    def listening() -> list[str]: ...
    def start(self) -> None: ...
    def stop(self, timeout: float = 2.0, /) -> bool: ...

@final
class Heartbeat:
    """A thread that says to a database, over a connection of a driver in
    Python, that this process lives, whoever has the GIL, and to `scheduler` for
    how long what `granter` has granted is good. Times are seconds: from one beat
    to the next; how long one is good; how long one may be unanswered; and how
    long nobody may have taken an answer."""

    def __new__(
        cls, scheduler: Scheduler, granter: int, *,
        period: float, hold: float, patience: float, silence: float,
    ) -> Self: ...
    def start(
        self, connection: object, pointer: object, library: str, statement: str,
        values: Sequence[str],
    ) -> None:
        """Beat over `connection`, whose `PGconn` is `pointer` (an address, or
        the capsule of psycopg2) and which nobody else uses until `stop`;
        `library` is the file of a module that is loaded and uses its libpq.
        `statement` takes `values`, and gives one row: a boolean, whether what
        was granted is good (null: beat no more), and a text. Raises
        `SchedulerError` where there is no such libpq."""

    def say(self, values: Sequence[str], /) -> None:
        """Other values, as many, from the next beat on."""

    def take(self, timeout: float, /) -> tuple[float, float, float, str | None] | None:
        """The newest answer, once, which is waited for: when it began and
        ended, by the clock of the scheduler, when it began in UTC seconds, and
        the text. None when there is none in time, or when paused. Raises
        `SchedulerError` when the connection is broken: `stop`, and start with
        another."""

    def pause(self) -> None:
        """The thread has ended, for a fork; `take` returns at once."""

    def resume(self) -> None: ...
    def stop(self) -> None:
        """The thread has ended, and the connection is not used any more; a
        statement may be under way in it."""
