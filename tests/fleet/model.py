"""Every state that beat, judge, take and claim can reach, looked at one by one.

Example::

    found = search(Protocol())
    found.broken                              # None: nothing bad is reachable
    search(Protocol(unique_key=False)).broken # 'a run was granted twice'

Three members share a database and one run that is due: each sends, claims and
executes. Any of them may stand
still for as long as it likes, any message may be lost or late, an answer may
be lost after its commit, and the database may fail over once to a standby that
is behind by any of it. Time goes in ticks, of a beat each.

`Protocol` names the safety nets, so that a test can take each away; `World`
what the protocol cannot help: both say what the documentation promises.

    python tests/fleet/model.py [hold]      # a larger search
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

#: What must not be reachable.
TWICE: Final = 'a run was granted twice'
TWO_SENDERS: Final = 'two members may send at the same time'
CLOSED: Final = 'a deposed sender closed a run that nobody had executed'

NOBODY, SENDER = -1, -2     # who holds the key: none, or a sender's record
IDLE, ASKED, UNSURE, ENDED = range(4)   # a request, by its receiver


@dataclass(frozen=True)
class Protocol:
    """See the module. `hold`: ticks for which an answered beat lets its member
    send, from the beat's start. `judge`: own beats without a sign of the other
    after which it is convicted. `quiet`: ticks after a failover in which
    nothing is granted, and nobody is convicted."""

    hold: int = 1
    judge: int = 2
    quiet: int = 1
    unique_key: bool = True
    says_again: bool = True     # its claims, after a failover
    gate: bool = True           # nothing is granted while it is quiet
    fence: bool = True          # a deposed sender records nothing
    prunes_early: bool = False


@dataclass(frozen=True)
class World:
    """What a protocol has to bear. `claimants_return`: whoever has executed
    lives, and reaches the new primary while it is quiet."""

    members: int = 3
    failover: bool = True
    claimants_return: bool = True


class Member(NamedTuple):
    valid: int = 0          # ticks in which it may send: it was told that it owns
    beaten: bool = False    # in this tick
    seen: int = 0           # own beats since the owner of the seat gave a sign
    request: int = IDLE
    claimed: bool = False   # it executes, or did, and remembers
    aware: bool = True      # of the failover


class Database(NamedTuple):
    seat: int = 0           # the member that owns it
    dead: bool = False      # who owns it was convicted
    key: int = NOBODY


class State(NamedTuple):
    members: tuple[Member, ...]
    primary: Database = Database()
    standby: Database = Database()
    promoted: bool = False
    quiet: int = 0
    granted: int = 0
    closed: bool = False




def _with(state: State, index: int, member: Member, **more: object) -> State:
    members = (*state.members[:index], member, *state.members[index + 1:])
    return state._replace(members=members, **more)   # type: ignore[arg-type]


# -- what may happen next ------------------------------------------------------

def following(state: State, protocol: Protocol, world: World) -> Iterator[State]:
    yield from _tick(state, world)
    yield from _database(state, protocol, world)
    for index, member in enumerate(state.members):
        if not member.beaten:
            yield from _beat(state, index, protocol)
        yield from _judge(state, index, protocol)
        yield from _request(state, index, protocol)


def _tick(state: State, world: World) -> Iterator[State]:
    ends = state.quiet == 1
    if ends and world.claimants_return and any(
            each.claimed and not each.aware for each in state.members):
        return
    yield state._replace(
        quiet=max(state.quiet - 1, 0),
        members=tuple(
            each._replace(valid=max(each.valid - 1, 0), beaten=False)
            for each in state.members))


def _database(state: State, protocol: Protocol, world: World) -> Iterator[State]:
    if world.failover and not state.promoted:
        if state.standby != state.primary:
            yield state._replace(standby=state.primary)   # it has caught up
        members = tuple(each._replace(aware=False, seen=0) for each in state.members)
        yield state._replace(
            primary=state.standby, standby=Database(), promoted=True, quiet=protocol.quiet,
            members=members)
    if protocol.prunes_early and state.primary.key >= 0:
        yield state._replace(primary=state.primary._replace(key=NOBODY))


def _beat(state: State, index: int, protocol: Protocol) -> Iterator[State]:
    """It arrives now. It began up to a hold ago, and its answer may be lost."""
    member, primary = state.members[index], state.primary
    if not member.aware and member.claimed and protocol.says_again and primary.key == NOBODY:
        primary = primary._replace(key=index)
    takes = primary.dead and primary.seat != index
    if takes:
        primary = primary._replace(seat=index, dead=False)
    owns = primary.seat == index and not primary.dead
    others = tuple(each._replace(seen=0) for each in state.members) if owns else state.members
    beaten = others[index]._replace(beaten=True, aware=True)
    state = state._replace(members=others, primary=primary)
    yield _with(state, index, beaten)   # the answer is lost
    if owns:
        for age in range(protocol.hold):
            yield _with(state, index, beaten._replace(valid=protocol.hold - age))
    else:
        seen = min(member.seen + 1, protocol.judge) if member.aware else 0
        yield _with(state, index, beaten._replace(valid=0, seen=seen))


def _judge(state: State, index: int, protocol: Protocol) -> Iterator[State]:
    primary = state.primary
    convinced = state.members[index].seen >= protocol.judge and primary.seat != index
    if convinced and not (state.quiet or primary.dead):
        members = tuple(each._replace(seen=0) for each in state.members)
        yield state._replace(members=members, primary=primary._replace(dead=True))


def _request(state: State, index: int, protocol: Protocol) -> Iterator[State]:
    member = state.members[index]
    if member.request == IDLE and member.valid:
        yield _with(state, index, member._replace(request=ASKED))
    if member.request in (ASKED, UNSURE) and not (protocol.gate and state.quiet):
        yield from _claim(state, index, protocol)
    if member.request == ASKED:
        # It met no receiver, and its sender is about to say so.
        yield from _record(state, index, protocol)


def _claim(state: State, index: int, protocol: Protocol) -> Iterator[State]:
    member, primary = state.members[index], state.primary
    free = primary.key in (NOBODY, index) or not protocol.unique_key
    if not free or member.claimed:
        yield _with(state, index, member._replace(request=ENDED))
        return
    primary = primary._replace(key=index)
    yield _with(state, index, member._replace(request=UNSURE), primary=primary)
    yield _with(
        state, index, member._replace(request=ENDED, claimed=True), primary=primary,
        granted=state.granted + 1)


def _record(state: State, index: int, protocol: Protocol) -> Iterator[State]:
    member, primary = state.members[index], state.primary
    in_office = primary.seat == index and not primary.dead
    ended = member._replace(request=ENDED)
    if primary.key != NOBODY or (protocol.fence and not in_office):
        yield _with(state, index, ended)
    else:
        yield _with(
            state, index, ended, primary=primary._replace(key=SENDER),
            closed=state.closed or not in_office)


# -- the search ----------------------------------------------------------------

def canonical(state: State) -> State:
    """The same state with its members in an order of their own: who is called
    what makes no difference."""
    places = sorted(range(len(state.members)), key=lambda each: (
        state.members[each], state.primary.seat == each, state.primary.key == each,
        state.standby.seat == each, state.standby.key == each))
    if places == sorted(places):
        return state
    now = {place: index for index, place in enumerate(places)}
    return state._replace(
        members=tuple(state.members[place] for place in places),
        primary=_renamed(state.primary, now), standby=_renamed(state.standby, now))


def _renamed(database: Database, now: dict[int, int]) -> Database:
    return database._replace(
        seat=now[database.seat], key=now.get(database.key, database.key))


def broken(state: State) -> str | None:
    if state.granted > 1:
        return TWICE
    if state.closed:
        return CLOSED
    if not state.promoted and sum(each.valid > 0 for each in state.members) > 1:
        return TWO_SENDERS
    return None


@dataclass
class Found:
    """What a search came to; `path` leads to what is broken."""

    broken: str | None = None
    path: list[State] = field(default_factory=list)
    states: int = 0
    took: float = 0.0


def search(protocol: Protocol, world: World | None = None, most: int = 10_000_000) -> Found:
    """Breadth first, so the path is a shortest one."""
    began, world = time.perf_counter(), world or World()
    first = canonical(State((Member(),) * world.members))
    origin: dict[State, State | None] = {first: None}
    waiting = deque([first])
    while waiting and len(origin) < most:
        state = waiting.popleft()
        for each in map(canonical, following(state, protocol, world)):
            if each in origin:
                continue
            origin[each] = state
            if what := broken(each):
                return Found(what, _path(origin, each), len(origin), time.perf_counter() - began)
            waiting.append(each)
    assert not waiting, f'more than {most} states'
    return Found(None, [], len(origin), time.perf_counter() - began)


def _path(origin: dict[State, State | None], state: State | None) -> list[State]:
    path = []
    while state is not None:
        path.append(state)
        state = origin[state]
    return path[::-1]


def main() -> None:
    hold = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    protocol = Protocol(hold=hold, judge=hold + 1)
    found = search(protocol)
    print(f'{protocol}: {found.broken or "nothing bad is reachable"}; '
          f'{found.states} states in {found.took:.1f} s')
    for state in found.path:
        print(state)
    sys.exit(found.broken is not None)


if __name__ == '__main__':
    main()
