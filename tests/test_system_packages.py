"""What `tools/system-packages.sh` does and prints, on a machine of our making:
its PATH has nothing but what a test puts there."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / 'tools' / 'system-packages.sh'
PACKAGES = (
    'gcc libc6-dev python3 python3-venv python3-dev libcurl4-openssl-dev libssl-dev'
)


class Machine:
    """A directory of commands, and what was done with apt-get."""

    def __init__(self, directory: Path) -> None:
        self.bin, self.asked = directory / 'bin', directory / 'asked'
        self.clusters = directory / 'createcluster.d'
        self.bin.mkdir()
        for command in ('bash', 'env', 'mkdir'):
            path = shutil.which(command)
            assert path
            (self.bin / command).symlink_to(path)

    def has(self, command: str, does: str) -> None:
        path = self.bin / command
        path.write_text(f'#!/bin/bash\n{does}\n')
        path.chmod(0o755)

    def user(self, number: int) -> None:
        self.has('id', f'echo {number}')
        self.has('apt-get', f'(({number} == 0 || ROOT)) || exit 100; echo "$@" >>{self.asked}')

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        nowhere = dict.fromkeys(
            ('POSTGRESQL', 'PGBOUNCER', 'NGINX', 'SYSTEMD'), str(self.bin / 'none'))
        return subprocess.run(
            [self.bin / 'bash', SCRIPT, *arguments],
            env={'PATH': str(self.bin), 'CLUSTERS': str(self.clusters), **nowhere},
            capture_output=True, text=True, timeout=60,
        )

    def done(self) -> list[str]:
        return self.asked.read_text().splitlines() if self.asked.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


DONE = ['update -q', f'install -y -q --no-install-recommends {PACKAGES}']
COMMAND = f'apt-get update && apt-get install -y --no-install-recommends {PACKAGES}'


def test_root_installs_what_is_missing(machine: Machine) -> None:
    machine.user(0)
    done = machine.run()
    assert (done.returncode, done.stderr) == (0, '')
    assert machine.done() == DONE


def test_a_user_without_sudo_is_told_what_root_has_to_run(machine: Machine) -> None:
    machine.user(1000)
    done = machine.run()
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        'Some system packages are missing. Run this as root, then run make again:',
        f'    {COMMAND}',
    ]
    assert not machine.done()


def test_a_user_whose_sudo_asks_for_a_password_is_told_what_to_run(machine: Machine) -> None:
    machine.user(1000)
    machine.has('sudo', 'exit 1')
    done = machine.run()
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        'Some system packages are missing. Run this, then run make again:',
        '    ' + COMMAND.replace('apt-get', 'sudo apt-get'),
    ]
    assert not machine.done()


def test_a_user_with_sudo_installs_what_is_missing(machine: Machine) -> None:
    machine.user(1000)
    machine.has('sudo', '[ "$1" = -n ] && shift; [ "$1" = true ] && exit 0; ROOT=1 exec "$@"')
    done = machine.run()
    assert (done.returncode, done.stderr) == (0, '')
    assert machine.done() == DONE


def test_a_system_without_apt_is_told_the_names(machine: Machine) -> None:
    machine.has('id', 'echo 0')
    done = machine.run()
    assert done.returncode == 1
    assert f'Debian calls them: {PACKAGES}.' in done.stderr
    assert 'apt-get' not in done.stderr


def test_postgresql_is_installed_without_a_server_of_the_system(machine: Machine) -> None:
    machine.user(0)
    done = machine.run('--postgresql')
    assert (done.returncode, done.stderr) == (0, '')
    assert machine.done() == [
        'update -q', 'install -y -q --no-install-recommends postgresql pgbouncer']
    written = (machine.clusters / 'only-for-tests.conf').read_text()
    assert written == 'create_main_cluster = false\n'


def test_who_may_not_install_postgresql_is_told_and_goes_on(machine: Machine) -> None:
    machine.user(1000)
    done = machine.run('--postgresql')
    assert done.returncode == 0
    assert 'or tests of the shared ledger are skipped' in done.stderr
    assert 'install -y --no-install-recommends postgresql pgbouncer' in done.stderr
    assert not machine.done()


def test_a_browser_and_a_proxy_are_installed(machine: Machine) -> None:
    machine.user(0)
    done = machine.run('--browser')
    assert (done.returncode, done.stderr) == (0, '')
    assert machine.done() == [
        'update -q', 'install -y -q --no-install-recommends chromium nginx-light']


def test_who_may_not_install_a_browser_is_told_and_goes_on(machine: Machine) -> None:
    machine.user(1000)
    done = machine.run('--browser')
    assert done.returncode == 0
    assert 'or tests of the dashboard are skipped' in done.stderr
    assert 'install -y --no-install-recommends chromium nginx-light' in done.stderr
    assert not machine.done()


def test_nothing_is_done_where_nothing_is_missing() -> None:
    """This machine has built the extension, so it has everything."""
    done = subprocess.run(
        [SCRIPT], env=dict(os.environ), capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, '', '')
