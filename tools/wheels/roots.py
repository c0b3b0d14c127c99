"""Empty roots to try wheels in: a Python and what it needs, and nothing else.

Example::

    root = Roots(tools).find(target)     # None: there is no such Python to be had
    root.run('-c', 'import sys; print(sys.version)')

From Debian's packages where Debian has that Python, also for aarch64, under qemu's user mode; for
another, an interpreter of this machine with the libraries it loads; for musl and for the Python
without a global lock, one that pythons.sh builds. Nothing is installed on this machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from archive import STABLE, NoSource
from platforms import Target
from toolchain import SUITES, NoInterpreter, Toolchain, interpreter

# So that a program in the root has /dev, and nothing stays mounted.
ENTER = 'mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"'
LIBC = ('libpthread.so.0', 'libm.so.6', 'libdl.so.2', 'libresolv.so.2', 'libnss_*.so.2')
MUSL_PYTHON = '3.13'
QEMU = 'qemu-aarch64-static'


@dataclass(frozen=True)
class Root:
    folder: Path
    python: str
    emulator: str | None = None

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Python in there, with no variable of this process."""
        (self.folder / 'dev').mkdir(exist_ok=True)
        (self.folder / 'tmp').mkdir(exist_ok=True)
        as_root = [] if os.geteuid() == 0 else ['--map-root-user']
        inside = ['/' + self.emulator] if self.emulator else []
        settings = {'PATH': '/usr/bin:/usr/sbin', 'HOME': '/tmp', 'PYTHONDONTWRITEBYTECODE': '1'}
        return subprocess.run(
            [
                *('unshare', *as_root, '--mount', 'sh', '-c', ENTER, str(self.folder)),
                *(*inside, self.python, *arguments),
            ],
            env=settings | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
        )


class Roots:
    def __init__(self, tools: Toolchain) -> None:
        self.folder = tools.cache / 'roots'
        self.cache = tools.cache
        self.archive = tools.archive
        self.tools = tools
        self.folder.mkdir(exist_ok=True)

    def find(self, target: Target) -> Root | None:
        ours = target.platform.machine == os.uname().machine
        if target.platform.musl:
            return self._built(target) if ours and target.python == MUSL_PYTHON else None
        if target.free_threaded:
            return self._built(target) if ours else None
        if target.version in SUITES:
            return self._debian(target, emulator=None if ours else QEMU)
        return self._copied(target, interpreter(target.python)) if ours else None

    def _debian(self, target: Target, emulator: str | None) -> Root:
        suite, architecture = SUITES[target.version], target.platform.debian
        into = self.folder / f'{target.python}-{target.platform.name}'
        if not into.exists():
            packages = self.archive.needs(
                *(f'python{target.version}', 'base-files'),
                architecture=architecture,
                suite=suite,
            )
            self.archive.unpack(*packages, architecture=architecture, suite=suite, into=into)
        if emulator:
            shutil.copy(self._qemu(), into / emulator)
        return Root(into, f'/usr/bin/python{target.version}', emulator)

    def _qemu(self) -> Path:
        into = self.cache / 'qemu'
        self.archive.unpack('qemu-user', architecture='amd64', suite=STABLE, into=into)
        return into / 'usr/bin/qemu-aarch64'

    def _copied(self, target: Target, python: Path) -> Root:
        """The interpreter's folders where they were, without its packages,
        and each shared library that it or its extensions load."""
        into = self.folder / f'{target.python}-{target.platform.name}'
        prefix = python.resolve().parent.parent
        if not into.exists():
            shutil.copytree(
                prefix,
                into / prefix.relative_to('/'),
                symlinks=True,
                ignore=shutil.ignore_patterns('site-packages', 'test', '__pycache__', '*.a'),
            )
            add_libraries(into, [python, *prefix.glob('lib/python*/lib-dynload/*.so')])
        return Root(into, str(prefix / 'bin' / f'python{target.python}'))

    def _built(self, target: Target) -> Root | None:
        into = self.folder / f'{target.python}-{target.platform.name}'
        try:
            if not into.exists():
                self._build(target, into)
        except (NoSource, NoInterpreter, subprocess.CalledProcessError) as error:
            print(f'!! no Python {target} to try with: {error}', flush=True)
            return None
        return Root(into, f'/usr/local/bin/python{target.python}')

    def _build(self, target: Target, into: Path) -> None:
        source = self.archive.source(f'python{target.version}', SUITES[target.version])
        if target.platform.musl:
            self._build_for_musl(target, source, into)
            return
        self._make('free-threaded', source, into)
        extensions = into.glob('usr/local/lib/python*/lib-dynload/*.so')
        add_libraries(into, [into / f'usr/local/bin/python{target.python}', *extensions])

    def _build_for_musl(self, target: Target, source: Path, into: Path) -> None:
        compilers = self.tools.compilers(target.platform)
        zlib, sqlite = self.archive.source('zlib'), self.archive.source('sqlite3')
        loader = self.cache / 'musl'
        self.archive.unpack('musl', architecture='amd64', suite=STABLE, into=loader)
        self._make('musl', compilers, source, zlib, sqlite, into)
        shutil.copytree(loader, into, symlinks=True, dirs_exist_ok=True)
        (into / 'lib').symlink_to('usr/lib')    # where programs look for the loader

    def _make(self, kind: str, *arguments: Path) -> None:
        print(f'== a Python to try with: {kind}', flush=True)
        script = Path(__file__).parent / 'pythons.sh'
        subprocess.run([script, kind, *arguments], check=True)


def add_libraries(root: Path, programs: list[Path]) -> None:
    """Copy what the loader would load for `programs`, under its own path,
    and the whole of libc."""
    found: set[Path] = set()
    for program in programs:
        listed = subprocess.run(['ldd', program], stdout=subprocess.PIPE, text=True).stdout
        found.update(Path(word) for word in listed.split() if word.startswith('/'))
    libc = next(path for path in found if path.name == 'libc.so.6')
    found.update(path for name in LIBC for path in libc.parent.glob(name))
    for library in found:
        copy = root / library.relative_to('/')
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, copy)
