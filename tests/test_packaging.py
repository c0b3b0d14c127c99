"""What is handed to others: the source distribution has what it needs and no
more, installs into a fresh environment, and is tested there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# What git tracks, and only the repository itself needs.
LEFT_OUT = re.compile(r'\.ci/|\.git|\.pre-commit')
# What building the distribution adds.
ADDED = re.compile(r'PKG-INFO|setup\.cfg|src/cronsched\.egg-info/')
# What running and building leave behind.
LITTER = ('build', 'dist', '__pycache__', '*.so', '*.egg-info', '.*')

# A meaningful part, of a minute: schedules with their data, a real server, the
# ledger, the command, and a program of the C tests.
SHORT = (
    'tests/schedule/test_parse_cron.py', 'tests/schedule/test_schedule.py',
    'tests/schedule/test_describe.py', 'tests/web/test_signing.py',
    'tests/web/test_receive.py', 'tests/cli/test_cli.py', 'tests/test_errors.py',
)


def run(*command: object, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=os.environ | environment,
        capture_output=True, text=True, timeout=600,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def tracked() -> list[str]:
    """What git has, or would have after `git add`."""
    listed = run('git', 'ls-files', '--cached', '--others', '--exclude-standard', cwd=ROOT)
    return [name for name in listed.splitlines() if (ROOT / name).exists()]


needs_git = pytest.mark.skipif(
    not (ROOT / '.git').exists(), reason='this is no checkout: nothing tells what it tracks'
)


@pytest.fixture(scope='module')
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing comes from an earlier build."""
    place = tmp_path_factory.mktemp('sdist')
    shutil.copytree(ROOT, place / 'copy', ignore=shutil.ignore_patterns(*LITTER))
    run(
        sys.executable, '-W', 'error', '-m', 'build', '--sdist', '--no-isolation',
        '--outdir', place, cwd=place / 'copy',
    )
    (built,) = place.glob('*.tar.gz')
    return built


@pytest.fixture(scope='module')
def unpacked(sdist: Path) -> Path:
    run('tar', 'xzf', sdist, cwd=sdist.parent)
    return sdist.parent / sdist.name.removesuffix('.tar.gz')


@pytest.fixture(scope='module')
def wheel(sdist: Path) -> Path:
    run(
        sys.executable, '-m', 'pip', 'wheel', '--quiet', '--no-deps', '--no-index',
        '--no-build-isolation', '--wheel-dir', sdist.parent, sdist, cwd=sdist.parent,
    )
    (built,) = sdist.parent.glob('*.whl')
    return built


@pytest.fixture(scope='module')
def python(wheel: Path) -> Path:
    """The interpreter of a fresh environment that has the wheel. It borrows
    what the tests need; our own installation is not visible through that, as
    an editable one needs its `.pth` to be read."""
    place = wheel.parent / 'environment'
    run(sys.executable, '-m', 'venv', '--without-pip', place, cwd=wheel.parent)
    python = place / 'bin' / 'python'
    run(
        sys.executable, '-m', 'pip', '--python', python, 'install', '--quiet', '--no-deps',
        '--no-index', wheel, cwd=wheel.parent,
    )
    (packages,) = place.glob('lib/python*/site-packages')
    (packages / 'borrowed.pth').write_text(sysconfig.get_path('purelib') + '\n')
    return python


def files_of(directory: Path) -> set[str]:
    return {
        str(path.relative_to(directory)) for path in directory.rglob('*')
        if path.is_file() and '__pycache__' not in path.parts
    }


@needs_git
def test_the_source_distribution_is_what_git_tracks(unpacked: Path) -> None:
    wanted = {name for name in tracked() if not LEFT_OUT.match(name)}
    found = {name for name in files_of(unpacked) if not ADDED.match(name)}
    assert found == wanted


