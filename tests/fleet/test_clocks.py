"""A clock of the laboratory is wrong for who has it, and can be set meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from clocks import Clocks

# A timer that asks to hear of it when the clock is set, as alarm.c has it.
SCRIPT = """
import ctypes, errno, select, sys, time
libc = ctypes.CDLL(None, use_errno=True)
timer = libc.timerfd_create(time.CLOCK_REALTIME, 0o4000)
libc.timerfd_settime(timer, 3, (ctypes.c_long * 4)(0, 0, int(time.time()) + 900, 0), None)
print(time.time(), flush=True)
rang = bool(select.select([timer], [], [], 10)[0])
result = libc.read(timer, ctypes.create_string_buffer(8), ctypes.c_size_t(8))
print(time.time(), rang, result, errno.errorcode.get(ctypes.get_errno()))
"""


@pytest.mark.skipif(sys.platform != 'linux', reason='namespaces and timerfd are of Linux')
def test_it_is_set_and_timers_hear_of_it() -> None:
    clocks = Clocks()
    clock = clocks.make('a', 5)
    with subprocess.Popen([sys.executable, '-c', SCRIPT], stdout=subprocess.PIPE, text=True,
                          env=os.environ | clock.environment) as process:
        assert process.stdout
        before = float(process.stdout.readline()) - time.time()
        clock.set(3600)
        after, *heard = process.stdout.readline().split()
        after = float(after) - time.time()
    clocks.close()
    assert (round(before), round(after)) == (5, 3600)
    assert heard == ['True', '-1', 'ECANCELED']
