"""Members and seats in PostgreSQL; see `cronsched.ledger.seats`.

Example::

    seats = PostgresSeats(session, place, say_again)
    seats.join()
    seats.beat().alive

The SQL is in `schema/functions_7_members.sql`. Beats have a connection of their
own, as a claim may wait for a row or for a standby. Where the native thread has
it (see `heartbeat`), the rest, which is rare, makes itself one each time. A call
whose answer was lost is asked again: each can be told twice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from cronsched.ledger.postgres.connections import Rows, Source
from cronsched.ledger.postgres.heartbeat import NativeBeats, NoNativeBeats
from cronsched.ledger.postgres.looking import looked_at
from cronsched.ledger.postgres.session import Session
from cronsched.ledger.seats import Beat, Fleet, Heart, Member, Timing

__all__ = ['PostgresSeats', 'fleet', 'listed']

# Seconds that a call may take. One that took longer than HOLD is of no use, but
# a server that stood still need not be connected to anew.
PATIENCE: Final = 5.0

# Whether what is ours is good; null when it is not any more. And all that there
# is to know, in ASCII, whatever the connection makes of other characters.
BEAT: Final = (
    "SELECT CASE WHEN b.alive THEN b.quiet = 0 AND $1::text IN ('', b.timeline::text) END, "
    "encode(convert_to(to_json(b)::text, 'UTF8'), 'hex') "
    "FROM cronsched.beat_v1($2::text::bigint, NULL, nullif($3::text, '')::float8) AS b")
BEAT_OF_PYTHON: Final = re.sub(r'\$\d', '%s', BEAT)

COUNTED: Final = ('lapses', 'convictions', 'deposed', 'said_again')

LISTED: Final = (
    'SELECT m.id, m.machine, m.host, m.pid, m.since, m.seen, m.dead, m.clock_offset, '
    'cronsched.lives_v1(m.id, %s, %s::jsonb), '
    '(SELECT count(*) FROM cronsched.seats AS s WHERE s.member = m.id), '
    '(SELECT max(s.epoch) FROM cronsched.seats AS s WHERE s.member = m.id), '
    'cronsched.look_v1(ARRAY[m.id]), cronsched.now_v1(NULL) - m.seen '
    'FROM cronsched.members AS m ORDER BY m.since, m.id')


class PostgresSeats:
    """See the module. `claims` is the session that claims are asked with: both
    are of one member."""

    def __init__(
        self, claims: Session, place: str, say_again: Callable[[Session], int],
        source: Source | None = None,
    ) -> None:
        self._claims = claims
        self._session = Session(source or claims.source, PATIENCE)
        self._place = place
        self._say_again = say_again
        self._native: NativeBeats | None = None
        self.member = 0

    # -- a member --------------------------------------------------------------

    def join(self, hold: float = 3.0, lost_after: float | None = 60.0,
             heart: Heart | None = None) -> None:
        self._end_native()
        if self.member:
            self._claims.forget_member()
        member = self._claims.member()
        if not self._enter(member, hold, lost_after):
            self._claims.forget_member()   # it was one before, and is dead
            member = self._claims.member()
            self._enter(member, hold, lost_after)
        self.member = member
        self._native = NativeBeats(self._session, heart) if heart else None

    def _enter(self, member: int, hold: float, lost_after: float | None) -> bool:
        return bool(self._ask(
            'SELECT cronsched.enter_v1(%s, %s, %s, %s)', member, self._place, hold,
            lost_after)[0][0])

    def beat(self, offset: float | None = None, lineage: int | None = None) -> Beat | None:
        values = [
            '' if value is None else str(value) for value in (lineage, self.member, offset)]
        answer: tuple[Timing | None, str] | None
        try:
            if self._native is None:
                answer = None, self._ask(BEAT_OF_PYTHON, *values)[0][1]
            else:
                answer = self._native.next(BEAT, values)
        except NoNativeBeats:
            self._native = None
            return self.beat(offset, lineage)
        if answer is None:
            return None
        beat = _beat(*answer)
        if not beat.alive:
            self._claims.forget_member()
        return beat

    def convict(self, suspect: int, beat: int) -> bool:
        return bool(self._ask(
            'SELECT cronsched.convict_v1(%s, %s, %s)', self.member, suspect, beat)[0][0])

    def leave(self) -> None:
        self._end_native()
        if self.member:
            self._ask('SELECT cronsched.leave_v1(%s)', self.member)
            self.member = 0

    # -- seats -----------------------------------------------------------------

    def take(self, application_ids: Collection[str]) -> Mapping[str, int]:
        return dict(self._ask(
            'SELECT application_id, epoch FROM cronsched.take_v1(%s, %s::text[])', self.member,
            sorted(application_ids)))

    def mine(self) -> Mapping[str, int]:
        return dict(self._ask(
            'SELECT application_id, epoch FROM cronsched.seats_v1(%s)', self.member))

    def want(self, application_ids: Collection[str]) -> None:
        self._ask('SELECT cronsched.want_v1(%s, %s::text[])', self.member, list(application_ids))

    def give(self, application_ids: Collection[str]) -> None:
        self._ask('SELECT cronsched.give_v1(%s, %s::text[])', self.member, list(application_ids))

    def say_again(self) -> int:
        return self._say_again(self._session)

    def close(self) -> None:
        if self._native is not None:
            self._native.close()
        self._session.close()

    def _end_native(self) -> None:
        if self._native is not None:
            self._native.close()
        self._native = None

    def _ask(self, sql: str, *values: Any) -> Rows:
        return self._session.ask(sql, values)


def _beat(timing: Timing | None, text: str) -> Beat:
    said = json.loads(bytes.fromhex(text))
    suspects = said['suspects'] or ()
    return Beat(
        said['alive'], said['now'], f'{said["timeline"]}/{said["started"]}', said['timeline'],
        said['quiet'], said['free'], said['requested'], tuple(said['places'] or ()),
        dict(zip(suspects, said['beats'] or (), strict=True)),
        dict(zip(suspects, said['holds'] or (), strict=True)), tuple(said['wanted'] or ()),
        timing)


def listed(session: Session) -> list[Member]:
    """All members that are not forgotten, the oldest first."""
    me = session.known_member()
    rows = session.ask(LISTED, (me, None))
    return [_member(row) for row in rows]


def fleet(session: Session) -> Fleet:
    counts: dict[str, int] = dict(session.ask('SELECT name, count FROM cronsched.counters'))
    free, = session.ask('SELECT count(*) FROM cronsched.seats WHERE member IS NULL')[0]
    return Fleet(free, **{name: counts.get(name, 0) for name in COUNTED})


def _member(row: tuple[Any, ...]) -> Member:
    (number, machine, host, pid, since, seen, dead, offset, lives, seats, epoch, process,
     silent) = row
    if lives == 'look':
        lives = next(iter(json.loads(looked_at(process) or '{}').values()), 'unknown')
    alive = {'alive': True, 'dead': False}.get(lives)
    if dead:               # convicted, or it left; or it comes from another ledger
        alive = False
    elif seen is not None and alive is None:   # it beats
        alive = True
    return Member(
        number, machine, host, pid, since, alive, seats, epoch or 0, seen, offset, silent)
