"""The scripts of `cronsched completion`, in the shells themselves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cronsched.cli import main
from cronsched.cli.commands import COMMANDS, make_parser
from cronsched.cli.completion_scripts import SCRIPTS
from cronsched.ledger import Plan, open_ledger

# Complete the last word, and print what is offered, a line each.
ASK = {
    'bash': """
        source "$SCRIPT"
        COMP_WORDS=(cronsched "$@") COMP_CWORD=$#
        _cronsched
        printf '%s\\n' "${COMPREPLY[@]}"
    """,
    'fish': """
        source $SCRIPT
        complete -C (string join ' ' -- cronsched (string escape -- $argv[1..-2]) "$argv[-1]")
    """,
    # A terminal of its own: completion works in an interactive shell only.
    'zsh': r"""
        zmodload zsh/zpty
        zpty z zsh -f -i
        zpty -w z "PS1=; autoload -U compinit; compinit -D -u; source $SCRIPT"
        zpty -w z "bindkey '^I' list-choices; zstyle ':completion:*' list-colors ''; stty -echo"
        zpty -w z "LISTMAX=0; print -r -- re''ady"
        zpty -r -m z line '*ready*'
        zpty -w -n z "cronsched $*"$'\t'
        sleep 1
        zpty -w -n z $'\C-U'
        zpty -w z "print -r -- do''ne"
        zpty -r -m z line '*done*'
        print -r -- ${line//$'\r'/}
    """,
}
HERE = [shell for shell in SCRIPTS if shutil.which(shell)]


@pytest.fixture(scope='module')
def machine(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a shell that has `cronsched`, and a ledger."""
    path = tmp_path_factory.mktemp('completion')
    (path / 'state/cronsched').mkdir(mode=0o700, parents=True)
    ledger = open_ledger(f'sqlite://{path}/state/cronsched/ledger.sqlite3')
    names = ('send_mail', 'send post', '$(touch x)')
    ledger.seen('shop', 'http://localhost', {name: Plan('@daily') for name in names}, 1.0)
    ledger.close()
    command = path / 'cronsched'
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m cronsched "$@"\n')
    command.chmod(0o755)
    for shell in SCRIPTS:
        (path / shell).write_text(SCRIPTS[shell](make_parser()))
    return {
        **os.environ, 'PATH': f'{path}:{os.environ["PATH"]}', 'XDG_STATE_HOME': f'{path}/state',
        'STATE_DIRECTORY': '', 'HOME': str(path), 'SCRIPTS': str(path), 'TERM': 'dumb',
        'XDG_CONFIG_HOME': f'{path}/config', 'XDG_DATA_HOME': f'{path}/data',
    }


def complete(shell: str, machine: dict[str, str], *words: str) -> list[str]:
    script = machine['SCRIPTS'] + f'/{shell}'
    arguments = ['-c', ASK[shell], *([] if shell == 'fish' else ['shell'])]
    if shell != 'fish':
        arguments = [*({'bash': ['--norc'], 'zsh': ['-f']}[shell]), *arguments]
    done = subprocess.run(
        [shell, *arguments, *words], env={**machine, 'SCRIPT': script}, cwd=machine['SCRIPTS'],
        capture_output=True, text=True, timeout=60, check=False,
    )
    assert done.stderr == ''
    return [line.split('\t')[0].strip() for line in done.stdout.splitlines()]


@pytest.mark.parametrize('shell', [shell for shell in HERE if shell != 'zsh'])
@pytest.mark.parametrize(('words', 'offered'), [
    (['re'], ['resume']),
    (['status', '--ch'], ['--check']),
    (['run', '--wa'], ['--wait']),
    (['history', 'send_'], ['send_mail']),
    (['pause', '-a', 'sh'], ['shop']),
    (['completion', 'z'], ['zsh']),
    (['next', '--tz', 'x'], []),
], ids=lambda each: ' '.join(each))
def test_a_word_is_completed(
    shell: str, machine: dict[str, str], words: list[str], offered: list[str],
) -> None:
    assert [each for each in complete(shell, machine, *words) if each] == offered


@pytest.mark.skipif('zsh' not in HERE, reason='no zsh')
def test_zsh_offers_what_the_others_do(machine: dict[str, str]) -> None:
    told = '\n'.join(complete('zsh', machine, 'status', '--'))
    for option in ('--check', '--wide', '--state-directory'):
        assert option in told


@pytest.mark.parametrize('shell', [shell for shell in HERE if shell != 'zsh'])
def test_every_command_is_offered(shell: str, machine: dict[str, str]) -> None:
    assert set(COMMANDS) <= set(complete(shell, machine, ''))


def test_a_name_is_never_executed(machine: dict[str, str]) -> None:
    offered = complete('bash', machine, 'run', '')
    assert r'\$\(touch\ x\)' in offered
    assert r'send\ post' in offered
    assert not Path(machine['SCRIPTS'], 'x').exists()


def test_without_a_ledger_no_name_and_no_error_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(['completion', '--list', 'jobs', '--state-directory', str(tmp_path)]) == 1
    assert capsys.readouterr() == ('', '')


def test_a_shell_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['completion']) == 2
    assert 'write cronsched completion bash|zsh|fish' in capsys.readouterr().err
