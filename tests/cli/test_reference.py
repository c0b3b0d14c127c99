"""The reference of the command line, command-reference.md, is what the parsers
say; and its examples are right."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from cronsched.cli.commands import COMMANDS, make_parser, parse
from cronsched.cli.tree import options_of, subparsers_of

ROOT = Path(__file__).parents[2]
PAGE = ROOT / 'docs/command-reference.md'


def test_the_page_is_made_from_the_parsers_of_this_version() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / 'tools/command_line.py'), '--check'], timeout=60, check=False)
    assert done.returncode == 0, 'run python tools/command_line.py'


@pytest.mark.parametrize('command', COMMANDS)
def test_each_option_is_documented(command: str) -> None:
    section = PAGE.read_text().partition(f'\n## cronsched {command}\n')[2].partition('\n## ')[0]
    parser = subparsers_of(make_parser())[command][1]
    for option in options_of(parser):
        assert option.help
        for flag in set(option.flags) - {'-h', '--help'}:
            assert f'`{flag}' in section


EXAMPLES = re.findall(
    r'^(?:source <\(|.*\| )?cronsched (.*)', '\n'.join(
        re.findall(r'```sh\n(.*?)```', PAGE.read_text().replace('\\\n', ''), re.DOTALL)),
    re.MULTILINE)


@pytest.mark.parametrize('example', EXAMPLES)
def test_each_example_is_accepted(example: str) -> None:
    command = re.split(r' &&| >|\)? +#|\)$', example)[0]
    parse(shlex.split(command))


def test_each_command_has_an_example() -> None:
    assert {example.split()[0] for example in EXAMPLES} == set(COMMANDS)
