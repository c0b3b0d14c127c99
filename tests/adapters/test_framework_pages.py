"""docs/flask.md, fastapi.md and pyramid.md, done as a newcomer would: the files
they show under a real server, and every other block used once."""

from __future__ import annotations

import configparser

import pytest
from example_server import PATIENCE, serving
from pages import ROOT, blocks_of
from pyramid.config import Configurator
from servers import wait_for

DOCS = ROOT / 'docs'
COMMANDS = {
    'flask': ('flask --app shop run --port {port}', 'the digest is on its way'),
    'fastapi': ('uvicorn --port {port} shop:app', 'refreshed for'),
    'pyramid': (
        'gunicorn --no-control-socket -b 127.0.0.1:{port} shop:main()', 'cleaned up for'),
}


def blocks(page: str, language: str) -> list[str]:
    return [block.text for block in blocks_of(DOCS / f'{page}.md') if block.language == language]


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
    (command,) = blocks(page, 'console')
    assert command == f"$ pip install 'cronsched[{page}]'\n"
    text = (ROOT / 'pyproject.toml').read_text()
    assert f'\n{page} = [' in text


def test_the_other_blocks_of_flask_work(capsys):
    names: dict = {'__name__': __name__}
    first, settings, test = blocks('flask', 'python')
    exec(first, names)
    names['app'] = names['create_app']()
    exec(test, names)
    assert capsys.readouterr().out == 'the digest is on its way\n'
    names['app'] = __import__('flask').Flask('another')
    exec(settings, names)
    names['cron'].init_app(names['app'])
    host = names['app'].extensions['cronsched']
    assert host.settings.public_url == 'https://shop.example'


def test_the_other_blocks_of_fastapi_work():
    names: dict = {}
    first, more, settings = blocks('fastapi', 'python')
    exec(first, names)
    exec(more, names)
    assert sorted(names['cron'].jobs) == ['import_orders', 'refresh', 'vacuum']
    exec(settings, names)
    assert names['cron'].settings.options == {'retries': 1}


def test_the_settings_of_pyramid_are_read():
    parser = configparser.ConfigParser()
    parser.read_string(blocks('pyramid', 'ini')[0])
    config = Configurator(settings=dict(parser['app:main']))
    config.include('cronsched.pyramid')
    host = config.registry.cronsched
    assert (host.application_id, host.settings.options) == ('shop', {'retries': 1})
