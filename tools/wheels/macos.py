"""Compile the core for macOS, as far as that goes on another system: zig has the headers of
its libc; libcurl's and OpenSSL's are those of the libraries for Linux. Nothing is linked or run.

Example::

    python tools/wheels/macos.py
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from archive import Archive
from platforms import PLATFORMS
from toolchain import Toolchain, cache_folder

TREE = Path(__file__).parents[2]
TARGETS = ('x86_64-macos', 'aarch64-macos')


def main() -> None:
    cache = cache_folder()
    tools = Toolchain(cache, Archive(cache))
    headers = tools.libraries(PLATFORMS['x86_64']) / 'usr/include'
    failed = 0
    for target in TARGETS:
        compiler = tools.compilers(replace(PLATFORMS['x86_64'], name=target, zig=target))
        sources = sorted((TREE / 'src/core').glob('*/*.c'))
        compiled = [compiles(compiler / 'cronsched-cc', headers, source) for source in sources]
        print(f'{target}: {sum(compiled)} of {len(sources)} files of the core compile, not run')
        failed += compiled.count(False)
    sys.exit(failed > 0)


def compiles(compiler: Path, headers: Path, source: Path) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        flags = ['-std=c11', '-Wall', '-Wextra', '-Werror', '-iquote', str(TREE / 'src')]
        output = ['-c', '-o', f'{folder}/part.o']
        command = [str(compiler), *output, *flags, f'-I{headers}', str(source)]
        return subprocess.run(command).returncode == 0


if __name__ == '__main__':
    main()
