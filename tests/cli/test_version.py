"""`cronsched --version`, with a libcurl of its own and with the system's."""

import json
import re
from importlib.metadata import Distribution

import pytest

from cronsched import _cronsched
from cronsched.cli import main
from cronsched.cli.version import version_lines


def installed(folder, bill=None):
    """A distribution as pip leaves it, with or without a bill of materials."""
    info = folder / 'cronsched-1.dist-info'
    (info / 'sboms').mkdir(parents=True)
    if bill:
        (info / 'sboms/cronsched.cdx.json').write_text(json.dumps(bill))
    return Distribution.at(info)


def test_the_libraries_that_were_loaded_are_named():
    assert re.match(r'libcurl/[78]\.\d+', _cronsched.libraries())


def test_the_command_prints_both(capsys):
    with pytest.raises(SystemExit) as stop:
        main(['--version'])
    assert stop.value.code == 0
    first, *others = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r'cronsched \d\S+', first)
    assert ' '.join(map(str.strip, others)).startswith(_cronsched.libraries())
    assert max(map(len, others)) < 80


def test_what_a_wheel_carries_is_named_by_revision(tmp_path):
    parts = [
        {'name': 'curl', 'version': '8.14.1-2+deb13u5'},
        {'name': 'openssl', 'version': '3.5.7-1~deb13u2'},
    ]
    lines = version_lines(installed(tmp_path, {'components': parts}))
    assert lines[2:] == ['in this wheel: curl 8.14.1-2+deb13u5, openssl 3.5.7-1~deb13u2']


def test_a_build_of_the_system_s_libcurl_claims_nothing(tmp_path):
    assert len(version_lines(installed(tmp_path))) == 2
    assert len(version_lines(None)) == 2
