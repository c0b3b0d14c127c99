"""This process among the members of several machines.

Example::

    membership = Membership(shared, ledger.seats(place), place, heart=heart)
    membership.turn()       # with each beat, by a thread of its own

Of the processes of a machine, leases say who fires; of the machines, seats do.
While this process holds leases it is a member and beats. It takes seats that
are free, gives up those that another is to have, judges the others, and is
judged by them. A beat lets the native thread fire for `pace.hold` seconds
from its start; past that it holds back by itself, whatever became of this thread, and
goes on with the next beat that is answered. It beats by itself where it can, so
that nobody who has the GIL holds it up; then a turn is what is done with each
answer.

Nothing here makes a run happen once, the claim does: mistakes cost requests.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Final, Protocol

from cronsched.base import clock
from cronsched.base.text import printable
from cronsched.ledger.seats import Beat, Heart, Seats, Timing
from cronsched.scheduler.judge import Judge
from cronsched.scheduler.pace import DEFAULT, Pace
from cronsched.scheduler.rendezvous import Firsts
from cronsched.scheduler.safe_log import say
from cronsched.telemetry.fields import fields

__all__ = ['MOST_OFFSET', 'Membership', 'Shared']

# How long all must agree on who lives before one asks for what another has.
CALM: Final = 30.0      # seconds

# In the time of a beat, where nobody may wait for the native thread.
LOOKS: Final = 5

#: From the clock of the store, in seconds: what is told, and what is too much.
TOLD_OFFSET: Final = 1.0
MOST_OFFSET: Final = 10.0


class Shared(Protocol):
    """The native scheduler, for the application ids of one ledger."""

    def monotonic(self) -> float: ...
    def leased(self) -> Collection[str]:
        """Those whose lease is ours; cheap where nothing has changed."""

    def grant(self, application_id: str, epoch: int) -> None: ...
    def revoke(self, application_id: str) -> None: ...
    def valid(self, until: float) -> None: ...
    def retire(self) -> None:
        """Nothing is ours, nor will be before `valid`."""


class Membership:
    """See the module. Used by one thread."""

    def __init__(
        self, shared: Shared, seats: Seats, place: str, pace: Pace = DEFAULT,
        heart: Heart | None = None,
    ) -> None:
        self._shared = shared
        self._seats = seats
        self._heart = heart
        self._pace = pace
        self._judge = Judge(pace)
        self._firsts = Firsts(place)
        self._mine: dict[str, int] = {}
        self._asked: set[str] = set()         # for a seat, once at least
        self._waiting: dict[str, float] = {}  # for a seat, since when
        self._fruitless = -1                  # so many were free, and not for us
        self._free_since: float | None = None
        self._lineage: int | None = None
        self._offset: float | None = None
        self._far_off = self._told_offset = False
        self._places: tuple[str, ...] = ()
        self._calm_since = 0.0
        self._must_look = True                # what is ours may be otherwise

    @property
    def mine(self) -> Mapping[str, int]:
        """The application ids whose seat is ours, with their epochs."""
        return self._mine

    # -- a turn ----------------------------------------------------------------

    def turn(self) -> float:
        """For how many seconds to wait until the next; 0 where that waits for
        the next beat of the native thread. Raises `LedgerError` when the
        store cannot be used: then what was said last is good for as long as it
        was."""
        try:
            return self._turn()
        except BaseException:
            self._must_look = True
            raise

    def _turn(self) -> float:
        if not self._shared.leased():
            self.leave()
            return self._pace.beat
        if not self._seats.member:
            self._join()
        sent, began = clock.now(), self._shared.monotonic()
        answer = self._seats.beat(self._offset, self._lineage)
        if answer is None:
            return self._pace.beat / LOOKS
        if answer.alive:
            self._heed(answer, answer.timing or Timing(began, self._shared.monotonic(), sent))
        else:
            self._deposed()
        return self._pace.beat if answer.timing is None else 0.0

    def _heed(self, answer: Beat, timing: Timing) -> None:
        leased = set(self._shared.leased())
        began, ended = timing.began, timing.ended
        self._heed_history(answer)
        self._keep_time(answer, timing)
        # What it would send while it is quiet is not granted.
        if answer.timing is None and not answer.quiet:
            self._shared.valid(began + self._pace.hold)
        if self._must_look:
            self._look()
        for suspect, beat in self._judge.hear(began, ended, answer):
            if self._seats.convict(suspect, beat):
                hold = (answer.holds or {}).get(suspect, self._pace.hold)
                say(logging.WARNING, 'Member %d has not been heard for %.1f s: its application '
                    'ids are taken over', suspect, hold)
        self._give({*answer.wanted, *self._mine} if self._far_off
                   else {*answer.wanted, *(self._mine.keys() - leased)})
        if not self._far_off:
            self._take(leased, answer, ended)
            self._balance(leased, answer, ended)

    def _join(self) -> None:
        self._seats.join(self._pace.hold, self._pace.lost_after, self._heart)
        self._shared.valid(0.0)
        self._judge = Judge(self._pace)
        self._must_look = True
        self._asked.clear()

    def _deposed(self) -> None:
        say(logging.WARNING, 'The other machines have not heard this process for a while and '
            'have taken over: it begins anew')
        self._revoke(list(self._mine))
        self._seats.member = 0

    def leave(self) -> None:
        """What was ours is free at once."""
        self._revoke(list(self._mine))
        self._waiting.clear()
        try:
            self._seats.leave()
        finally:
            self._shared.retire()   # the last word: until it leaves, it may beat

    # -- what the store says of itself -----------------------------------------

    def _heed_history(self, answer: Beat) -> None:
        if self._lineage not in (None, answer.lineage):
            lost = self._seats.say_again()
            say(logging.WARNING, 'The ledger is another server than before: %d claim(s) of this '
                'process were lost with it and are there again', lost)
            self._must_look = True
        self._lineage = answer.lineage

    def _look(self) -> None:
        mine = self._seats.mine()
        self._revoke([each for each in self._mine if each not in mine])
        self._grant(mine)
        self._must_look = False

    def _keep_time(self, answer: Beat, timing: Timing) -> None:
        if answer.places != self._places:
            self._places, self._calm_since = answer.places, timing.ended
        # Half of the way is behind us when the store looks at its clock.
        took = timing.ended - timing.began
        if took < self._pace.beat:
            self._offset = timing.sent + took / 2 - answer.now
        offset = abs(self._offset or 0.0)
        was_far_off, self._far_off = self._far_off, offset > MOST_OFFSET
        told, self._told_offset = self._told_offset, offset > TOLD_OFFSET
        if self._far_off and not was_far_off:
            say(logging.ERROR, 'The clock of this machine is %+.1f s from that of the ledger: '
                'other machines call its cronjobs until it is set', self._offset)
        elif self._told_offset and not told:
            say(logging.WARNING, 'The clock of this machine is %+.1f s from that of the ledger: '
                'is it kept by NTP?', self._offset)

    # -- seats -----------------------------------------------------------------

    def _take(self, leased: set[str], answer: Beat, now: float) -> None:
        self._waiting = {
            each: self._waiting.get(each, now) for each in leased if each not in self._mine
        }
        if not answer.free:
            self._free_since, self._fruitless = None, -1
        elif self._free_since is None:
            self._free_since = now
        if wanted := self._to_ask(answer, now):
            taken = self._seats.take(wanted)
            self._asked |= wanted
            self._grant(taken)
            everyone = len(wanted) == len(self._waiting)
            self._fruitless = answer.free if not taken and everyone else -1

    def _to_ask(self, answer: Beat, now: float) -> set[str]:
        """What we would have, and nobody may have: those we have by the hash
        at once, others when nobody took them."""
        free = answer.free not in (0, self._fruitless)
        late = free and self._free_since is not None and now - self._free_since >= self._pace.grace
        candidates = [each for each in self._waiting if free or each not in self._asked]
        first = self._firsts.of(candidates, answer.places)
        return first | {
            each for each in candidates
            if late or (each not in self._asked and now - self._waiting[each] >= self._pace.grace)
        }

    def _balance(self, leased: set[str], answer: Beat, now: float) -> None:
        if now - self._calm_since < CALM:
            return
        self._calm_since = now
        if wanted := self._firsts.of(leased - self._mine.keys(), answer.places):
            self._seats.want(wanted)

    def _give(self, application_ids: set[str]) -> None:
        """First it is not fired any more, then another may."""
        given = [each for each in application_ids if each in self._mine]
        if given:
            self._revoke(given)
            self._seats.give(given)

    def _grant(self, seats: Mapping[str, int]) -> None:
        for application_id, epoch in seats.items():
            self._mine[application_id] = epoch
            self._waiting.pop(application_id, None)
            self._shared.grant(application_id, epoch)

    def _revoke(self, application_ids: Collection[str]) -> None:
        for application_id in application_ids:
            del self._mine[application_id]
            self._shared.revoke(application_id)
            say(logging.DEBUG, 'The seat of %s is not ours', printable(application_id),
                extra=fields(application_id))


