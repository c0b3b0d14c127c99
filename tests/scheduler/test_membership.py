"""Members of several machines, over a real database and clocks moved by hand:
what passes for the machines passes for the time stamps of the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import postgres
import pytest

from cronsched._cronsched import Heartbeat, Scheduler
from cronsched.base import clock
from cronsched.ledger.postgres.connections import Source, disconnect, execute
from cronsched.ledger.postgres.members import PostgresSeats
from cronsched.ledger.postgres.session import Session
from cronsched.ledger.values import LedgerError
from cronsched.scheduler.judge import BEAT, HOLD
from cronsched.scheduler.membership import CALM, LOOKS, MOST_OFFSET, Membership
from cronsched.scheduler.pace import DEFAULT, Pace

IDS = [f'org/{number}' for number in range(12)]


class Machine:
    """What a membership has to do with: the native scheduler, and the rest."""

    def __init__(
        self, fleet: Fleet, name: str, ids: list[str], pace: Pace = DEFAULT,
    ) -> None:
        self.fleet, self.name = fleet, name
        self.ids = set(ids)
        self.fires: dict[str, int] = {}
        self.until = 0.0
        self.said_again = 0
        self.is_cut_off = False
        self.claims = Session(Source(fleet.url))
        self.seats = PostgresSeats(self.claims, name, self._say_again)
        self.membership = Membership(self, self.seats, name, pace)

    def _say_again(self, session: Session) -> int:
        self.said_again += 1
        return 3

    # What `Shared` asks for.

    def monotonic(self) -> float:
        return self.fleet.now

    def leased(self) -> set[str]:
        return self.ids

    def grant(self, application_id: str, epoch: int) -> None:
        self.fires[application_id] = epoch

    def revoke(self, application_id: str) -> None:
        self.fires.pop(application_id, None)

    def valid(self, until: float) -> None:
        self.until = until

    def retire(self) -> None:
        self.until = 0.0

    # What the tests ask for.

    def turn(self) -> None:
        if self.is_cut_off:
            self.seats.close()
        else:
            self.membership.turn()

    @property
    def sends(self) -> set[str]:
        return set(self.fires) if self.fleet.now < self.until else set()


class Fleet:
    """See the module."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.now = 1000.0
        self.machines: list[Machine] = []
        self._made: list[Machine] = []
        self._connection = Source(postgres.server().url(postgres.database_of(url))).connect(5.0)
        self.sql("DELETE FROM cronsched.state WHERE key IN ('timeline', 'quiet')")

    def machine(self, name: str, ids: list[str] = IDS, pace: Pace = DEFAULT) -> Machine:
        made = Machine(self, name, ids, pace)
        self.machines.append(made)
        self._made.append(made)
        return made

    def sql(self, text: str) -> list[tuple[object, ...]]:
        return execute(self._connection, text)

    def wait(self, seconds: float) -> None:
        """Nobody does anything."""
        self.now += seconds
        self.sql(f'UPDATE cronsched.members SET seen = seen - {seconds}')

    def run(self, seconds: float = 0.0) -> None:
        """All beat. Nothing has two senders, ever."""
        for _ in range(int(seconds / BEAT) + 1):
            for machine in self.machines:
                machine.turn()
            sent = [each for machine in self.machines for each in machine.sends]
            assert len(sent) == len(set(sent)), 'two send for the same'
            self.wait(BEAT)

    def owners(self) -> dict[str, str]:
        return {each: machine.name for machine in self.machines for each in machine.sends}

    def close(self) -> None:
        for machine in self._made:
            machine.seats.close()
            machine.claims.close()
        disconnect(self._connection)


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    fleet = Fleet(postgres.server().clean_database())
    yield fleet
    fleet.close()


def test_one_machine_has_everything_at_once(fleet: Fleet) -> None:
    alone = fleet.machine('a')
    alone.turn()
    assert alone.fires == dict.fromkeys(IDS, 1)
    assert alone.until == fleet.now + HOLD


def test_who_comes_later_gets_its_part_when_all_is_calm(fleet: Fleet) -> None:
    first = fleet.machine('a')
    fleet.run(1)
    second = fleet.machine('b')
    fleet.run(CALM - 5)
    assert first.sends == set(IDS)
    fleet.run(10)
    assert first.sends | second.sends == set(IDS)
    assert second.sends
    assert first.sends
    assert {second.fires[each] for each in second.sends} == {2}


def test_a_dead_machine_is_followed_within_six_seconds(fleet: Fleet) -> None:
    dead, heir, other = fleet.machine('a'), fleet.machine('b'), fleet.machine('c')
    fleet.run(3)
    assert dead.sends
    assert set(fleet.owners()) == set(IDS)
    fleet.machines.remove(dead)
    fleet.run(HOLD)
    assert not (heir.sends | other.sends) & set(dead.fires)
    fleet.run(6.0 - HOLD - BEAT)
    assert heir.sends | other.sends == set(IDS)
    assert {heir.fires.get(each) or other.fires[each] for each in dead.fires} == {2}


