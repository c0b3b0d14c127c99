"""What happens to a laboratory, at random, but the same each time.

Example::

    nemesis = Nemesis(laboratory, seed=13)
    nemesis.run(minutes=15)
    nemesis.strikes, nemesis.takeovers

Those of a host always hit the one that has most seats. How long until others
have all of its seats is measured where that has to happen.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import releases
import torments
from clocks import Clock
from hosts import Host
from laboratory import Laboratory

HOUR = 3600


def takeover(
    laboratory: Laboratory, name: str, action: Callable[[], object], pid: int | None = None,
) -> float:
    """What befalls a host, or one process of it, and how long until others have
    its last seat, in seconds."""
    members, pids = laboratory.members(), laboratory.seat_pids()
    had = {each: members[each] for each, host in laboratory.seated().items()
           if host == name and pid in (None, pids[each])}
    action()
    return laboratory.until(lambda: all(
        member not in (None, had.get(each, 0)) for each, member in laboratory.members().items()))


def greatest(laboratory: Laboratory) -> Host:
    """The host that has most seats."""
    owners = list(laboratory.seated().values())
    return laboratory.hosts[max(sorted(set(owners)), key=owners.count)]


def kill_owner(laboratory: Laboratory) -> float:
    """The takeover, in seconds; the host is there again when this returns."""
    host = greatest(laboratory)
    took = takeover(laboratory, host.name, host.kill)
    laboratory.until(lambda: host.name not in laboratory.record.owners().values())
    host.start()
    return took


class Nemesis:
    """See the module. `strikes` counts, `takeovers` are in seconds."""

    def __init__(self, laboratory: Laboratory, seed: int) -> None:
        self.laboratory = laboratory
        self.chance = random.Random(seed)
        self.strikes: Counter[str] = Counter()
        self.takeovers: dict[str, list[float]] = {}
        self._migrated = False

    def all(self) -> list[Callable[[], None]]:
        found = [
            self.kill_host, self.kill_worker, self.stop_host, self.stop_worker, self.stop_long,
            self.cut, self.cut_long, self.blip, self.deaf, self.mute, self.webless, self.deploy,
            self.set_clock, self.set_clock_an_hour, self.set_database_clock, self.busy, self.hold,
            self.stall, self.crash, self.lose_answers, self.terminate]
        if self.laboratory.database.has_room:
            found.append(self.fill_disk)
        if self.laboratory.pooler is not None:
            found.append(self.restart_pooler)
        if self.laboratory.standby is not None:
            found.append(self.lose_standby)
        return found

    def run(self, minutes: float) -> None:
        """One after the other, each as often."""
        end = time.monotonic() + minutes * 60
        deck: list[Callable[[], None]] = []
        while time.monotonic() < end:
            deck = deck or self.all()
            self.strike(deck.pop(self.chance.randrange(len(deck))))

    def strike(self, nemesis: Callable[[], None]) -> None:
        began = time.strftime('%H:%M:%S')
        try:
            nemesis()
            time.sleep(self.chance.uniform(1, 4))
            self.laboratory.until(lambda: self.laboratory.all_seated(3), 60)
        except BaseException:
            print(f'{began} {nemesis.__name__}: here it ended', flush=True)
            raise
        self.strikes[nemesis.__name__] += 1
        print(f'{began} {nemesis.__name__}', flush=True)

    def _take(
        self, what: str, host: Host, action: Callable[[], object], pid: int | None = None,
    ) -> None:
        took = takeover(self.laboratory, host.name, action, pid)
        self.takeovers.setdefault(what, []).append(took)

    def _owner(self) -> tuple[Host, int]:
        """The process that has most seats, and its host."""
        pids, hosts = self.laboratory.seat_pids(), self.laboratory.seated()
        pid, _ = Counter(pids[each] for each in hosts).most_common(1)[0]
        return self.laboratory.hosts[next(hosts[each] for each in hosts if pids[each] == pid)], pid

    # -- processes -------------------------------------------------------------

    def kill_host(self) -> None:
        host = greatest(self.laboratory)
        self._take('host killed', host, host.kill)
        host.start()

    def kill_worker(self) -> None:
        host, pid = self._owner()
        self._take('owner killed', host, lambda: os.kill(pid, signal.SIGKILL), pid)
        if host.kind == 'asgi':   # nobody else starts it again
            host.kill()
            host.start()

    def stop_host(self) -> None:
        self._stop_host(8)

    def stop_long(self) -> None:
        self._stop_host(90)

    def _stop_host(self, seconds: float) -> None:
        host = greatest(self.laboratory)
        self._take('host stopped', host, lambda: host.tell(signal.SIGSTOP))
        time.sleep(seconds)
        host.tell(signal.SIGCONT)

    def stop_worker(self) -> None:
        host, pid = self._owner()
        self._take('owner stopped', host, lambda: os.kill(pid, signal.SIGSTOP), pid)
        with suppress(ProcessLookupError):   # gunicorn may have killed it
            os.kill(pid, signal.SIGCONT)

    def busy(self) -> None:
        """64 threads of the owner want to run."""
        os.kill(self._owner()[1], torments.BUSY)
        time.sleep(torments.SECONDS + 1)

    def hold(self) -> None:
        """No Python runs in the owner."""
        os.kill(self._owner()[1], torments.HOLD)
        time.sleep(torments.SECONDS + 2)

    def deploy(self) -> None:
        """Of this release and the next, in turn."""
        if not self._migrated:
            releases.migrate(self.laboratory.database, 'fleet')
            self._migrated = True
        host = greatest(self.laboratory)
        host.release = 3 - host.release
        self._take(f'left, {host.kind}', host, host.stop)
        host.start()

    # -- the network -----------------------------------------------------------

    def cut(self) -> None:
        self._cut(8)

    def cut_long(self) -> None:
        self._cut(90)

    def _cut(self, seconds: float) -> None:
        host = greatest(self.laboratory)
        self._take('cut off', host, host.cut)
        time.sleep(seconds)
        host.mend()

    def blip(self) -> None:
        host = greatest(self.laboratory)
        host.cut()
        time.sleep(1)
        host.mend()

    def deaf(self) -> None:
        self._half_cut('deaf')

    def mute(self) -> None:
        self._half_cut('mute')

    def _half_cut(self, what: str) -> None:
        host = greatest(self.laboratory)
        with host.half_cut(what):
            self._take(what, host, lambda: None)
            time.sleep(self.chance.choice([1, 8]))

    def webless(self) -> None:
        """Its own web server cannot be reached: nobody else fires for it."""
        with greatest(self.laboratory).half_cut('webless'):
            time.sleep(8)

    # -- clocks ----------------------------------------------------------------

    def set_clock(self) -> None:
        host = greatest(self.laboratory)
        self._set(host.clock, self.chance.choice([-5, 5]))

    def set_clock_an_hour(self) -> None:
        self._set(greatest(self.laboratory).clock, HOUR)

    def set_database_clock(self) -> None:
        self._set(self.laboratory.clock, self.chance.choice([-10, 10]))

    def _set(self, clock: Clock, step: int) -> None:
        before = clock.seconds
        clock.set(before + step)
        time.sleep(8)
        clock.set(before)

    # -- the database ----------------------------------------------------------

    def stall(self) -> None:
        self.laboratory.primary.freeze()
        time.sleep(2.5)
        self.laboratory.primary.thaw()

    def crash(self) -> None:
        self.laboratory.primary.stop(signal.SIGQUIT)
        time.sleep(self.chance.choice([1, 20]))
        self.laboratory.primary.start()

    def terminate(self) -> None:
        self.laboratory.sql('SELECT pg_terminate_backend(pid) FROM pg_stat_activity '
                            "WHERE usename = 'owner' AND pid <> pg_backend_pid() "
                            "AND backend_type = 'client backend'")

    def lose_answers(self) -> None:
        self.laboratory.way.lose_each = 50
        time.sleep(10)
        self.laboratory.way.lose_each = 0

    def fill_disk(self) -> None:
        primary = self.laboratory.primary
        with primary.full_disk():
            time.sleep(10)
        primary.revive()

    def restart_pooler(self) -> None:
        assert self.laboratory.pooler is not None
        self.laboratory.pooler.stop()
        time.sleep(2)
        self.laboratory.pooler.start()

    def lose_standby(self) -> None:
        assert self.laboratory.standby is not None
        self.laboratory.standby.freeze()
        time.sleep(8)
        self.laboratory.standby.thaw()
