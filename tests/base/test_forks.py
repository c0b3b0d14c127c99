from __future__ import annotations

import os

from processes import run_python

from cronsched.base import forks

FORKED = """
    import ctypes, os
    from cronsched.base.forks import process_id

    fork = {fork}
    parent = process_id()
    assert parent == os.getpid()
    child = fork()
    if child == 0:
        assert process_id() == os.getpid() != parent
        grandchild = fork()
        if grandchild == 0:
            os._exit(process_id() != os.getpid())
        os._exit(os.waitpid(grandchild, 0)[1])
    assert os.waitpid(child, 0)[1] == 0
    assert process_id() == parent
    print('right')
"""


def test_it_is_the_id_of_the_process_that_asks():
    assert forks.process_id() == os.getpid()
    assert run_python(FORKED.format(fork='os.fork')) == 'right\n'


def test_a_fork_that_runs_no_hook_is_noticed():
    assert run_python(FORKED.format(fork='ctypes.CDLL(None).fork')) == 'right\n'


def test_where_the_kernel_cannot_wipe_the_system_is_asked(monkeypatch):
    def refuse(*arguments):
        raise OSError('EINVAL')

    monkeypatch.setattr(forks.mmap, 'mmap', refuse)
    here = forks.mark()
    assert here[0] == 1
    monkeypatch.setattr(forks.os, 'getpid', lambda: -1)   # as in a child
    assert here[0] == 0
    here[0] = 1
    assert here[0] == 1
    monkeypatch.undo()
    monkeypatch.setattr(forks.sys, 'platform', 'darwin')
    assert type(forks.mark()) is type(here)
