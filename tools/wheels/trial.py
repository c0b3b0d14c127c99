"""Install each wheel in an empty root and use it there.

Example::

    python tools/wheels/trial.py dist/*.whl

pip, running in the root with the Python of the root, chooses the wheel; then http and https are
called through the native scheduler (the server is outside, on loopback), a process is forked and
ends with the thread running, and certificates are looked for at each place where a distribution
keeps them. Prints what was tried, and what was only built because no such Python is to be had.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from archive import Archive
from loopback import Servers
from platforms import PLATFORMS, PYTHONS, Target
from roots import Root, Roots
from toolchain import Toolchain, cache_folder

PLACES = (
    '/etc/ssl/certs/ca-certificates.crt',
    '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
    '/etc/pki/tls/certs/ca-bundle.crt',
    '/etc/ssl/ca-bundle.pem',
    '/etc/ssl/cert.pem',
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('wheels', nargs='+', type=Path)
    options = parser.parse_args()
    cache = cache_folder()
    try_all(options.wheels, Toolchain(cache, Archive(cache)))


def try_all(wheels: list[Path], tools: Toolchain) -> None:
    """Exit with the number of faults, if there are any."""
    roots = Roots(tools)
    house = dependencies(tools.cache / 'dependencies')
    with Servers() as servers:
        faults = sum(report(wheel, roots, house, servers) for wheel in wheels)
    if faults:
        raise SystemExit(f'{faults} faults')


def report(wheel: Path, roots: Roots, house: Path, servers: Servers) -> int:
    target = target_of(wheel)
    root = roots.find(target)
    if root is None:
        print(f'built only, no such Python to try it with: {wheel.name}', flush=True)
        return 0
    faults = list(try_out(wheel, root, house, servers))
    how = f' under {root.emulator}' if root.emulator else ''
    what = f'{"FAILED" if faults else "tried"}{how}: {wheel.name}'
    print(what, *faults, sep='\n    ', flush=True)
    return len(faults)


def target_of(wheel: Path) -> Target:
    tag = wheel.stem.split('-', 2)[2]
    for platform in PLATFORMS.values():
        for python in PYTHONS:
            if Target(python, platform).tag == tag:
                return Target(python, platform)
    raise SystemExit(f'{wheel.name} is none of ours')


def dependencies(house: Path) -> Path:
    """pip itself, and what cronsched depends on, as wheels for any Python."""
    if not house.exists():
        names = ('pip', 'platformdirs', 'tzdata')
        command = [sys.executable, '-m', 'pip', 'download', '-q', '--no-deps', '-d', str(house)]
        subprocess.run([*command, '--only-binary=:all:', *names], check=True)
    return house


def try_out(wheel: Path, root: Root, house: Path, servers: Servers) -> Iterator[str]:
    """Each fault."""
    yield from others_in(root)
    prepare(root, wheel, house, servers)
    (pip,) = (root.folder / 'wheels').glob('pip-*.whl')
    install = ('install', '--no-index', '--find-links=/wheels', '--target=/site', '--no-compile')
    done = root.run(f'/wheels/{pip.name}/pip', *install, 'cronsched')
    if done.returncode:
        yield f'pip: {done.stdout}'
        return

    def python(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return root.run(*arguments, PYTHONPATH='/site', **variables)

    https = servers.https
    yield from expect(python('-m', 'cronsched', '--version'), 'in this wheel: curl ')
    yield from expect(python('/inside.py', 'forks', servers.http), 'child ok 200', 'parent ok 200')
    found = [f'{place} ok 200' for place in PLACES]
    yield from expect(
        python('/inside.py', 'certificates', https, *PLACES), 'nowhere unreachable 0', *found
    )
    told = {'SSL_CERT_FILE': '/authority.pem'}
    yield from expect(python('/inside.py', 'certificates', https, **told), 'nowhere ok 200')


def others_in(root: Root) -> Iterator[str]:
    """A libcurl there could be loaded in place of ours. (Python's own ssl
    needs a libssl; ours binds to none, which check.py has seen.)"""
    for path in root.folder.rglob('libcurl*'):
        yield f'the root is not empty: {path}'


def prepare(root: Root, wheel: Path, house: Path, servers: Servers) -> None:
    """Nothing is left of the wheel before, nor certificates of a package."""
    for name in ('site', 'wheels'):
        shutil.rmtree(root.folder / name, ignore_errors=True)
    for place in PLACES:
        (root.folder / place.lstrip('/')).unlink(missing_ok=True)
    shutil.copytree(house, root.folder / 'wheels')
    shutil.copy(wheel, root.folder / 'wheels')
    shutil.copy(Path(__file__).parent / 'inside.py', root.folder)
    shutil.copy(servers.authority, root.folder / 'authority.pem')
    (root.folder / 'etc').mkdir(exist_ok=True)
    (root.folder / 'etc/hosts').write_text('127.0.0.1 localhost\n')


def expect(done: subprocess.CompletedProcess[str], *texts: str) -> Iterator[str]:
    if done.returncode or not all(text in done.stdout for text in texts):
        yield f'status {done.returncode}, not {texts}: {done.stdout}'


if __name__ == '__main__':
    main()
