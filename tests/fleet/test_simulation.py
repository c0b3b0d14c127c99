"""The simulation of docs/scale.md, smaller."""

from __future__ import annotations

import random
import re

import pytest
import simulate

from cronsched.scheduler.judge import HOLD


def test_it_tells_how_all_is_spread(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(simulate, 'DEATHS', 200)
    monkeypatch.setattr('sys.argv', ['simulate.py', '20000', '20', '4'])
    simulate.main()
    told = capsys.readouterr().out
    assert '20,000 ids, 20 hosts, 4 cells' in told
    least, most = re.findall(r'ids of a cell: .* average, ([0-9,]+) to ([0-9,]+)', told)[0]
    assert int(least.replace(',', '')) > 4_700
    assert int(most.replace(',', '')) < 5_300
    assert 'of the others 0 move' in told
    # With an offset of a minute, the load is level.
    busiest, idlest = re.findall(r'max_offset 60 s: ([0-9,]+) runs .* ([0-9,]+) in the', told)[0]
    assert int(busiest.replace(',', '')) < 1.5 * int(idlest.replace(',', ''))


def test_a_dead_host_is_convicted_within_six_seconds_but_not_before_it_holds() -> None:
    chance = random.Random(2)
    took = [simulate.takeover(chance) for _ in range(300)]
    assert max(took) < 6.0 - 0.5    # and a beat until the seats are taken
    assert min(took) > HOLD