def test_a_process_that_stands_still_beside_one_that_lives_is_followed_as_fast(
    fleet: Fleet,
) -> None:
    """Its machine has them by the hash still, where the lease is not to be had."""
    stopped = fleet.machine('a')
    fleet.run(1)
    fleet.machine('a', ['org/x'])
    heir = fleet.machine('b')
    fleet.run(2)
    assert stopped.sends == set(IDS)
    fleet.machines.remove(stopped)
    fleet.run(6.0 - BEAT)
    assert heir.sends == set(IDS)


def test_machines_of_another_pace_are_waited_for(fleet: Fleet) -> None:
    slow = fleet.machine('a', pace=Pace(12.0))
    heir = fleet.machine('b', pace=Pace(4.0))
    fleet.run(3)
    assert heir.until - fleet.now < 2.0
    assert slow.until - fleet.now > 5.0
    assert slow.sends
    fleet.machines.remove(slow)
    fleet.run(6.0)       # as long as its last beat lets it fire
    assert heir.sends.isdisjoint(slow.fires)
    fleet.run(3.0)
    assert heir.sends == set(IDS)


@pytest.mark.parametrize('reached', [True, False])
def test_who_leaves_beats_no_more_and_then_holds_nobody_up(
    reached: bool, fleet: Fleet, monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = fleet.machine('a')
    fleet.run(1)
    did: list[str] = []

    def leave() -> None:
        did.append('left')
        if not reached:
            raise LedgerError('away')

    monkeypatch.setattr(machine.seats, 'leave', leave)
    monkeypatch.setattr(machine, 'retire', lambda: did.append('retired'))
    with nullcontext() if reached else pytest.raises(LedgerError):
        machine.membership.leave()
    assert did == ['left', 'retired']
    monkeypatch.undo()


def test_who_leaves_is_followed_at_once(fleet: Fleet) -> None:
    leaving, heir = fleet.machine('a'), fleet.machine('b')
    fleet.run(3)
    leaving.ids = set()
    fleet.run()
    assert leaving.sends == set()
    fleet.run()
    assert heir.sends == set(IDS)
    leaving.ids = set(IDS)   # and comes back as somebody new
    before = leaving.seats.member
    fleet.run(CALM + 5)
    assert leaving.seats.member != before
    assert leaving.sends


def test_what_nobody_else_serves_is_taken_by_who_does(fleet: Fleet) -> None:
    fleet.machine('a', [])
    idle = fleet.machine('b', ['org/x'])   # it lives, and is the first of some
    only = fleet.machine('c')
    fleet.run(4)
    assert only.sends == set(IDS)
    assert idle.sends == {'org/x'}


def test_a_machine_that_was_cut_off_holds_and_then_begins_anew(fleet: Fleet) -> None:
    cut, heir = fleet.machine('a'), fleet.machine('b')
    fleet.run(3)
    had = set(cut.fires)
    member = cut.seats.member
    cut.is_cut_off = True
    fleet.run(HOLD)
    assert cut.fires.keys() == had   # held, not disowned
    assert cut.sends == set()
    fleet.run(4)
    assert heir.sends == set(IDS)
    cut.is_cut_off = False
    fleet.run(1)
    assert cut.fires == {}
    assert cut.seats.member not in (0, member)


def test_a_store_that_stood_still_convicts_nobody(fleet: Fleet) -> None:
    fleet.machine('a'), fleet.machine('b')
    fleet.run(3)
    for stall in (2.5, 20.0, 60.0):
        fleet.wait(stall)
        fleet.run(8)
        assert set(fleet.owners()) == set(IDS)
    assert fleet.sql('SELECT count(*) FROM cronsched.members WHERE dead') == [(0,)]


def test_who_stood_still_is_deposed_and_the_others_are_not(fleet: Fleet) -> None:
    slow, heir = fleet.machine('a'), fleet.machine('b')
    fleet.run(3)
    fleet.machines.remove(slow)
    fleet.run(90)
    fleet.machines.append(slow)
    fleet.run()   # it judges nobody by what it has seen long ago
    assert heir.sends == set(IDS)
    fleet.run(5)
    assert not any(row[0] for row in fleet.sql(
        f'SELECT dead FROM cronsched.members WHERE id = {heir.seats.member}'))


def test_another_lineage_has_all_claims_said_again_before_anything(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = fleet.machine('a')
    fleet.run(1)
    said: list[str] = []
    monkeypatch.setattr(machine, 'valid', lambda until: said.append('valid'))
    monkeypatch.setattr(machine.seats, '_say_again', lambda session: said.append('claims') or 0)
    fleet.sql("UPDATE cronsched.state SET value = '0' WHERE key = 'timeline'")
    machine.membership._lineage = 0   # of the server before
    machine.turn()
    assert said == ['claims']   # and it is quiet
    fleet.sql("UPDATE cronsched.state SET value = split_part(value, ' ', 1) || ' 0' "
              "WHERE key = 'quiet'")
    machine.turn()
    assert said == ['claims', 'valid']


def test_seats_that_the_new_server_has_not_are_given_up(fleet: Fleet) -> None:
    machine = fleet.machine('a')
    fleet.run(1)
    fleet.sql("UPDATE cronsched.seats SET member = NULL, epoch = 0 WHERE application_id = 'org/3'")
    fleet.sql('UPDATE cronsched.seats SET epoch = 9 WHERE application_id = \'org/4\'')
    machine.membership._lineage = 0
    machine.turn()
    assert machine.fires['org/4'] == 9
    machine.turn()
    assert machine.fires['org/3'] == 1
    assert len(machine.fires) == len(IDS)


def test_epochs_grow_over_a_promotion(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet.machine('a').turn()
    fleet.sql('CREATE OR REPLACE FUNCTION cronsched.timeline_v1() RETURNS bigint '
              "LANGUAGE sql AS 'SELECT 3::bigint'")
    try:
        fleet.sql('UPDATE cronsched.seats SET member = NULL, epoch = 0')
        fleet.machines[0].membership._must_look = True
        fleet.run(1)
        assert set(fleet.machines[0].fires.values()) == {2_000_001}
    finally:
        fleet.sql('CREATE OR REPLACE FUNCTION cronsched.timeline_v1() RETURNS bigint '
                  "LANGUAGE sql VOLATILE AS $$ SELECT ('x' || left(pg_walfile_name("
                  'pg_current_wal_insert_lsn()), 8))::bit(32)::bigint $$')


def test_a_clock_that_is_far_off_gives_its_seats_up(fleet: Fleet) -> None:
    wrong, right = fleet.machine('a'), fleet.machine('b')
    fleet.run(3)
    assert wrong.sends
    def ahead() -> float:
        return fleet.sql('SELECT cronsched.now_v1(NULL)')[0][0] + MOST_OFFSET + 1

    with clock.in_place(ahead):
        wrong.turn()
    assert wrong.fires == {}
    fleet.machines.remove(wrong)
    fleet.run(3)   # it lives, so its part is left to it for a while
    assert right.sends == set(IDS)
    wrong.turn()   # it was set right
    assert not wrong.membership._far_off


def test_the_store_that_cannot_be_used_is_tried_again(fleet: Fleet) -> None:
    machine = fleet.machine('a')
    fleet.run(1)
    fleet.sql('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> '
              'pg_backend_pid() AND datname = current_database()')
    machine.turn()   # by another connection
    assert machine.fires == dict.fromkeys(IDS, 1)


def test_two_that_convict_each_other_are_not_both_dead(fleet: Fleet) -> None:
    one, other = fleet.machine('a'), fleet.machine('b')
    fleet.run(1)
    beats = dict(fleet.sql('SELECT id, beat FROM cronsched.members'))
    assert one.seats.convict(other.seats.member, beats[other.seats.member])
    assert not other.seats.convict(one.seats.member, beats[one.seats.member])
    assert other.seats.take(['org/new']) == {}


def test_who_has_beaten_since_is_not_convicted(fleet: Fleet) -> None:
    one, other = fleet.machine('a'), fleet.machine('b')
    fleet.run(1)
    beats = dict(fleet.sql('SELECT id, beat FROM cronsched.members'))
    other.turn()
    assert not one.seats.convict(other.seats.member, beats[other.seats.member])


def test_a_database_that_does_not_answer_changes_nothing(fleet: Fleet) -> None:
    machine = fleet.machine('a')
    machine.turn()
    until = machine.until
    machine.seats._session.patience = 0.5
    fleet.sql('BEGIN')
    fleet.sql('SELECT FROM cronsched.members FOR UPDATE')
    fleet.now += BEAT
    with pytest.raises(LedgerError):
        machine.turn()
    assert machine.fires.keys() == set(IDS)
    assert machine.until == until
    fleet.sql('ROLLBACK')
    machine.turn()
    assert machine.until > until


def test_a_member_that_left_is_somebody_new_when_it_comes_back(fleet: Fleet) -> None:
    machine = fleet.machine('a')
    machine.turn()
    member = machine.seats.member
    machine.membership.leave()
    assert machine.until == 0
    machine.turn()
    assert machine.seats.member > member
    assert machine.claims.member() == machine.seats.member


def test_where_the_native_thread_beats_a_turn_waits_for_its_answer(fleet: Fleet) -> None:
    machine, native = fleet.machine('a'), Scheduler()
    heart = Heartbeat(
        native, native.granter(), period=0.05, hold=HOLD, patience=5.0, silence=30.0)
    membership = Membership(machine, machine.seats, 'a', heart=heart)
    machine.until = 5.0
    assert membership.turn() == 0.0
    assert machine.fires == dict.fromkeys(IDS, 1)
    assert machine.until == 0.0     # from then on the native thread says it
    heart.pause()
    assert membership.turn() == DEFAULT.beat / LOOKS    # there is nothing to wait for
    heart.resume()
    assert membership.turn() == 0.0
    membership.leave()
