"""The compiler for a platform, the libraries inside a wheel, Python's headers.

Example::

    tools = Toolchain(cache)
    tools.compilers(platform)    # a folder with cronsched-cc, -ar, -ranlib: zig's, from the index
    tools.libraries(platform)    # static OpenSSL and libcurl; 3 to 5 minutes the first time
    tools.headers(target)        # the folders to search for Python.h

Everything is kept in the cache folder under a name made from what it was made of (revisions,
flags, compiler), so that a change makes it anew and nothing else does.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import os
import shutil
import subprocess
from pathlib import Path

from archive import OLDSTABLE, STABLE, TESTING, Archive
from platforms import Platform, Target

HERE = Path(__file__).parent
SOURCES = ('openssl', 'curl')

TEST_FLAGS = '-std=c11 -D_GNU_SOURCE -DCS_MEM_TORTURE -O1 -g0'

# Whose newest Python has the headers; every other one has to be on this machine.
SUITES = {'3.11': OLDSTABLE, '3.13': STABLE, '3.14': TESTING}


def cache_folder() -> Path:
    """Where everything is kept that is fetched or built on the way."""
    given = os.environ.get('CRONSCHED_WHEELS', '~/.cache/cronsched-wheels')
    return Path(given).expanduser().resolve()


class NoInterpreter(SystemExit):
    """One that is needed on this machine."""


class Toolchain:
    def __init__(self, cache: Path, archive: Archive) -> None:
        self.cache = cache
        self.archive = archive

    @functools.cached_property
    def sources(self) -> dict[str, Path]:
        return {name: self.archive.source(name) for name in SOURCES}

    @property
    def revisions(self) -> dict[str, str]:
        """Of what is inside, as Debian counts them: {'curl': '8.14.1-2+deb13u5'}."""
        return {name: path.name.split('_')[1] for name, path in self.sources.items()}

    def compilers(self, platform: Platform) -> Path:
        """Wrapper scripts: their names, not zig's path, end up in OpenSSL."""
        import ziglang

        zig = Path(ziglang.__file__).parent / 'zig'
        folder = self.cache / 'compilers' / platform.name
        folder.mkdir(parents=True, exist_ok=True)
        for name, command in {
            'cc': f'cc -target {platform.zig}',
            'ar': 'ar',
            'ranlib': 'ranlib',
        }.items():
            script = folder / f'cronsched-{name}'
            script.write_text(
                '#!/bin/sh\n'
                f'export ZIG_GLOBAL_CACHE_DIR={self.cache}/zig\n'
                f'export ZIG_LOCAL_CACHE_DIR={self.cache}/zig\n'
                f'exec {zig} {command} "$@"\n'
            )
            script.chmod(0o755)
        return folder

    def libraries(self, platform: Platform) -> Path:
        folder = self.cache / 'libraries' / f'{platform.name}-{self._key(platform)}'
        if not folder.exists():
            folder.parent.mkdir(exist_ok=True)
            print(f'== libraries for {platform.name}', flush=True)
            subprocess.run(
                [
                    HERE / 'libraries.sh',
                    *(platform.triple, platform.openssl, self.compilers(platform)),
                    *(self.sources['openssl'], self.sources['curl'], folder),
                ],
                check=True,
            )
        self._try_libraries(platform, folder)
        return folder

    def _try_libraries(self, platform: Platform, folder: Path) -> None:
        """The C tests of the HTTP room, once, against these libraries: what
        was switched off in them is nothing that cronsched uses. Where they run;
        they are made with the same flags for the other machine."""
        tried = folder / 'tried'
        if tried.exists() or platform.machine != os.uname().machine:
            return
        tests = HERE.parent.parent / 'tests/c'
        environment = {**os.environ, 'PATH': f'{self.compilers(platform)}:{os.environ["PATH"]}'}
        make = ['make', '-s', '-C', tests, f'OUT={folder}', 'SAN=none', 'CC=cronsched-cc']
        flags = f'-I{folder}/usr/include -DCURL_STATICLIB {TEST_FLAGS} -iquote {tests}/../../src'
        libraries = f'-L{folder}/usr/lib -lcurl -lssl -lcrypto -lpthread'
        program = folder / 'test_http'
        subprocess.run(
            [*make, f'FLAGS={flags}', f'LIBS={libraries}', program],
            env=environment,
            check=True,
        )
        subprocess.run([program], check=True, timeout=300)
        program.rename(tried)

    def _key(self, platform: Platform) -> str:
        """Of all that decides about the libraries' bytes."""
        made_of = (
            (HERE / 'libraries.sh').read_text(),
            repr(platform),
            repr(self.revisions),
            importlib.metadata.version('ziglang'),
        )
        return hashlib.sha256('\0'.join(made_of).encode()).hexdigest()[:16]

    def headers(self, target: Target) -> list[Path]:
        """Debian's package where it has one. Else those of an interpreter of
        this machine, also for another processor: what differs in their
        pyconfig.h is nothing that cronsched uses."""
        suite = SUITES.get(target.version)
        if suite is None:
            return [include_of(interpreter(target.python))]
        root = self.archive.unpack(
            f'libpython{target.version}-dev',
            architecture=target.platform.debian,
            suite=suite,
            into=self.cache / 'headers' / f'{target.version}-{target.platform.debian}',
        )
        return [root / f'usr/include/python{target.version}', root / 'usr/include']


def interpreter(python: str) -> Path:
    """`python3.12` of this machine: on the PATH or of pyenv."""
    folders = os.environ.get('PATH', '').split(':')
    versions = Path(os.environ.get('PYENV_ROOT', '~/.pyenv')).expanduser() / 'versions'
    folders += [str(path / 'bin') for path in sorted(versions.glob(f'{python}.*'))]
    for folder in folders:
        found = shutil.which(f'python{python}', path=folder)
        if found and 'shims' not in folder:
            return Path(found)
    raise NoInterpreter(f'python{python}: Debian has none, nor has this machine')


def include_of(python: Path) -> Path:
    script = 'import sysconfig; print(sysconfig.get_path("include"))'
    return Path(subprocess.check_output([python, '-c', script], text=True).strip())
