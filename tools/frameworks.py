"""Tries the adapters with the versions of their frameworks that are supported.

    python tools/frameworks.py              # or: make frameworks
    python tools/frameworks.py django       # of one framework

Each row has a virtual environment below build/frameworks, which is made once,
with cronsched as it is now. What its tests said is in a file beside it, and
the table at the end has the versions that were installed. The lowest version
of each framework is that of its extra in pyproject.toml.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PLACE = ROOT / 'build' / 'frameworks'
WHEELS = PLACE / 'wheels'

# Where the cases of all adapters are, each with the name of its framework.
SHARED = ('tests/contract', 'tests/testing/test_targets.py', 'tests/adapters/test_told.py')


@dataclass(frozen=True)
class Row:
    """`requires` are pip's words; the tests are those of the adapters, and the
    cases of `SHARED` with the names of the frameworks."""

    frameworks: tuple[str, ...]
    python: str
    requires: tuple[str, ...]

    @property
    def name(self) -> str:
        return f'{", ".join(self.requires)} on Python {self.python}'

    @property
    def directory(self) -> Path:
        words = '-'.join(re.sub('[~=<>,]', '', each) for each in self.requires)
        return PLACE / f'{words}-{self.python}'

    @property
    def program(self) -> str:
        return str(self.directory / 'bin' / 'python')


FASTAPI = ('fastapi', 'starlette')

ROWS = [
    Row(('flask',), '3.11', ('flask==2.3.0', 'werkzeug==2.3.0')),
    Row(('flask',), '3.11', ('flask~=2.3.0',)),
    Row(('flask',), '3.12', ('flask~=3.0.0',)),
    Row(('flask',), '3.13', ('flask>=3.1',)),
    Row(FASTAPI, '3.11', ('fastapi==0.115.10', 'starlette==0.46.0')),
    Row(FASTAPI, '3.12', ('fastapi~=0.118.0',)),
    Row(FASTAPI, '3.13', ('fastapi', 'starlette')),
    Row(('pyramid',), '3.11', ('pyramid==2.0', 'setuptools<81')),   # it asks for pkg_resources
    Row(('pyramid',), '3.13', ('pyramid',)),
    Row(('django',), '3.11', ('Django~=4.2.0',)),
    Row(('django',), '3.12', ('Django~=5.2.0',)),
    Row(('django',), '3.13', ('Django>=6',)),
]


def main(frameworks: list[str]) -> int:
    rows = [row for row in ROWS if not frameworks or {*row.frameworks} & {*frameworks}]
    if not rows:
        known = sorted({name for row in ROWS for name in row.frameworks})
        print(f'there are rows for {", ".join(known)}')
        return 2
    results = {row: tried(row) for row in rows}
    print('\n| required | Python | installed | tests |\n|---|---|---|---|')
    for row, said in results.items():
        required = ', '.join(f'`{each}`' for each in row.requires)
        print(f'| {required} | {row.python} | {installed(row)} | {said} |')
    return 0 if all(said.startswith('ok') for said in results.values()) else 1


def tried(row: Row) -> str:
    python = interpreter(row.python)
    if python is None:
        return f'no Python {row.python}'
    print(f'== {row.name}', flush=True)
    if not install(row, python):
        return 'not installed'
    return tests(row)


def interpreter(version: str) -> str | None:
    """In the path, or one of pyenv's."""
    known = sorted(Path.home().glob(f'.pyenv/versions/{version}.*/bin/python'))
    return str(known[-1]) if known else shutil.which(f'python{version}')


def install(row: Row, python: str) -> bool:
    if not row.directory.exists():
        subprocess.run([python, '-m', 'venv', str(row.directory)], check=True)
    wheel = wheel_of(row.python, row.program)
    # By one call, so that what cronsched needs is chosen with it.
    return wheel is not None and pip(
        row.program, 'install', f'cronsched[test] @ {wheel.as_uri()}', *row.requires
    ) and pip(row.program, 'install', '--force-reinstall', '--no-deps', str(wheel))


_made: dict[str, Path | None] = {}


def wheel_of(version: str, program: str) -> Path | None:
    """As the sources are now; one for each Python."""
    if version not in _made:
        place = WHEELS / version
        shutil.rmtree(place, ignore_errors=True)
        pip(program, 'wheel', '--no-deps', '--wheel-dir', str(place), str(ROOT))
        _made[version] = next(iter(place.glob('cronsched-*.whl')), None)
    return _made[version]


def pip(program: str, command: str, *arguments: str) -> bool:
    words = [program, '-m', 'pip', command, '-q', '--disable-pip-version-check', *arguments]
    return subprocess.run(words, check=False).returncode == 0


def installed(row: Row) -> str:
    names = (name.lower() for name in [*row.frameworks, *map(name_of, row.requires)])
    found = subprocess.run(
        [row.program, '-c', VERSIONS, *dict.fromkeys(names)], capture_output=True, text=True,
        check=False,
    )
    return found.stdout.strip() or '-'


VERSIONS = """
import sys
from importlib.metadata import version
print(', '.join(f'{name} {version(name)}' for name in sys.argv[1:]))
"""


def name_of(requirement: str) -> str:
    return re.split('[~=<>]', requirement)[0]


def tests(row: Row) -> str:
    """'ok' or 'failed', and how many."""
    own = [str(path) for name in row.frameworks
           for path in sorted(ROOT.glob(f'tests/adapters/test_{name}*.py'))]
    log = PLACE / f'{row.directory.name}.txt'
    with log.open('w') as output:
        done = subprocess.run(
            [row.program, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', *own, *existing(SHARED),
             '-k', ' or '.join(row.frameworks)],
            cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, check=False,
        )
    counted = re.findall(r'\d+ (?:passed|failed|errors?|skipped)', last_line_of(log))
    said = 'ok' if done.returncode == 0 else 'failed'
    print(f'   {said}: {", ".join(counted)}; {log.relative_to(ROOT)}', flush=True)
    return f'{said}: {", ".join(counted)}'


def existing(paths: Iterable[str]) -> list[str]:
    return [path for path in paths if (ROOT / path).exists()]


def last_line_of(log: Path) -> str:
    return (log.read_text(errors='replace').strip().splitlines() or [''])[-1]


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