def test_what_the_readme_links_is_in_the_source_distribution(unpacked: Path) -> None:
    links = re.findall(r'\]\(([^)#]+)', (unpacked / 'README.md').read_text())
    inside = [link for link in links if '://' not in link]
    assert len(inside) > 5
    assert [link for link in inside if not (unpacked / link).exists()] == []


@needs_git
def test_the_wheel_has_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    package = {name for name in names if not re.match(r'cronsched-[\w.]+\.dist-info/', name)}
    native = {name for name in package if name.endswith('.so')}
    assert len(native) == 1
    assert package - native == {
        name.removeprefix('src/') for name in tracked() if name.startswith('src/cronsched/')
    }
    assert any(name.endswith('licenses/LICENSE') for name in names)


def test_it_is_installed_in_a_fresh_environment_and_says_so(python: Path) -> None:
    where = run(python, '-c', 'import cronsched; print(cronsched.__file__)', cwd=python.parent)
    assert where.startswith(str(python.parent.parent))
    said = run(python.parent / 'cronsched', 'explain', '0 9 * * MON#1', cwd=python.parent)
    assert 'first Monday' in said


def test_the_source_distribution_is_tested_with_what_was_installed(
    python: Path, unpacked: Path
) -> None:
    said = run(python, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', *SHORT, cwd=unpacked)
    passed = re.search(r'(\d+) passed', said)
    assert passed
    assert int(passed[1]) > 500
    assert ' skipped' not in said


def test_the_c_tests_are_built_from_the_source_distribution(unpacked: Path) -> None:
    said = run('make', '-C', 'tests/c', 'test_expr', cwd=unpacked)
    assert re.search(r'[1-9]\d+ checks, 0 failed', said)


# -- a build that fails -----------------------------------------------------------


def test_a_build_without_a_compiler_says_what_to_install(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable, 'setup.py', '--quiet', 'build_ext',
            '--build-lib', tmp_path, '--build-temp', tmp_path,
        ],
        cwd=ROOT, env=os.environ | {'CC': '/nowhere/cc'}, capture_output=True, text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].split() == [
        'apt-get', 'update', '&&',
        'apt-get', 'install', 'gcc', 'python3-dev', 'libcurl4-openssl-dev', 'libssl-dev',
    ]


def test_the_readme_and_the_tool_name_these_packages_too() -> None:
    needed = re.findall(r'apt-get install (.*?)"', (ROOT / 'setup.py').read_text())[0].split()
    readme = re.findall(r'apt-get install (.*)', (ROOT / 'README.md').read_text())
    assert [{*line.split()} for line in readme] == [{*needed, 'python3-venv'}]
    tool = (ROOT / 'tools' / 'system-packages.sh').read_text()
    installed = ' '.join(re.findall(r'missing\+=\((.*?)\)', tool)).split()
    for_tests = {'postgresql', 'pgbouncer', 'chromium', 'nginx-light'}
    assert {*installed} == {*needed, 'python3-venv', 'python3', 'libc6-dev', *for_tests}


@pytest.mark.parametrize(('home', 'package'), [
    ('binding/binding.h', 'python3-dev'),
    ('core/http/http_parts.h', 'libcurl4-openssl-dev'),
    ('core/base/digest.c', 'libssl-dev'),
])
def test_a_build_without_a_header_names_its_package(
    home: str, package: str, tmp_path: Path
) -> None:
    """All of C's own headers are there, empty, and no other."""
    for name in ('stdarg.h', 'stdatomic.h', 'stdbool.h', 'stddef.h', 'stdint.h', 'string.h'):
        (tmp_path / name).touch()
    done = subprocess.run(
        [
            'cc', '-E', '-nostdinc', f'-I{tmp_path}', f'-iquote{ROOT / "src"}',
            ROOT / 'src' / home,
        ],
        capture_output=True, text=True, timeout=60,
    )
    assert done.returncode != 0
    first = re.findall(r'error: (.*)', done.stderr)[0]
    assert first.startswith('#error "cronsched needs ')
    assert first.endswith(f', the package {package}"')
