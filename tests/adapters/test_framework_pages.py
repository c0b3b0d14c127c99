"""docs/flask.md, fastapi.md and pyramid.md, done as a newcomer would: the files
they show under a real server, and every other block used once."""

from __future__ import annotations

import configparser
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from example_server import BIN, PATIENCE, environment, serving
from pages import ROOT, blocks_of
from pyramid.config import Configurator
from servers import free_port, wait_for

DOCS = ROOT / 'docs'
COMMANDS = {
    'flask': ('flask --app shop run --port {port}', 'the digest is on its way'),
    'fastapi': ('uvicorn --port {port} shop:app', 'refreshed for'),
    'pyramid': (
        'gunicorn --no-control-socket -b 127.0.0.1:{port} shop:main()', 'cleaned up for'),
}


def blocks(page: str, language: str) -> list[str]:
    return [block.text for block in blocks_of(DOCS / f'{page}.md') if block.language == language]


def written(page: str, file: str) -> str:
    """The block that begins with the name of this file."""
    (text,) = [
        block.text for block in blocks_of(DOCS / f'{page}.md')
        if block.text.startswith(f'# {file}\n')
    ]
    return text


def shop(page: str) -> str:
    (text,) = [text for text in blocks(page, 'python') if text.startswith('# shop.py')]
    return text


@pytest.mark.parametrize('page', COMMANDS)
def test_the_first_run_is_seen(page, tmp_path):
    """At most 12 lines beside the framework's own, and no visitor."""
    # A job of each minute would keep the test waiting for one.
    text = shop(page).replace("('* * * * *'", "('* * * * * *', max_offset=0")
    assert text != shop(page)
    (tmp_path / 'shop.py').write_text(text)
    command, words = COMMANDS[page]
    with serving(command, tmp_path) as server:
        wait_for(lambda: words in server.output.read_text(), PATIENCE)


@pytest.mark.parametrize('page', COMMANDS)
def test_it_takes_at_most_twelve_lines_more_than_hello_world(page):
    own = [
        line for line in shop(page).splitlines()
        if line.strip() and not line.startswith('#')
    ]
    assert len(own) <= 12


@pytest.mark.parametrize('page', COMMANDS)
def test_the_extra_it_names_is_there(page):
    install, start = blocks(page, 'console')
    assert install.startswith(f"$ pip install 'cronsched[{page}]'")
    # What is started is what was installed, with this server or the framework.
    server = start.split()[1]
    assert server in (page, *install.split())
    assert start.split()[-1].strip("'") in COMMANDS[page][0] or page == 'flask'
    text = (ROOT / 'pyproject.toml').read_text()
    assert f'\n{page} = [' in text


def test_the_other_blocks_of_flask_work(capsys):
    names: dict = {'__name__': __name__}
    exec(shop('flask'), names)
    settings = written('flask', 'settings')
    names['app'] = names['create_app']()
    with names['app'].app_context():
        names['send_digest']()
    assert capsys.readouterr().out == 'the digest is on its way\n'
    names['app'] = __import__('flask').Flask('another')
    exec(settings, names)
    names['cron'].init_app(names['app'])
    host = names['app'].extensions['cronsched']
    assert host.settings.public_url == 'https://shop.example'


def test_the_other_blocks_of_fastapi_work():
    names: dict = {}
    exec(shop('fastapi'), names)
    exec(written('fastapi', 'more jobs'), names)
    assert sorted(names['cron'].jobs) == ['import_orders', 'refresh', 'vacuum']
    exec(written('fastapi', 'settings'), names)
    assert names['cron'].settings.options == {'retries': 1}


def test_the_settings_of_pyramid_are_read():
    parser = configparser.ConfigParser()
    (text,) = [text for text in blocks('pyramid', 'ini') if text.startswith('[app:main]')]
    parser.read_string(text)
    config = Configurator(settings=dict(parser['app:main']))
    config.include('cronsched.pyramid')
    host = config.registry.cronsched
    assert (host.application_id, host.settings.options) == ('shop', {'retries': 1})


