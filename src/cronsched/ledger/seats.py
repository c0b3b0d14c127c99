"""Who fires what, where several machines share a ledger.

Example::

    seats = ledger.seats('place')       # None: there is one machine
    seats.join()
    answer = seats.beat(offset=0.01)
    seats.take(['org/zug'])             # {'org/zug': 7}, the term of office

A process that holds leases of its machine is a *member* and beats. A *seat* is
the right of one member to fire the calls of one application id, for a term of
office that has a number, the epoch. Seats only save requests: that a run
happens once rests on its claim.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ['Beat', 'Fleet', 'Heart', 'Member', 'Seats', 'Timing']


@dataclass(frozen=True, slots=True)
class Timing:
    """When a beat began and was answered, by the clock of the native scheduler,
    and when it began in UTC seconds, by that of this machine."""

    began: float
    ended: float
    sent: float


@dataclass(frozen=True, slots=True)
class Beat:
    """What a beat is answered.

    alive: False if the others have given us up; then nothing is ours.
    now: the clock of the store, UTC seconds.
    history: changes when the store was started anew or is another one than
        before; `lineage` only in the latter case, when claims may be lost.
    quiet: for how many seconds it grants nothing.
    free: how many seats have no member.
    places: of all members that live; those of one place share a lease.
    suspects: the members not heard for a while, with the beat last heard.
    holds: for how many seconds a beat lets each of those fire.
    wanted: application ids of ours that others would have.
    timing: of a beat of the native thread, which has said itself for how long
        it is good; None where Python asked.
    """

    alive: bool
    now: float
    history: str = ''
    lineage: int = 0
    quiet: float = 0.0
    free: int = 0
    requested: bool = False
    places: tuple[str, ...] = ()
    suspects: Mapping[int, int] | None = None
    holds: Mapping[int, float] | None = None
    wanted: tuple[str, ...] = ()
    timing: Timing | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A process that fires calls, or executes runs. Times are UTC seconds.

    seats: how many application ids it fires; epoch: the newest of their terms.
    beat: the last one; silent: how many seconds ago, by the clock of the
        store; None where there is one machine.
    offset: its clock minus that of the store, seconds; None where unknown.
    alive: None where that cannot be known.
    """

    id: int
    machine: str
    host: str
    pid: int
    since: float
    alive: bool | None
    seats: int = 0
    epoch: int = 0
    beat: float | None = None
    offset: float | None = None
    silent: float | None = None


@dataclass(frozen=True, slots=True)
class Fleet:
    """What happens among the members. All but `free` count since the ledger
    exists.

    free: application ids that nobody fires at this moment.
    lapses: how often a member did not beat for so long that it held back.
    convictions: how often one was taken for dead by the others.
    deposed: how often one that was heard of that.
    said_again: claims that a failover had lost, and that were said again.
    """

    free: int = 0
    lapses: int = 0
    convictions: int = 0
    deposed: int = 0
    said_again: int = 0


class Heart(Protocol):
    """The native thread that beats, see `_cronsched.Heartbeat`."""

    def start(self, connection: object, pointer: Any, library: str, statement: str,
              values: Sequence[str]) -> None: ...
    def say(self, values: Sequence[str], /) -> None: ...
    def take(self, timeout: float, /) -> tuple[float, float, float, str | None] | None: ...
    def stop(self) -> None: ...


class Seats(Protocol):
    """See the module. Of one thread; each call is one round trip, and raises
    `LedgerError` when that fails. It has a connection of its own."""

    #: This process, as a member; 0 before `join`.
    member: int

    def join(self, hold: float = 3.0, lost_after: float | None = 60.0,
             heart: Heart | None = None) -> None:
        """Be a member from now on, with an id that nobody had, which each beat
        lets fire for `hold` seconds. What the machine executes is given up
        when nothing was heard of it for `lost_after` seconds; None: not before
        its timeout. `heart` beats from the first `beat` on, if it can."""

    def beat(self, offset: float | None = None, lineage: int | None = None) -> Beat | None:
        """Beat; or, where `heart` does, wait for its next answer. None when
        there is none yet: it is paused, or nobody may wait. `lineage`: what
        was heeded; nothing is good in another."""

    def convict(self, suspect: int, beat: int) -> bool:
        """It is dead, unless it has beaten since; then its seats are free."""

    def take(self, application_ids: Collection[str]) -> Mapping[str, int]:
        """Those that are free, as ours, with their epochs."""

    def mine(self) -> Mapping[str, int]: ...
    def want(self, application_ids: Collection[str]) -> None:
        """Ask those who have them."""

    def give(self, application_ids: Collection[str]) -> None: ...
    def leave(self) -> None:
        """Be a member no more; what was ours is free at once."""

    def say_again(self) -> int:
        """The claims that this process was granted lately, which the store may
        have lost; how many it had lost."""

    def close(self) -> None: ...
