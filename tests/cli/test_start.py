"""What people wait for, or import for an expression alone, loads no more than
it uses."""

from __future__ import annotations

import re

import pytest
from processes import run_python

from cronsched.cli.commands import COMMANDS

# Slow to load, or of no use to who only asks for a time.
HEAVY = {
    'ast', 'asyncio', 'concurrent', 'dataclasses', 'difflib', 'email', 'hashlib', 'html', 'http',
    'importlib.metadata', 'importlib.resources', 'inspect', 'json', 'logging', 'pathlib',
    'pickle', 'platformdirs', 'random', 'secrets', 'socket', 'sqlite3', 'ssl', 'subprocess',
    'shutil', 'tempfile', 'threading', 'typing', 'unittest', 'urllib', 'uuid',
}
OURS = {
    'cronsched.cli.check', 'cronsched.cli.status', 'cronsched.jobs', 'cronsched.ledger',
    'cronsched.morepath', 'cronsched.schedule.english.lint', 'cronsched.scheduler',
    'cronsched.web',
}


@pytest.mark.parametrize('use', [
    "import cronsched",
    "from cronsched import Schedule; Schedule('0 9 * * *', 'Europe/Zurich').next()",
    "from cronsched.cli import main; main(['next', '30 2 * * *', '--tz', 'Europe/Zurich'])",
    "from cronsched.cli import main; main(['next', '30 2 * * *', '--previous', '-n', '400'])",
])
def test_what_is_heavy_is_loaded_only_where_it_is_used(use: str) -> None:
    written = run_python(f"""
        import sys, zoneinfo   # what that loads is for each Python to say
        before = set(sys.modules)
        {use}
        print('loaded', *sorted(set(sys.modules) - before))
    """)
    loaded = set(written.splitlines()[-1].split()[1:])
    assert 'cronsched._cronsched' in loaded
    assert not loaded & (HEAVY | OURS)
    if 'argparse' not in loaded:   # which uses them too
        assert 're' not in loaded


@pytest.mark.parametrize('words', [['--help'], ['status', '--help'], ['check', '--help'], []])
def test_each_command_is_there_all_the_same(
    words: list[str], capsys: pytest.CaptureFixture[str],
) -> None:
    from cronsched.cli import main

    with pytest.raises(SystemExit):
        main(words)
    written = capsys.readouterr()
    assert 'usage: cronsched' in written.out + written.err
    if words == ['--help']:
        for name in COMMANDS:
            assert re.search(rf'^ +{name}\b', written.out, re.MULTILINE)


def test_a_python_that_was_built_without_ssl_has_every_command() -> None:
    written = run_python("""
        import sys
        sys.modules['_ssl'] = None
        from cronsched.cli import main
        try:
            main(['--help'])
        except SystemExit as end:
            assert not end.code
    """)
    assert 'usage: cronsched' in written
