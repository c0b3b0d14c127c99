"""Wheels that need nothing but Python: libcurl and OpenSSL are inside.

Example::

    make wheels                              # all of them, into dist/, checked and tried
    make wheels WHEELS='--platform x86_64 --python 3.13'

or, with what requirements.txt names installed::

    python tools/wheels/build.py --platform musl-x86_64 --out dist

Each wheel is built from the source distribution, so that nothing comes in that is not in it, and
is the same byte for byte for the same sources and tools (`--twice` builds again and compares).
What is downloaded and the libraries are kept in $CRONSCHED_WHEELS, ~/.cache/cronsched-wheels.
"""

from __future__ import annotations

import argparse
import functools
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from archive import Archive
from check import check
from finish import finish
from platforms import PLATFORMS, PYTHONS, Target
from toolchain import Toolchain, cache_folder
from trial import try_all

TREE = Path(__file__).parents[2]
# In the source distribution, which is where it is built.
EXPORTS = 'tools/wheels/exports.map'


def main() -> None:
    options = parse()
    os.nice(options.nice)
    cache = cache_folder()
    tools = Toolchain(cache, Archive(cache))
    options.out.mkdir(parents=True, exist_ok=True)
    wheels = []
    with tempfile.TemporaryDirectory() as folder:
        source = source_distribution(Path(folder))
        for platform in options.platform:
            for python in options.python:
                target = Target(python, PLATFORMS[platform])
                wheels.append(build_and_check(target, tools, source, options))
    if options.trial:
        try_all(wheels, tools)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--platform', action='append', choices=PLATFORMS)
    parser.add_argument('--python', action='append', choices=PYTHONS)
    parser.add_argument('--out', type=Path, default=TREE / 'dist')
    parser.add_argument('--twice', action='store_true', help='build again, fail on a difference')
    parser.add_argument('--no-trial', dest='trial', action='store_false', help='do not try them')
    parser.add_argument('--nice', type=int, default=10)
    options = parser.parse_args()
    options.platform = options.platform or list(PLATFORMS)
    options.python = options.python or list(PYTHONS)
    return options


def build_and_check(
    target: Target, tools: Toolchain, source: Path, options: argparse.Namespace
) -> Path:
    tools.libraries(target.platform)
    began = time.monotonic()
    wheel = build(target, tools, source, options.out)
    if options.twice:
        build_again(target, tools, source, wheel)
    check(wheel, private=(TREE, tools.cache, Path.home()))
    print(f'== {wheel.name}, {time.monotonic() - began:.0f} s', flush=True)
    return wheel


def build_again(target: Target, tools: Toolchain, source: Path, wheel: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        other = build(target, tools, source, Path(folder))
        if other.read_bytes() != wheel.read_bytes():
            raise SystemExit(f'{wheel.name}: two builds are not the same')


def build(target: Target, tools: Toolchain, source: Path, out: Path) -> Path:
    libraries = tools.libraries(target.platform)
    # Of another length each time: a path that got in would be seen.
    with tempfile.TemporaryDirectory(prefix='cronsched-' + 'x' * (time.time_ns() % 20)) as folder:
        work = Path(folder)
        tree = shutil.copytree(source, work / 'tree')
        config = work / 'build.cfg'
        config.write_text(
            '[build_ext]\n'
            f'include_dirs={libraries}/usr/include\n'
            f'library_dirs={libraries}/usr/lib\n'
            # After curl and crypto, which setup.py names: curl's come last.
            'libraries=ssl,crypto\n'
            'define=CS_HTTP_FIND_CA\n'
        )
        command = [sys.executable, '-m', 'build', '--wheel', '--no-isolation', '--outdir', work]
        run([*command, tree], environment(target, tools, config))
        (raw,) = work.glob('*.whl')
        return finish(raw, target, tools.revisions, libraries / 'licenses', timestamp(), out)


def source_distribution(work: Path) -> Path:
    """Unpacked; made from a copy of what git knows, so that neither leftovers
    nor a build that runs at the same time get in."""
    tree = work / 'tree'
    listed = subprocess.check_output(['git', 'ls-files', '-z'], cwd=TREE, text=True)
    for name in listed.split('\0')[:-1]:
        copy = tree / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(TREE / name, copy)
    run([sys.executable, '-m', 'build', '--sdist', '--no-isolation', '--outdir', work, tree])
    (packed,) = work.glob('*.tar.gz')
    with tarfile.open(packed) as archive:
        archive.extractall(work, filter='data')
    return work / packed.name.removesuffix('.tar.gz')


def environment(target: Target, tools: Toolchain, config: Path) -> dict[str, str]:
    """What makes setup.py build for another machine and another Python."""
    compiler = ['cronsched-cc', *(f'-I{folder}' for folder in tools.headers(target))]
    if target.free_threaded:
        compiler.append('-DPy_GIL_DISABLED=1')
    sections = '-ffunction-sections -fdata-sections'
    return {
        **os.environ,
        'PATH': f'{tools.compilers(target.platform)}:{os.environ["PATH"]}',
        'CC': ' '.join(compiler),
        'LDSHARED': 'cronsched-cc -shared',
        'CFLAGS': f'-O2 -g0 {sections} -fstack-protector-strong -DCURL_STATICLIB',
        'LDFLAGS': f'-Wl,--version-script={EXPORTS} -Wl,--gc-sections -Wl,-Bsymbolic -s',
        'DIST_EXTRA_CONFIG': str(config),
        'SETUPTOOLS_EXT_SUFFIX': target.suffix,
        '_PYTHON_HOST_PLATFORM': f'linux-{target.platform.machine}',
        'SOURCE_DATE_EPOCH': str(timestamp()),
    }


@functools.cache
def timestamp() -> int:
    """When the last commit was made; wheels carry it as the time of each file."""
    given = os.environ.get('SOURCE_DATE_EPOCH')
    if given:
        return int(given)
    return int(subprocess.check_output(['git', 'log', '-1', '--format=%ct'], cwd=TREE))


def run(command: list[object], environment: dict[str, str] | None = None) -> None:
    """Quiet unless it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        sys.stderr.write(done.stdout[-8000:])
        raise SystemExit(f'failed: {command[0]} {" ".join(map(str, command[1:4]))}')


if __name__ == '__main__':
    main()
