"""The pages of reference name everything that is there, with its default."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest
from pages import ROOT

from cronsched.cli import main
from cronsched.jobs.options import Policy
from cronsched.jobs.settings import CHECKS, Settings
from cronsched.ledger.values import OUTCOMES
from cronsched.web.execution import CronRun
from cronsched.web.settings import FLAGS, TEXTS

DOCS = ROOT / 'docs'


def rows(page: str) -> dict[str, list[str]]:
    """The tables of a page: their first cell to the others, for each of the
    names that the first has."""
    found = {}
    for line in (DOCS / page).read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip('|').split('|')]
        for name in re.findall(r'^`([\w .-]+)`(?:, `([\w.-]+)`)*', cells[0]):
            for each in filter(None, name):
                found[each] = cells[1:]
    return found


@pytest.mark.parametrize('option', fields(Policy), ids=lambda option: option.name)
def test_an_option_has_its_default(option) -> None:
    written = rows('options.md')[option.name][0].strip('`')
    assert written in (repr(option.default), f'{option.default:g}'
                       if isinstance(option.default, float) else '')


@pytest.mark.parametrize('name', CHECKS)
def test_a_setting_has_its_default(name: str) -> None:
    written = rows('settings.md')[name][0].strip('`').replace(',', '')
    default = getattr(Settings(), name)
    if isinstance(default, float):
        default = int(default)
    assert not default or written == repr(default)


def test_no_setting_is_named_that_is_not_there() -> None:
    table = (DOCS / 'settings.md').read_text().split('## By application')[1]
    named = set(re.findall(r'^\| `([a-z_]+)`', table, re.MULTILINE))
    assert named == {*CHECKS}


def test_the_environment_is_all_there() -> None:
    table = (DOCS / 'settings.md').read_text().split('## By deployment')[1]
    named = set(re.findall(r'`CRONSCHED_([A-Z_]+)`', table))
    assert named == {name.upper() for name in TEXTS} | {'APPLICATION_ID', 'ENABLED'}
    assert 'true' in FLAGS
    assert 'false' in FLAGS


def test_what_a_run_knows_and_how_it_ends_is_all_there() -> None:
    told = rows('options.md')
    assert {field.name for field in fields(CronRun) if field.name[0] != '_'} <= {*told}
    assert {*OUTCOMES} <= {*told}


def test_each_command_is_there(capsys) -> None:
    with pytest.raises(SystemExit):
        main(['--help'])
    commands = re.findall(r'^ {2,6}([a-z]\w+)(?:  |$)', capsys.readouterr().out, re.MULTILINE)
    assert len(commands) >= 9
    assert {*commands} <= {*rows('command-line.md')}
