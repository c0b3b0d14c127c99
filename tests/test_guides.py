"""The files that docs/deploy.md and docs/several-machines.md show: each parses,
names what is there, and they agree with each other."""

from __future__ import annotations

import configparser
import json
import re
import shlex
from typing import Any
from urllib.parse import urlsplit

import pytest
from pages import ROOT, blocks_of

from cronsched.cli import main
from cronsched.cli.commands import parse
from cronsched.jobs.checks import is_shared
from cronsched.web.settings import TEXTS

PAGE = ROOT / 'docs' / 'deploy.md'
SEVERAL = ROOT / 'docs' / 'several-machines.md'
INSTRUCTIONS = {'FROM', 'RUN', 'WORKDIR', 'COPY', 'USER', 'ENV', 'VOLUME', 'CMD'}
STATE = '/var/lib/shop/cronsched'


def block(language: str) -> str:
    (found,) = [each.text for each in blocks_of(PAGE) if each.language == language]
    return found


def dockerfile() -> list[tuple[str, str]]:
    lines = [line for line in block('dockerfile').splitlines() if not line.startswith('#')]
    return [(line.split(' ', 1)[0], line.split(' ', 1)[1]) for line in lines]


def test_the_unit_keeps_the_state_of_a_user_without_a_home() -> None:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(block('ini'))
    service = unit['Service']
    assert service['User'] == service['StateDirectory'] == service['RuntimeDirectory'] == 'shop'
    assert service['ExecStart'].split()[-1] == 'shop:create_app()'


def test_the_image_has_its_state_where_the_volume_is() -> None:
    steps = dockerfile()
    assert {name for name, _ in steps} == INSTRUCTIONS
    (volume,) = [text for name, text in steps if name == 'VOLUME']
    assert ('ENV', f'CRONSCHED_STATE_DIRECTORY={STATE}') in steps
    assert STATE.startswith(f'{volume}/')
    (command,) = [json.loads(text) for name, text in steps if name == 'CMD']
    assert command[-1] == 'shop:create_app()'


def test_the_pod_runs_as_the_user_of_the_image_with_its_volume() -> None:
    yaml = pytest.importorskip('yaml', reason='the extra `docs` is not installed')
    wanted = yaml.safe_load(block('yaml'))
    pod = wanted['spec']['template']['spec']
    (uid,) = re.findall(r'useradd --uid (\d+)', block('dockerfile'))
    context = pod['securityContext']
    assert {context[key] for key in ('runAsUser', 'runAsGroup', 'fsGroup')} == {int(uid)}
    assert (wanted['kind'], wanted['spec']['replicas']) == ('StatefulSet', 1)
    (container,) = pod['containers']
    assert container['env'] == [{'name': 'CRONSCHED_STATE_DIRECTORY', 'value': STATE}]
    (mount,) = container['volumeMounts']
    (claim,) = wanted['spec']['volumeClaimTemplates']
    assert mount == {'name': claim['metadata']['name'], 'mountPath': '/var/lib/shop'}


def commands() -> list[str]:
    blocks = [each.text for each in blocks_of(PAGE) if each.language == 'console']
    return [line.removeprefix('$ ') for text in blocks for line in text.splitlines()]


@pytest.mark.parametrize('command', [each for each in commands() if 'cronsched ' in each])
def test_a_command_of_ours_names_the_directory(command: str, capsys) -> None:
    words = shlex.split(command)
    ours = words[next(i for i, word in enumerate(words) if word.endswith('cronsched')) + 1:]
    assert ours[-1] == STATE
    assert main(ours) == 2      # it is not on this machine, which is all that is wrong
    assert f'there is no ledger at {STATE}' in capsys.readouterr().err


def test_the_image_that_is_started_has_the_volume() -> None:
    (run,) = [each for each in commands() if each.startswith('docker run')]
    assert '-v shop:/var/lib/shop' in run


# -- docs/several-machines.md

def container_files() -> tuple[dict[str, Any], dict[str, Any]]:
    yaml = pytest.importorskip('yaml', reason='the extra `docs` is not installed')
    compose, deployment = (
        yaml.safe_load(each.text) for each in blocks_of(SEVERAL) if each.language == 'yaml')
    return compose, deployment


def checked(words: list[str]) -> None:
    """A command of ours, which finds no database here."""
    assert words[0] == 'cronsched'
    parse(words[1:])


def test_the_containers_of_a_machine_share_a_migrated_database() -> None:
    services = container_files()[0]['services']
    assert services['shop']['deploy']['replicas'] > 1
    url = services['shop']['environment']['CRONSCHED_LEDGER']
    checked(services['migrate']['command'])
    assert url in services['migrate']['command']
    assert is_shared(url)
    assert urlsplit(url).hostname in services
    database = services['db']['environment']
    assert (urlsplit(url).username, urlsplit(url).path) == (
        database['POSTGRES_USER'], f"/{database['POSTGRES_DB']}")
    for name, condition in (('migrate', 'service_healthy'),
                            ('shop', 'service_completed_successfully')):
        (found,) = services[name]['depends_on'].values()
        assert found == {'condition': condition}


def test_the_pods_have_the_ledger_and_the_secret() -> None:
    wanted = container_files()[1]
    assert (wanted['kind'], wanted['spec']['replicas'] > 1) == ('Deployment', True)
    pod = wanted['spec']['template']['spec']
    (before,), (container,) = pod['initContainers'], pod['containers']
    names = [each['name'] for each in container['env']]
    assert names == ['CRONSCHED_LEDGER', 'CRONSCHED_SECRET']
    assert before['env'] == container['env']
    checked(shlex.split(before['command'][-1].removeprefix('exec ')))
    assert 'ledger' in TEXTS    # read by itself
    assert "os.environ.get('CRONSCHED_SECRET'" in SEVERAL.read_text()