# -- testing ----------------------------------------------------------------------


@pytest.mark.parametrize('page', COMMANDS)
def test_the_tests_of_the_page_pass(page, tmp_path):
    (tmp_path / 'shop.py').write_text(shop(page))
    (tmp_path / 'test_shop.py').write_text(written(page, 'test_shop.py'))
    done = subprocess.run(
        [sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider'], cwd=tmp_path,
        env=environment(), capture_output=True, text=True, timeout=120,
    )
    assert '2 passed' in done.stdout, done.stdout


# -- deployment -------------------------------------------------------------------

LOGGED = '''
import logging
logging.basicConfig(level=logging.INFO, format='%(process)d %(name)s %(message)s')
'''


@pytest.fixture
def place(page, tmp_path):
    """shop.py as on the page, which says what it does."""
    (tmp_path / 'shop.py').write_text(LOGGED + shop(page))
    return tmp_path


@pytest.mark.parametrize('page', COMMANDS)
def test_the_command_of_the_unit_runs_the_jobs(page, place):
    unit = configparser.ConfigParser()
    unit.read_string(written(page, '/etc/systemd/system/shop.service'))
    service = unit['Service']
    program, *words = service['ExecStart'].split()
    assert Path(program).parent == Path(service['WorkingDirectory']) / 'venv' / 'bin'
    assert service['StateDirectory'] == service['RuntimeDirectory'] == 'shop'
    command = ' '.join([Path(program).name, *words])
    if command.startswith('gunicorn'):
        conf = written(page, 'gunicorn.conf.py').replace(':8000', ':{port}')
        command += ' --no-control-socket'
    else:
        conf, command = '', command.replace('--port 8000', '--port {port}')
    port = free_port()
    (place / 'gunicorn.conf.py').write_text(conf.replace('{port}', str(port)))
    with serving(command.replace('{port}', str(port)), place) as server:
        wait_for(server.owners, PATIENCE)


@pytest.mark.parametrize('page', COMMANDS)
def test_the_command_of_the_container_is_that_of_the_unit(page):
    said = dict(line.split(' ', 1) for line in written(page, 'Dockerfile').splitlines()[1:])
    words, variable, volume = json.loads(said['CMD']), said['ENV'], said['VOLUME']
    name, _, directory = variable.partition('=')
    assert name == 'CRONSCHED_STATE_DIRECTORY'
    assert Path(directory).parent == Path(volume)
    unit = written(page, '/etc/systemd/system/shop.service')
    (command,) = [line for line in unit.splitlines() if line.startswith('ExecStart=')]
    assert command.rpartition('/')[2].split()[0] == words[0]
    assert command.split()[-1] == words[-1]
    assert f"'cronsched[{page}]'" in written(page, 'Dockerfile')


@pytest.mark.parametrize('page', COMMANDS)
def test_gunicorn_takes_its_configuration(page, place):
    (place / 'gunicorn.conf.py').write_text(written(page, 'gunicorn.conf.py'))
    name = {'flask': 'shop:create_app()', 'fastapi': 'shop:app', 'pyramid': 'shop:main()'}[page]
    done = subprocess.run(
        [BIN / 'gunicorn', '--check-config', name], cwd=place, env=environment(),
        capture_output=True, text=True, timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, '')


@pytest.mark.skipif(not shutil.which('systemd-analyze'), reason='systemd-analyze is not here')
@pytest.mark.parametrize('page', [*COMMANDS, 'django'])
def test_systemd_takes_the_unit(page, tmp_path):
    text = written(page, '/etc/systemd/system/shop.service')
    unit = tmp_path / 'shop.service'
    # The programs of the page are not on this machine.
    unit.write_text(text.replace('/srv/shop/venv/bin', str(BIN)))
    done = subprocess.run(
        ['systemd-analyze', '--man=no', 'verify', unit], capture_output=True, text=True,
        timeout=60,
    )
    assert (done.returncode, [line for line in done.stderr.splitlines() if 'shop' in line]) == (
        0, [])
