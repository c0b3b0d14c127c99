"""From the wheel that setuptools built to the one that is published: the tag, the licences and
versions of what is inside, a fixed order and fixed times.

Example::

    finish(raw, target, {'curl': '8.14.1-2+deb13u5', ...}, licenses, timestamp, Path('dist'))
"""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import tempfile
import time
import zipfile
from pathlib import Path

from platforms import Target
from sbom import INSIDE, bill

EXECUTABLE = 0o100755
PLAIN = 0o100644


def finish(
    raw: Path,
    target: Target,
    revisions: dict[str, str],
    licenses: Path,
    timestamp: int,
    out: Path,
) -> Path:
    with zipfile.ZipFile(raw) as wheel:
        files = {name: wheel.read(name) for name in wheel.namelist() if not name.endswith('/')}
    name, version = raw.name.split('-')[:2]
    info = f'{name}-{version}.dist-info'
    for path in sorted(licenses.iterdir()):
        files[f'{info}/licenses/{path.name}'] = path.read_bytes()
    files[f'{info}/sboms/{name}.cdx.json'] = bill(version, target.tag, revisions, timestamp)
    files[f'{info}/METADATA'] = declare_licenses(files[f'{info}/METADATA'], licenses)
    files[f'{info}/WHEEL'] = retag(files[f'{info}/WHEEL'], target.tag)
    if target.platform.musl:
        name_musl(files, target.platform.machine)
    files[f'{info}/RECORD'] = record(files, info)
    return write(out / f'{name}-{version}-{target.tag}.whl', files, info, timestamp)


def declare_licenses(metadata: bytes, licenses: Path) -> bytes:
    """Of what is inside beside our own (PEP 639)."""
    text = metadata.decode()
    expression = ' AND '.join(part.license for part in INSIDE.values())
    text, count = re.subn(r'(?m)^(License-Expression: .*)$', rf'\1 AND {expression}', text)
    names = ''.join(f'\nLicense-File: {path.name}' for path in sorted(licenses.iterdir()))
    text, more = re.subn(r'(?m)^(License-File: LICENSE)$', rf'\1{names}', text)
    assert count == more == 1, text
    return text.encode()


def retag(wheel: bytes, tag: str) -> bytes:
    lines = [line for line in wheel.decode().splitlines() if line and not line.startswith('Tag:')]
    return '\n'.join([*lines, f'Tag: {tag}', '']).encode()


def name_musl(files: dict[str, bytes], machine: str) -> None:
    """zig's linker calls musl `libc.so`; on a machine it has another name."""
    (name,) = (name for name in files if name.endswith('.so'))
    with tempfile.TemporaryDirectory() as folder:
        extension = Path(folder) / 'extension.so'
        extension.write_bytes(files[name])
        command = ['patchelf', '--replace-needed', 'libc.so', f'libc.musl-{machine}.so.1']
        subprocess.run([*command, extension], check=True)
        files[name] = extension.read_bytes()


def record(files: dict[str, bytes], info: str) -> bytes:
    lines = []
    for name in order(files, info):
        if name == f'{info}/RECORD':
            lines.append(f'{name},,')
            continue
        digest = base64.urlsafe_b64encode(hashlib.sha256(files[name]).digest()).decode()
        lines.append(f'{name},sha256={digest.rstrip("=")},{len(files[name])}')
    return '\n'.join([*lines, '']).encode()


def order(files: dict[str, bytes], info: str) -> list[str]:
    """By name; what is about the wheel last, and RECORD behind all."""
    names = {*files, f'{info}/RECORD'}
    return sorted(names, key=lambda name: (name.startswith(info), name.endswith('/RECORD'), name))


def write(path: Path, files: dict[str, bytes], info: str, timestamp: int) -> Path:
    moment = time.gmtime(max(timestamp, 315532800))[:6]   # a zip begins in 1980
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED, compresslevel=9) as wheel:
        for name in order(files, info):
            entry = zipfile.ZipInfo(name, moment)
            entry.external_attr = (EXECUTABLE if name.endswith('.so') else PLAIN) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            wheel.writestr(entry, files[name])
    return path
