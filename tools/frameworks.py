"""Tries the adapters with the versions of their frameworks that are supported.

    python tools/frameworks.py              # or: make frameworks
    python tools/frameworks.py django       # of one framework

Each row has a virtual environment below build/frameworks, which is made once,
with cronsched as it is now. Another adapter joins by its rows.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PLACE = ROOT / 'build' / 'frameworks'


@dataclass(frozen=True)
class Row:
    """`requires` are pip's words; the tests are those of the adapter, and the
    cases of the contract whose names begin with the framework's."""

    framework: str
    python: str
    requires: tuple[str, ...]

    @property
    def name(self) -> str:
        return f'{", ".join(self.requires)} on Python {self.python}'

    @property
    def directory(self) -> Path:
        words = '-'.join(each.translate(str.maketrans('~=<>,', '     ')) for each in self.requires)
        return PLACE / f'{words.replace(" ", "")}-{self.python}'


ROWS = [
    Row('django', '3.11', ('Django~=4.2.0',)),
    Row('django', '3.12', ('Django~=5.2.0',)),
    Row('django', '3.13', ('Django>=6',)),
]


def main(frameworks: list[str]) -> int:
    rows = [row for row in ROWS if not frameworks or row.framework in frameworks]
    if not rows:
        print(f'there are rows for {", ".join(sorted({row.framework for row in ROWS}))}')
        return 2
    results = {row.name: tried(row) for row in rows}
    print('\n'.join(f'{said:>12}  {name}' for name, said in results.items()))
    return 0 if set(results.values()) == {'ok'} else 1


def tried(row: Row) -> str:
    python = interpreter(row.python)
    if python is None:
        return 'no python'
    print(f'== {row.name}', flush=True)
    if not install(row, python):
        return 'no install'
    tests = sorted(map(str, ROOT.glob(f'tests/adapters/test_{row.framework}*.py')))
    adapter = pytest(row, *tests)
    contract = pytest(row, 'tests/contract', '-k', row.framework)
    return 'ok' if adapter and contract else 'failed'


def interpreter(version: str) -> str | None:
    """In the path, or one of pyenv's."""
    known = sorted(Path.home().glob(f'.pyenv/versions/{version}.*/bin/python'))
    return str(known[-1]) if known else shutil.which(f'python{version}')


def install(row: Row, python: str) -> bool:
    if not row.directory.exists():
        subprocess.run([python, '-m', 'venv', str(row.directory)], check=True)
    pip = [str(row.directory / 'bin' / 'python'), '-m', 'pip', 'install', '-q']
    # Not editable: an extension module is of one Python only.
    return subprocess.run(
        [*pip, '--force-reinstall', '--no-deps', str(ROOT)], check=False
    ).returncode == 0 and subprocess.run(
        [*pip, 'cronsched[test]', *row.requires], check=False
    ).returncode == 0


def pytest(row: Row, *arguments: str) -> bool:
    python = str(row.directory / 'bin' / 'python')
    command = [python, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', *arguments]
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
