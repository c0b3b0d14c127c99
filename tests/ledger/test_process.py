"""Who a process is, and whether it lives: never by a host name."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from cronsched.ledger import process
from cronsched.ledger.process import Process, judge

HERE = replace(
    Process.current(), machine='machine-a', boot='boot-1', namespace='pid:[1]')


@pytest.fixture(autouse=True)
def here(monkeypatch):
    monkeypatch.setattr(process, '_current', lambda pid: HERE)


def test_a_process_of_this_namespace_is_known_by_pid_and_start():
    assert judge(HERE, held=None) is True
    assert judge(replace(HERE, started=HERE.started + 1), held=None) is False
    assert judge(replace(HERE, pid=1 << 30), held=True) is False


def test_a_process_that_was_there_before_a_reboot_is_dead():
    assert judge(replace(HERE, boot='boot-0'), held=None) is False


def test_two_machines_of_one_name_know_nothing_of_each_other():
    other = replace(HERE, machine='machine-b', boot='boot-9')
    assert other.host == HERE.host
    assert judge(other, held=None) is None
    assert judge(other, held=False) is None   # its disk is not this one


@pytest.mark.parametrize('held', [True, False, None])
@pytest.mark.parametrize('machine', ['machine-a', 'machine-b', ''])
def test_in_another_container_of_this_machine_its_lock_decides(machine, held):
    other = replace(HERE, machine=machine, namespace='pid:[2]', host='3f2a')
    assert judge(other, held=held) is held


@pytest.mark.parametrize('held', [True, False, None])
def test_a_container_without_a_machine_id_is_judged_by_its_lock_after_a_reboot(held):
    assert judge(replace(HERE, machine='', boot='boot-0'), held=held) is held


def test_without_proc_only_the_pid_is_looked_at(monkeypatch):
    mac = Process('', '', '', os.getpid(), 0, 'host')
    monkeypatch.setattr(process, '_current', lambda pid: mac)
    assert judge(mac, held=None) is True
    assert judge(replace(mac, pid=1 << 30), held=None) is False
    assert judge(replace(mac, host='elsewhere', pid=1 << 30), held=None) is None


def test_this_process_is_described_by_what_the_kernel_says(monkeypatch):
    monkeypatch.undo()
    here = Process.current()
    assert here.pid == os.getpid()
    with open('/proc/sys/kernel/random/boot_id', encoding='ascii') as file:
        assert here.boot == file.read().strip()
    assert here.started > 0
