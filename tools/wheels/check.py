"""Is a wheel fit to be published? Fails on another tag than its name says, on another export than
Python's entry, on a path of the machine that built it, on a library it does not say or would need,
and on missing licences.

Example::

    python tools/wheels/check.py dist/*.whl

It reads the wheel with readelf and auditwheel, which know nothing of how it was built.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

ENTRY = 'PyInit__cronsched'
# What is on every machine that the tag allows, and on none but it.
NEEDED = re.compile(r'(libc|libdl|libm|libpthread|ld-linux-aarch64)\.so\.\d|libc\.musl-\w+\.so\.1')
# A source file by its absolute path, as __FILE__ leaves it.
SOURCE_PATH = re.compile(rb'/[\w.+~@-]+(?:/[\w.+~@-]+)+\.(?:c|h|s|S|inc|zig)\b')
# What the libraries say of themselves; the parts of the bill of materials by name.
SAYS = {'curl': rb'libcurl/(\d[\d.]+)', 'openssl': rb'OpenSSL (\d[\d.]+) \d'}
LICENSES = ('LICENSE', 'curl-COPYING', 'openssl-LICENSE.txt')


def check(wheel: Path, private: Iterable[Path] = ()) -> None:
    """Exit with every fault; `private` are folders that must not be named."""
    faults = [*faults_of(wheel, private), *policy_faults(wheel)]
    if faults:
        raise SystemExit('\n'.join(f'{wheel.name}: {fault}' for fault in faults))


def faults_of(wheel: Path, private: Iterable[Path] = ()) -> Iterator[str]:
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    extensions = [name for name in files if name.endswith('.so')]
    if len(extensions) != 1:
        yield f'{len(extensions)} extensions, not one: {extensions}'
        return
    code = files[extensions[0]]
    yield from tag_faults(wheel, files)
    yield from extension_faults(code)
    yield from path_faults(files, private)
    yield from content_faults(files, code)


def tag_faults(wheel: Path, files: dict[str, bytes]) -> Iterator[str]:
    """The name and the file WHEEL say the same."""
    said = re.findall(rb'(?m)^Tag: (\S+)$', find(files, 'WHEEL'))
    named = wheel.stem.split('-', 2)[2]
    if said != [named.encode()]:
        yield f'its name says {named}, WHEEL says {b", ".join(said).decode()}'


def extension_faults(code: bytes) -> Iterator[str]:
    with tempfile.NamedTemporaryFile(suffix='.so') as file:
        file.write(code)
        file.flush()
        exports, dynamic = exports_of(file.name), readelf('--dynamic', file.name)
    if exports != {ENTRY}:
        shown = ', '.join(sorted(exports ^ {ENTRY})[:5])
        yield f'exports other than {ENTRY} alone: {shown}'
    for name in re.findall(r'\(NEEDED\).*\[(.+)\]', dynamic):
        if not NEEDED.fullmatch(name):
            yield f'needs {name}'
    for name in re.findall(r'\((?:RPATH|RUNPATH)\).*\[(.+)\]', dynamic):
        yield f'searches {name} for libraries'


def exports_of(file: str) -> set[str]:
    """Names that it defines for others, without their versions."""
    names = set()
    for line in readelf('--dyn-syms', file).splitlines():
        fields = line.split()
        if len(fields) >= 8 and fields[4] in ('GLOBAL', 'WEAK') and fields[6] != 'UND':
            names.add(fields[7].split('@')[0])
    return names - {'Name'}


def readelf(option: str, file: str) -> str:
    return subprocess.check_output(['readelf', '--wide', option, file], text=True)


def path_faults(files: dict[str, bytes], private: Iterable[Path]) -> Iterator[str]:
    for name, content in files.items():
        for folder in private:
            if str(folder).encode() in content:
                yield f'{name} names {folder}'
        if name.endswith('.so'):
            for path in sorted(set(SOURCE_PATH.findall(content))):
                yield f'{name} names {path.decode()}'


def content_faults(files: dict[str, bytes], code: bytes) -> Iterator[str]:
    """The licences are there; the bill of materials says what the code says."""
    for name in LICENSES:
        if not find(files, f'licenses/{name}'):
            yield f'no licenses/{name}'
    text = find(files, 'sboms/cronsched.cdx.json')
    if not text:
        yield 'no bill of materials'
        return
    listed = {part['name']: part['version'] for part in json.loads(text)['components']}
    for name, pattern in SAYS.items():
        found = {version.decode() for version in re.findall(pattern, code)}
        if len(found) != 1 or not listed.get(name, '').startswith(f'{min(found)}-'):
            yield f'{name}: the code says {found}, the bill of materials {listed.get(name)}'


def find(files: dict[str, bytes], end: str) -> bytes:
    """The file of dist-info, empty if there is none."""
    for name, content in files.items():
        if name.endswith(f'.dist-info/{end}'):
            return content
    return b''


def policy_faults(wheel: Path) -> Iterator[str]:
    """What auditwheel finds that the wheel is fit for, by its symbols."""
    command = [sys.executable, '-m', 'auditwheel', 'show', str(wheel)]
    shown = subprocess.check_output(command, text=True)
    found = re.search(r'following\s+platform\s+tag:\s+"([^"]+)"', shown)
    tag = wheel.stem.split('-')[-1]
    if not found or found[1] != tag:
        yield f'auditwheel says {found[1] if found else shown}, not {tag}'


if __name__ == '__main__':
    for argument in sys.argv[1:]:
        check(Path(argument), private=(Path.home(), Path(__file__).parents[2]))
        print(f'{argument}: ok')
